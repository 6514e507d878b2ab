"""Records that would control a terminal, a page, a spreadsheet or a shell, through every command that prints them.

    python tests/drills/escapes.py [--count 1400] [--quick]

Every place of a record where text stands has payloads of all kinds in turns, and so has the file's name. Each file
goes through ``table`` and ``show``, refused or not; each that is accepted as a record also through the other formats,
``compare`` in both orders, ``verify`` (which is handed another record for a run) and ``reproduce`` (which is refused an
environment); and with others through ``report`` and ``plot``. Consoles draw with styles, as on a terminal; where
``chromium`` is installed, it opens each page. Prints what was counted and each finding with the record's name; exits 1
if there was one. It takes about ten minutes.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from typer.testing import CliRunner  # noqa: E402

from harness.cli import app  # noqa: E402
from harness.processes.virtual_environments import NotBuilt  # noqa: E402
from harness.records.run import Record  # noqa: E402
from harness.records.store import StoreError, read  # noqa: E402
from tests.fixtures.hostile_records import FORGED, PAYLOADS, PRODUCT, TITLE, TOUCHED, hostile, originals  # noqa: E402
from tests.fixtures.odd_records import sealed  # noqa: E402
from tests.harness.conftest import made_record  # noqa: E402

#: Records that share a page and a set of figures.
TOGETHER = 20
#: The harness' own styles on a terminal of sixteen colours; that of a payload is longer.
OWN_STYLES = re.compile(r"\x1b\[[0-9;]{1,5}m")
NUMBER = re.compile(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?", re.IGNORECASE)
TERMINAL = {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "200"}
CHROMIUM = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync", "--dump-dom",
)  # fmt: skip
KINDS = ("escapes", "forged lines", "markup", "scripts", "formulas", "commands", "templates", "executed", "tracebacks")
Found = Iterator[tuple[str, str]]


class Page(HTMLParser):
    """The elements of a page with the names of their attributes, and where its links and pictures lead."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.parts: set[tuple[str, str]] = set()
        self.leads: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect it."""
        self.parts |= {(tag, ""), *((tag, name) for name, _ in attrs)}
        self.leads += [value or "" for name, value in attrs if name in ("href", "src")]


def controlling(text: str) -> Iterator[str]:
    """Lines with a character that could control a terminal, its own styles left out."""
    for line in OWN_STYLES.sub("", text).split("\n"):
        places = [place for place, c in enumerate(line) if c != "\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs")]
        if places:
            yield repr(line[max(0, places[0] - 60) : places[0] + 20])


def in_output(text: str) -> Found:
    """What took effect in what a terminal is sent."""
    for line in controlling(text):
        yield "escapes", line
    if any(line.startswith(FORGED) for line in text.split("\n")):
        yield "forged lines", FORGED
    if "colouredx" in text:
        yield "markup", "colouredx"
    if PRODUCT in text:
        yield "templates", PRODUCT


def in_csv(text: str) -> Found:
    """Cells that a spreadsheet computes, or lines that a cell made."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    for cell in (cell for row in rows for cell in row):
        if cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not NUMBER.fullmatch(cell):
            yield "formulas", repr(cell[:40])
    if len({len(row) for row in rows}) > 1:
        yield "forged lines", "rows of different lengths"


def in_page(path: Path, honest: set[tuple[str, str]]) -> Found:
    """What of a report's HTML no honest report has."""
    page = Page(path)
    if strange := page.parts - honest:
        yield "scripts", repr(sorted(strange))
    for lead in page.leads:
        if not lead.startswith(("#set-", "data:image/svg+xml;base64,")):
            yield "scripts", lead[:60]
    yield from in_output(path.read_text())


def in_markdown(text: str) -> Found:
    """Tags, and links other than to the report's figures, that are not escaped."""
    if found := re.search(r"<[a-z/!]|(?<!\\)\]\((?!figures/)", text, re.IGNORECASE):
        yield "scripts", text[found.start() : found.start() + 40]
    yield from in_output(text)


def in_latex(text: str) -> Found:
    """Commands of LaTeX that are a payload's; what follows a % on its line is a comment."""
    for line in text.split("\n"):
        if found := re.search(r"\\(input|immediate|write)", re.sub(r"(?<!\\)%.*", "", line)):
            yield "commands", line[found.start() : found.start() + 40]


def invoked(words: Sequence[str | Path], on_terminal: bool = True) -> tuple[str, Found]:
    """What a command prints on standard output, and what took effect in all that it prints."""
    done = CliRunner().invoke(app, list(map(str, words)), env=TERMINAL if on_terminal else {"COLUMNS": "200"})
    return done.stdout, _judged(done.stdout + "\n" + done.stderr, done.exception)


def _judged(printed: str, error: BaseException | None) -> Found:
    yield from in_output(printed)
    if error is not None and not isinstance(error, SystemExit):
        yield "tracebacks", "".join(traceback.format_exception(error))


def alone(path: Path, good: Path, record: object | None) -> Found:
    """What one file does to the commands; those that need a record where it is one."""
    for words in (["table"], ["table", "--summary"], ["table", "--format", "terminal"], ["show"]):
        yield from invoked([*words, path])[1]
    if record is None:
        return
    text, found = invoked(["table", path, "--format", "csv"])
    yield from (*in_csv(text), *(each for each in found if each[0] != "forged lines"))
    text, found = invoked(["table", path, "--format", "markdown"])
    yield from (*in_markdown(text), *found)
    text, found = invoked(["table", path, "--format", "latex"])
    yield from (*in_latex(text), *found)
    for pair in ((path, good), (good, path)):
        yield from invoked(["compare", *pair])[1]
        yield from invoked(["compare", pair[0], "--against", pair[1]])[1]
    if isinstance(record, Record):
        for more in ([], ["--json"]):
            yield from invoked(["verify", path, *more], on_terminal=False)[1]
            yield from invoked(["reproduce", path, *more], on_terminal=False)[1]


def together(folder: Path, honest: set[tuple[str, str]], counts: Counter[str]) -> Found:
    """What the records of a folder do to pages and figures."""
    for command in ("report", "plot"):
        yield from invoked([command, folder, "--out", folder / command])[1]
    counts["pages"] += 1
    yield from in_page(folder / "report" / "report.html", honest)
    yield from in_markdown((folder / "report" / "report.md").read_text())
    if browser := shutil.which("chromium"):
        counts["pages opened in chromium"] += 1
        with tempfile.TemporaryDirectory() as profile:
            words = [browser, *CHROMIUM, f"--user-data-dir={profile}", str(folder / "report" / "report.html")]
            shown = subprocess.run(words, capture_output=True, text=True, timeout=120).stdout
        if "</html>" not in shown:
            yield "tracebacks", "chromium showed no page"
        if f"<title>{TITLE}</title>" in shown:
            yield "scripts", "one ran in chromium"


def drilled(count: int, counts: Counter[str]) -> Found:
    """All findings, each with the record's name."""
    waiting: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        os.environ |= {"XDG_CACHE_HOME": str(place / "cache"), "TMPDIR": scratch}
        os.chdir(place)
        good, folder = place / "good.json", place / "0"
        good.write_text(made_record(seed=3).model_dump_json())
        honest = honest_parts(place / "honest")
        payloads = [re.sub("[/\0]", "", payload) for payload in PAYLOADS.values()]  # which no file name has
        for number, odd in enumerate(hostile(count)):
            if not waiting:
                folder.mkdir()
                shutil.copy(good, folder)
            path = folder / f"{number}{payloads[number % len(payloads)]}.json"
            path.write_bytes(odd.text)
            try:
                record = read(path)
            except StoreError:
                record = None
            counts["records"] += 1
            counts["accepted" if record else "refused"] += 1
            waiting.append(odd.name)
            yield from ((kind, f"{odd.name}: {what}") for kind, what in alone(path, good, record))
            if len(waiting) == TOGETHER or number == count - 1:
                names = f"one of {waiting[0]} to {waiting[-1]}"
                yield from ((kind, f"{names}: {what}") for kind, what in together(folder, honest, counts))
                folder, waiting = place / str(number + 1), []
        yield from (("executed", str(path)) for path in place.rglob(f"*{TOUCHED}*") if path.suffix != ".json")


def honest_parts(folder: Path) -> set[tuple[str, str]]:
    """The elements and attributes that pages of honest records have."""
    folder.mkdir()
    for number, document in enumerate(originals()):
        (folder / f"{number}.json").write_bytes(sealed(document))
    (folder / "none.json").write_text("{}")
    invoked(["report", folder, "--out", folder])
    return Page(folder / "report.html").parts


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1400, help="of records")
    parser.add_argument("--quick", action="store_true", help="forty records")
    asked = parser.parse_args()
    counts = Counter(dict.fromkeys(("records", "accepted", "refused", "pages", *KINDS), 0))
    again = made_record(seed=3, environment={"cpu": "another"})
    with (
        mock.patch("harness.workflows.verify.execute", return_value=again),
        mock.patch("harness.workflows.reproduce.fetch"),
        mock.patch("harness.workflows.reproduce.python", side_effect=NotBuilt("not in a drill")),
    ):
        for kind, what in drilled(40 if asked.quick else asked.count, counts):
            counts[kind] += 1
            print(f"{kind}: {what}", flush=True)
    if shutil.which("chromium") is None:
        print("no page was opened in a browser: chromium is not installed")
    print(", ".join(f"{name} {count}" for name, count in counts.items()))
    return 1 if any(counts[kind] for kind in KINDS) else 0


if __name__ == "__main__":
    sys.exit(main())
