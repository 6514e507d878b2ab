"""Rows side by side in a real browser: what the page's scripts say is what the package's functions say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import t

from harness.analysis.causes import apart, record_traits
from harness.analysis.ratios import ratio
from harness.analysis.regression import pair, row
from harness.presentation import site as sites
from harness.presentation.folders import read_all
from harness.presentation.site.compare import address, run
from harness.records.run import Record
from harness.records.speed import Timed
from harness.records.store import Store, sealed
from tests.harness.conftest import made_contestant, made_record, made_speed
from tests.harness.presentation.site.conftest import THEMES, WIDTHS, Visit, Visitor


@pytest.fixture
def visit(visitor: Visitor, site: Path) -> Iterator[Visit]:
    with visitor(site) as found:
        found.go("compare.html")
        yield found
        assert found.faults == []


def told(record: Record) -> dict[str, Any]:
    """A record as the page has it."""
    found: dict[str, Any] = json.loads(json.dumps(run(record)))
    return found | {"key": record.id}


def seeds(factor: float = 1.0, count: int = 3, **changes: Any) -> list[Record]:
    """Runs of several seeds, ``factor`` times as fast and as high in score."""
    found = []
    for seed in range(count):
        record = made_record("copy", "torch", seed=seed, number=seed, **changes)
        assert record.metrics is not None
        rate = record.metrics.train_sequences_per_second
        assert rate is not None
        faster = {name: getattr(rate, name) * factor for name in ("median", "p10", "p90")}
        score = {"recall_accuracy": 0.9 * factor + 0.01 * seed**2, "loss": 0.1}
        peak = int(record.metrics.host_peak_bytes * factor)  # type: ignore[operator]
        measured = {
            "train_sequences_per_second": rate.model_copy(update=faster), "score": score, "host_peak_bytes": peak,
            "data_sha256": "a" * 64,
        }  # fmt: skip
        found.append(record.model_copy(update={"metrics": record.metrics.model_copy(update=measured)}))
    return found


OTHER = {"cpu": "another", "os": "another", "cpu_flags": ["avx2", "sse"], "versions": {"numpy": "2.3.0", "torch": "9"}}


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (seeds(), seeds(2)),
        (seeds(), seeds(1.001)),
        (seeds(0.5), seeds(count=5)),
        (seeds(count=1), seeds(0.4, count=1)),
        (seeds(count=1), seeds(0.99, count=1)),
        (seeds(), seeds(0.9, count=1)),
        (seeds(count=2), seeds(0.999, count=1)),
        (seeds(count=1), seeds(count=1, environment=OTHER)),
    ],
)
def test_speed_memory_and_score_are_judged_as_compare_judges_them(
    visit: Visit, then: list[Record], now: list[Record]
) -> None:
    expected = row(then, now, 0.0)
    pairs = [[told(record) for record in side] for side in (then, now)]
    for name in ("time", "memory", "score"):
        found = visit.page.evaluate(f"([then, now]) => harnessSite.judge.{name}(then, now)", pairs)
        wanted = getattr(expected, name)
        assert found["state"] == wanted.state, name
        if wanted.ratio is not None:
            for ours, theirs in (("value", "ratio"), ("low", "low"), ("high", "high")):
                assert found[ours] == pytest.approx(getattr(wanted, theirs), rel=1e-9), name


def test_what_may_not_be_compared_says_why(visit: Visit) -> None:
    [record], [other] = seeds(count=1), seeds(count=1, parameters={"delay": 5, "symbols": 10, "alphabet": 8})
    failed = made_record("copy", "torch", status="failed", reason="no")
    drawn = record.model_copy(update={"metrics": record.metrics.model_copy(update={"data_sha256": "b" * 64})})  # type: ignore[union-attr]
    for against, why in (
        (other, "of different tasks: copy (delay=20"), (failed, "its run was failed"),
        (drawn, "the data differs (SHA-256"),
        (seeds(count=1, environment=OTHER)[0], "another processor: another, and Intel"),
    ):  # fmt: skip
        found = visit.page.evaluate("([a, b]) => harnessSite.judge.time([a], [b])", [told(record), told(against)])
        assert found["state"] == "not judged"
        assert found["why"].startswith(why)


SOURCES = {"backends": "1" * 64, "harness": "2" * 64}
AROUND: list[dict[str, Any]] = [
    {"sources": SOURCES, "packages": {"a": "1", "numpy": "2.3.0", "torch": "2"}, "libc": "glibc 2.36"},
    {"sources": {**SOURCES, "harness": "3" * 64}, "packages": {"b": "1", "harness": "2"}, "git_commit": "f" * 40},
    {"packages": {}, "git_commit": "e" * 40, "cpu_flags": ["avx2", "fma"], "threads": 2},
    {**OTHER, "sources": SOURCES, "blas": [{"library": "openblas", "version": "1"}], "device_name": "a GPU"},
    {"blas": [{"library": "openblas", "version": "2", "kernel": "Zen"}], "plugins": {"backend": "4" * 64}},
]  # fmt: skip


def test_what_differs_is_told_in_the_order_of_causes(visit: Visit) -> None:
    records = [made_record("adding", backend, environment=each) for each in AROUND for backend in ("torch", "jax")]
    sides = [told(record) for record in records]
    found = visit.page.evaluate("all => all.map(a => all.map(b => harnessSite.judge.apart([a, b])))", sides)
    for a, ours in zip(records, found, strict=True):
        for b, theirs in zip(records, ours, strict=True):
            wanted = [[each.what, [each.first, each.second]] for each in apart(record_traits(a), record_traits(b))]
            assert theirs == wanted


def test_students_quantile(visit: Visit) -> None:
    freedoms = [1, 1.01, 1.7, 2, 3.33, 10, 57.5, 1e4]
    found = visit.page.evaluate("all => all.map(harnessSite.judge.quantile)", freedoms)
    assert found == pytest.approx([float(t.ppf(0.975, freedom)) for freedom in freedoms], rel=1e-9)


@pytest.fixture(scope="module")
def contests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of one call of speed whose turns vary."""
    folder = tmp_path_factory.mktemp("contests")
    rows = [made_contestant(backend, ms) for backend, ms in (("numpy", 2.0), ("torch", 1.0), ("jax", 1.9))]
    for place, (each, ms) in enumerate(zip(rows, (2.0, 1.0, 1.9), strict=True)):
        varied = [(turn, ms / 100 * (1 + 0.1 * ((turn * 7 + place) % 5))) for turn in range(place, 8)]
        blocks = [Timed(round=turn, steps=10, seconds=seconds) for turn, seconds in varied]
        rows[place] = each.model_copy(update={"blocks": blocks})
    Store(folder).write(made_speed(rows, [made_contestant("torch", 1.0)]))
    sites.write(read_all([folder]), folder / "site")
    return folder


def test_contestants_are_compared_turn_by_turn(visitor: Visitor, contests: Path) -> None:
    record, seal = sealed(next(contests.glob("*.json")))
    numpy, torch, jax = record.contests[0].rows  # type: ignore[union-attr]
    with visitor(contests / "site") as visit:
        visit.go(address([seal]))
        visit.page.wait_for_selector("#compare:not([hidden])")
        said = visit.page.locator("#answers li").all_text_contents()
        expected = ratio(numpy.by_round, torch.by_round)
        assert expected is not None
        reach = f"95 % interval, turn by turn {expected.low:.3g}–{expected.high:.3g}"
        assert said[0].startswith(f"B beside A. B is {expected.median:.3g}× as fast as A ({reach}).")
        cells = visit.page.locator("#sides tr", has_text="times as fast").locator("td").all_text_contents()
        second = ratio(numpy.by_round, jax.by_round)
        assert second is not None
        assert cells[2] == f"{second.median:.3g} ({second.low:.3g}–{second.high:.3g})"
        assert len(cells) == 4, "one of another contest is a side too"
        assert visit.faults == []


def keys(filed: Path, *wanted: tuple[str, str, int]) -> list[str]:
    """The ids of runs of the adding task by backend, version and seed."""
    found = {}
    for path in filed.glob("adding*.json"):
        record, seal = sealed(path)
        assert isinstance(record, Record)
        found[record.spec.model.cell, record.spec.backend, record.framework_version, record.spec.seed] = seal[:16]
    return [found["lstm", *each] for each in wanted]


def test_ticked_rows_are_compared_as_the_command_compares_them(visit: Visit, site: Path, filed: Path) -> None:
    page = visit.page
    visit.go("explore.html#where=task=adding+cell=lstm+seed=0+version=2.11.0+backend=jax,torch&sort=backend")
    page.wait_for_selector("#explore tbody tr")
    for box in page.locator("tbody input").all():
        box.check()
    page.locator("#compare").click()
    page.wait_for_selector("#answers li")
    a, b = (sealed(next(filed.glob(f"adding-lstm-{each}.json")))[0] for each in ("jax-0-0040", "torch-0-0020"))
    assert isinstance(a, Record)
    assert isinstance(b, Record)
    expected, _ = pair(a, b)
    assert expected.time.ratio is not None
    reach = f"range of blocks {expected.time.low:.3g}–{expected.time.high:.3g}"
    assert f"A is {expected.time.ratio:.3g}× as fast as B ({reach})." in page.locator("#answers").text_content()
    assert page.locator("#curves [data-drawn]").count() == 1
    assert page.locator("#curves details tr").count() == 23
    page.locator("#y").select_option("score")
    page.wait_for_selector("#curves [data-drawn]")
    page.locator("#told a").click()
    page.wait_for_selector("#explore tbody tr")
    assert page.locator("#told").text_content() == "2 rows of 26"
    assert visit.faults == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_sides_of_several_seeds_are_readable(visitor: Visitor, site: Path, filed: Path, width: int, theme: str) -> None:
    ids = keys(filed, *(("torch", version, seed) for version in ("2.11.0", "2.12.0") for seed in range(3)))
    with visitor(site, width, theme) as visit:
        visit.go(address(ids))
        visit.page.wait_for_selector("#curves [data-drawn]")
        assert visit.page.locator("#told").text_content() == "6 rows on 2 sides. These rows in Explore"
        answers = visit.page.locator("#answers").text_content()
        assert "B is 1.7× as fast as A (95 % interval 1.6–1.8)." in answers
        assert "The same was asked for." in visit.page.locator("#differences").inner_text(), "but for the seeds of each"
        around = visit.page.locator("#differences table").locator("tbody tr")
        assert [row.split() for row in around.all_inner_texts()] == [["torch", "2.11.0", "2.12.0"]]
        assert visit.sideways() <= 0
        assert visit.unreadable() == []
        with visit.page.expect_download() as saved:
            visit.page.get_by_role("button", name="CSV").click()
        assert "torch nn" in saved.value.path().read_text()
        assert visit.faults == []


def test_what_is_not_there_is_told(visitor: Visitor, site: Path, filed: Path) -> None:
    [there] = keys(filed, ("jax", "2.11.0", 0))
    with visitor(site) as visit:
        visit.go(address([there, "0" * 16, "<b>", f"{there}-7"]))
        visit.page.wait_for_function("() => document.querySelector('#told').textContent")
        said = visit.page.locator("#told").text_content()
        assert said == (
            f"this site has no record {'0' * 16}. <b> is no id of a row. this site has no row {there}-7. "
            "Two rows or more are compared: tick them in Explore"
        )
        assert [fault for fault in visit.faults if "ERR_FILE_NOT_FOUND" not in fault] == []
