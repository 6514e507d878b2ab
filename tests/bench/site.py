"""The site of many records: seconds to build it, and until its pages show and answer, as a Markdown table.

    python tests/bench/site.py [--sizes 1000 10000] [--keep FOLDER] [--rounds 5]

The records are those of ``tests/bench/folders.py``: made up, not measured. They are built twice: first without an
index, so that every file is parsed, then with it. Pages are opened in Chromium from the file system, each round in a
window of its own without a cache; given is the median. A page shows when its content is there and drawn: of explore the
first rows of the table. A filter answers when what it tells of the rows has changed, counted from the last key; keys
are gathered for a moment first, and that is part of it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from folders import SETTLED_S, documents, timed, write  # noqa: E402

CHROMIUM = "/usr/bin/chromium"
#: Name and limit, seconds: of 1,000 records, and of more.
LIMITS = {
    "build, first": (60, None), "build, later": (60, None), "front page shows": (1, 5), "explore shows": (2, 5),
    "a filter answers": (0.1, None), "a record shows": (None, None), "the list of records shows": (None, None),
}  # fmt: skip
#: Resolves in the page when its next frame after now was painted.
PAINTED = "() => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0)))"
#: Types a condition, and resolves with the milliseconds until what is told has changed.
FILTERED = """() => new Promise((done, failed) => {
  const told = document.getElementById("told"), where = document.getElementById("where");
  let begin;
  const watch = new MutationObserver(() => {
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin), 0));
  });
  watch.observe(told, { childList: true, characterData: true, subtree: true });
  setTimeout(() => failed("nothing happened"), 20000);
  where.value = "backend=jax hidden>=16";
  begin = performance.now();
  where.dispatchEvent(new InputEvent("input", { bubbles: true }));
})"""


def built(size: int, folder: Path) -> Iterator[tuple[str, float]]:
    """Name and seconds of building a site of ``size`` records, which is then in ``site-<size>``."""
    records, index = folder / f"records-{size}", folder / f"index-{size}"
    if not records.exists():
        write(records, documents(size))
    time.sleep(SETTLED_S)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HARNESS_INDEX": str(index)}
    for file in index.glob("*"):
        file.unlink()
    for name in ("build, first", "build, later"):
        took, peak = timed(["site", str(records), "--out", str(folder / f"site-{size}")], env)
        print(f"{size:,} {name}: {took:.1f} s, {peak:.0f} MiB", file=sys.stderr, flush=True)
        yield name, took


def shown(size: int, folder: Path, rounds: int) -> Iterator[tuple[str, float]]:
    """Name and median seconds of what a reader waits for."""
    from playwright.sync_api import sync_playwright

    site = folder / f"site-{size}"
    a_record = min(path.name for path in (site / "records").glob("*.html") if len(path.stem) == 64)
    pages = {
        "front page shows": ("index.html", "main h1"),
        "explore shows": ("explore.html", "#explore tbody tr"),
        "a record shows": (f"records/{a_record}", "main h1"),
        "the list of records shows": ("records/index.html", "tbody tr"),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        for name, (address, content) in pages.items():
            yield name, statistics.median(_shows(browser, site / address, content) for _ in range(rounds))
        yield "a filter answers", statistics.median(_answers(browser, site / "explore.html") for _ in range(rounds))
        browser.close()


def _shows(browser: Any, page: Path, content: str) -> float:
    """Seconds from the start of loading to the frame that has the content, by the page's own clock."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    window = context.new_page()
    window.goto(page.as_uri(), wait_until="commit")
    window.wait_for_selector(content)
    took = float(window.evaluate(PAINTED)) / 1e3
    context.close()
    return took


def _answers(browser: Any, page: Path) -> float:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    window = context.new_page()
    window.goto(page.as_uri())
    window.wait_for_selector("#explore tbody tr")
    took = float(window.evaluate(FILTERED)) / 1e3
    context.close()
    return took


def main() -> int:
    """Measure, and print the table; 1 where a limit was passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--rounds", type=int, default=5, help="how often each page is opened")
    parser.add_argument("--keep", type=Path, help="folder for records and sites, kept afterwards")
    given, _ = parser.parse_known_args()
    found: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        for size in given.sizes:
            found.append(dict(built(size, folder)) | dict(shown(size, folder, given.rounds)))
    print("| | " + " | ".join(f"{size:,} records | limit" for size in given.sizes) + " |")
    print("|---" * (1 + 2 * len(found)) + "|")
    passed = False
    for name, limits in LIMITS.items():
        cells = []
        for size, of in zip(given.sizes, found, strict=True):
            limit = limits[size > 1000]
            passed |= limit is not None and of[name] > limit
            cells += [f"{of[name]:.2f} s", f"{limit:g} s" if limit is not None else ""]
        print(f"| {name} | " + " | ".join(cells) + " |")
    return int(passed)


if __name__ == "__main__":
    sys.exit(main())
