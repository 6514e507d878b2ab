"""One browser and one small site for all tests of the site."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from harness.presentation import site as sites
from harness.presentation.folders import read_all
from harness.records.base import Spread
from harness.records.run import Record
from harness.records.store import Store
from harness.specs.base import StudyMark
from tests.harness.conftest import made_claim, made_contestant, made_record, made_speed, made_verdict

CHROMIUM = "/usr/bin/chromium"
WIDTHS = (360, 1280)
THEMES = ("light", "dark")


class Visit:
    """A page in the browser, and what went wrong in it.

    Attributes:
        page: Playwright's.
        faults: errors of scripts and of the console, refusals by the policy among them, and requests that left.
    """

    def __init__(self, page: Any, folder: Path) -> None:
        self.page, self.faults, self._folder = page, [], folder
        page.on("console", lambda message: self._heard(message))
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", lambda request: self._asked(request.url))

    def go(self, address: str) -> None:
        """Open a page of the site; when this ends, its charts are drawn."""
        self.page.goto(f"{self._folder.as_uri()}/{address}")
        self.page.wait_for_selector("[data-chart]:not([data-drawn])", state="detached")

    def sideways(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def unreadable(self) -> list[str]:
        """What axe-core finds: rules that the page breaks, and where."""
        from axe_playwright_python.sync_playwright import Axe

        # it would else ask for the styles again, which the policy refuses
        found = Axe().run(self.page, options={"resultTypes": ["violations"], "preload": False})
        return [
            f"{each['id']}: {node['html'][:200]}" for each in found.response["violations"] for node in each["nodes"]
        ]

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text}")

    def _asked(self, url: str) -> None:
        if not url.startswith((self._folder.as_uri(), "data:")):
            self.faults.append(f"request: {url}")


Visitor = Callable[..., Any]


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Debian's Chromium, or another that is found as ``chromium``; ended with this folder's tests, as others count
    processes.
    """
    if find_spec("playwright") is None:
        pytest.skip("playwright is not installed: pip install -c constraints.txt -e '.[test]'")
    found = CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium")
    if not found:
        pytest.skip("there is no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def visitor(browser: Any) -> Visitor:
    """Opens a window on a site: ``with visitor(folder, width=360, theme="dark") as visit``."""

    @contextmanager
    def opened(folder: Path, width: int = 1280, theme: str = "light", **more: Any) -> Iterator[Visit]:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, **more)
        context.set_default_timeout(20_000)
        try:
            yield Visit(context.new_page(), folder)
        finally:
            context.close()

    return opened


def records() -> list[Record]:
    """Three tasks' worth of runs: several backends, cells and seeds, two versions of one, some that failed."""
    pairs = [(backend, cell) for backend in ("numpy", "torch", "jax") for cell in ("lstm", "gru")]
    found = [
        made_record("adding", backend, cell, seed=seed, number=10 * number + seed)
        for number, (backend, cell) in enumerate(pairs)
        for seed in range(3)
    ]
    found += [
        made_record(
            "adding", "torch", "lstm", seed=seed, number=100 + seed,
            environment={"versions": {"harness": "0.1.0", "numpy": "2.3.0", "torch": "2.12.0"}},
            metrics={"energy_j": 120.0 + seed, "train_sequences_per_second": _rate(9000 + 50 * seed)},
        )
        for seed in range(3)
    ]  # fmt: skip
    study = {"study": StudyMark(name="two-backends", sha256="a" * 64)}
    found += [
        made_record("copy", backend, number=200 + place, record=study) for place, backend in enumerate(("torch", "jax"))
    ]
    failed = made_record(
        "copy", "numpy", "gru", number=300, status="failed", reason="the loss is not finite", record=study
    )
    return [*found, failed]


def _rate(median: float) -> Spread:
    return Spread(median=median, p10=median * 0.97, p90=median * 1.02, blocks=38)


@pytest.fixture(scope="session")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of some runs and a call of speed."""
    folder = tmp_path_factory.mktemp("filed")
    store = Store(folder)
    for record in records():
        store.write(record)
    store.write(made_speed([made_contestant("numpy", 2.0), made_contestant("torch", 1.0)]))
    judged = records()[0]
    store.write(made_verdict(judged))
    store.write(made_verdict(judged, "same result", 1, cpu="Another processor"))
    store.write(made_claim(evidence=records()[:2]))
    store.write(made_claim("not-here", "cannot run here", number=1))
    return folder


@pytest.fixture(scope="session")
def site(filed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of these."""
    out = tmp_path_factory.mktemp("site") / "out"
    told: list[str] = []
    sites.write(read_all([filed]), out, tell=told.append, drawn=False)
    assert told == []
    return out
