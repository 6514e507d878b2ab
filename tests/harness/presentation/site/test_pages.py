"""Every page of the site in a real browser: it loads, asks for nothing from elsewhere, and anyone can read it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from harness.presentation import site as sites
from harness.presentation.folders import read_all
from harness.records.store import Store
from tests.fixtures.hostile_records import TITLE, hostile
from tests.harness.conftest import grown, made_scaling
from tests.harness.presentation.site.conftest import THEMES, WIDTHS, Visitor

#: A page of each kind; capitals stand for one of several.
KINDS = (
    "index.html", "explore.html", "compare.html", "trade-offs.html", "history.html", "machines/index.html",
    "machines/ANY.html", "studies/index.html", "studies/ANY.html", "records/index.html", "records/RUN.html",
    "records/FAILED.html", "records/SPEED.html", "records/JUDGED.html", "records/VERDICT.html",
    "claims/index.html", "claims/ANY.html", "records/CLAIM.html",
)  # fmt: skip


def address(kind: str, site: Path) -> str:
    """The address of a page of a kind."""
    marks = {"RUN": "Curve of the loss", "FAILED": "the loss is not finite", "SPEED": "Speed contests of"}
    marks |= {"JUDGED": "Made again on 2 machines", "VERDICT": "Verdict on adding", "CLAIM": "Verdict on claim"}
    place = Path(kind)
    if place.stem == "ANY":
        return min(path.relative_to(site).as_posix() for path in (site / place.parent).glob("[!i]*.html"))
    if place.stem not in marks:
        return kind
    found = [page for page in sorted(site.glob("records/*.html")) if f"{marks[place.stem]}" in page.read_text()]
    return found[0].relative_to(site).as_posix()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_pages_load_without_a_fault_and_axe_finds_nothing(visitor: Visitor, site: Path, width: int, theme: str) -> None:
    with visitor(site, width, theme) as visit:
        for kind in KINDS:
            visit.go(address(kind, site))
            assert visit.faults == [], kind
            assert visit.sideways() <= 0, kind
            assert visit.unreadable() == [], kind


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of one call whose contests differ in length."""
    folder = tmp_path_factory.mktemp("scaled")
    auto = grown("torch", fixed=0.5, rate=80.0, asked="auto")
    auto[2:] = [row.model_copy(update={"variant": "parts"}) for row in auto[2:]]
    Store(folder).write(made_scaling(auto, grown("torch", "default"), grown("jax")))
    sites.write(read_all([folder]), folder / "out", drawn=False)
    return folder / "out"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_growth_over_a_size_is_drawn_and_told(visitor: Visitor, scaled: Path, width: int, theme: str) -> None:
    with visitor(scaled, width, theme) as visit:
        visit.go("scaling.html")
        assert visit.faults == []
        assert visit.sideways() <= 0
        assert visit.unreadable() == []
        text = visit.page.locator("main").inner_text()
        assert "Cost against length: lstm 5, 3×length×2" in text
        assert "best-one, from 256 parts" in text
        assert "matrix products at 100 GFLOP/s" in text
        visit.page.get_by_role("link", name="The record of Length").click()
        assert "Cost against length" in visit.page.locator("main").inner_text()


def test_without_contests_of_several_sizes_there_is_no_page_of_them(site: Path) -> None:
    assert not (site / "scaling.html").exists()
    assert "scaling.html" not in (site / "index.html").read_text()


def test_no_link_leads_nowhere(site: Path) -> None:
    lost = []
    for page in site.rglob("*.html"):
        for target in re.findall(r'(?:href|src)="([^"]*)"', page.read_text()):
            path, fragment = urldefrag(unquote(target))
            there = (page.parent / path).resolve() if path else page
            element = fragment and "=" not in fragment  # else a view of explore
            if not there.is_file() or (element and f'id="{fragment}"' not in there.read_text()):
                lost.append(f"{page.relative_to(site)}: {target}")
            assert not target.startswith(("http:", "https:", "/")), target
    assert lost == []


def test_arrow_keys_tell_the_marks_of_a_chart(visitor: Visitor, site: Path) -> None:
    with visitor(site) as visit:
        visit.go(address("records/RUN.html", site))
        visit.page.locator(".drawn").first.focus()
        visit.page.keyboard.press("ArrowRight")
        visit.page.keyboard.press("End")
        told = visit.page.locator(".told").first.text_content()
        assert "updates: 2,000" in told or "updates: 2000" in told


def test_a_record_full_of_markup_runs_nothing(visitor: Visitor, tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    for number, record in enumerate(hostile(400)):
        if any(words in record.name for words in ("script", "attribute", "markdown link", "template", "bidi")):
            (folder / f"{number}.json").write_bytes(record.text)
    sites.write(read_all([folder]), tmp_path / "out", title=f"<script>document.title='{TITLE}'</script>", drawn=False)
    pages = sorted((tmp_path / "out").rglob("*.html"))
    assert len(pages) > 20
    with visitor(tmp_path / "out") as visit:
        for page in [*pages[::6], tmp_path / "out" / "index.html"]:
            visit.go(page.relative_to(tmp_path / "out").as_posix())
            assert visit.page.title() != TITLE
            assert visit.page.evaluate("window.hit") is None
            assert visit.faults == [], page
        visit.go("explore.html")
        visit.page.locator("#chooser summary").click()
        visit.page.locator("#every").click()
        visit.page.wait_for_function("() => document.querySelectorAll('thead th').length > 60")
        for box in visit.page.locator("tbody input").all()[:12]:
            box.check()
        visit.page.locator("#group").select_option("reason")
        visit.page.locator("#compare").click()
        visit.page.wait_for_selector("#answers li")
        assert visit.page.title() != TITLE
        assert visit.page.evaluate("window.hit") is None
        assert visit.faults == []


def test_a_claim_has_its_file_line_by_line_and_links_to_its_records_and_back(site: Path) -> None:
    page = (site / "claims" / "wide-networks.html").read_text()
    assert "\n[source]\nwho = " in page
    assert "&lt;script&gt;" in page
    (run, *_) = re.findall(r'href="\.\./(records/\w{64}\.html)">adding-lstm', page)
    assert "../claims/wide-networks.html" in (site / run).read_text()
    assert "cannot run here" in (site / "badges" / "not-here.svg").read_text()
