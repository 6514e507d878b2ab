"""What the pages say of records whose answers are known."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.presentation import site as sites
from harness.presentation.folders import read_all
from harness.presentation.show import sections, show
from harness.presentation.site import badges
from harness.presentation.site.frame import Frame
from harness.records.run import Record
from harness.records.store import read
from tests.harness.presentation.site.conftest import Visitor


def words(page: Path) -> str:
    """The text of a page, as one line."""
    text = re.sub(r"<script[^>]*json.*?</script>|<[^>]+>", " ", page.read_text(), flags=re.DOTALL)
    return " ".join(unescape(text).split())


def test_a_record_page_says_everything_that_show_says(site: Path) -> None:
    for path in sorted((site / "records").glob("*.json"))[:6]:
        record = read(path)
        if not isinstance(record, Record):
            continue
        page = words(path.with_suffix(".html"))
        assert record.id in page
        assert show(record)
        for heading, lines in sections(record):
            if heading != "Validation loss":
                assert heading in page
                for name, value in lines:
                    assert " ".join(name.split()) in page
                    assert " ".join(value.rstrip(" █").split()) in page, heading
        assert record.command is None or record.command in page
        again = "ade again on 2 machines, its own among them: 1 bit-identical, 1 same result" in page
        assert again != ("Not made again by anyone yet" in page)


def test_a_record_leads_to_its_machine_and_its_study_and_back(site: Path) -> None:
    (study,) = [path for path in (site / "studies").glob("*.html") if path.stem != "index"]
    assert study.stem == "two-backends"
    (machine,) = list((site / "machines").glob("intel*.html"))
    member = next(path for path in (site / "records").glob("*.html") if "two-backends" in path.read_text())
    assert f'href="../studies/{study.name}"' in member.read_text()
    assert f'href="../machines/{machine.name}"' in member.read_text()
    for page in (study, machine):
        assert f'href="../records/{member.name}"' in page.read_text()
    assert "the loss is not finite" in words(study)
    assert "3 runs: 2 ok, 1 failed" in words(study)


def test_second_opinions_lead_to_their_verdicts_and_those_to_the_record(site: Path) -> None:
    (judged,) = [path for path in (site / "records").glob("*.html") if "Made again on 2 machines" in words(path)]
    back = f'href="../records/{judged.name}"'
    verdicts = [path for path in (site / "records").glob("*.html") if back in path.read_text() and path != judged]
    assert len(verdicts) == 2
    for verdict in verdicts:
        assert "<h1>Verdict on" in verdict.read_text()
        assert f'href="../records/{verdict.name}"' in judged.read_text()
    assert "made again on 2 machines" in (site / "badges" / f"{judged.stem}.svg").read_text()


def test_a_change_over_versions_is_marked(visitor: Visitor, site: Path) -> None:
    page = words(site / "history.html")
    assert "1 line over versions, 1 with a change beyond noise" in page
    assert re.search(r"torch 2\.12\.0 3 9,050 faster: 0\.\d+× \(95 % interval", page)
    with visitor(site) as visit:
        visit.go("history.html")
        labels = visit.page.eval_on_selector_all(
            ".drawn [aria-label*=speed]", "marks => marks.map(mark => mark.getAttribute('aria-label'))"
        )
        assert any("speed: faster" in label for label in labels)


def test_trade_offs_name_the_best_front_and_draw_joules_where_they_were_measured(site: Path) -> None:
    page = words(site / "trade-offs.html")
    assert page.count("mse against seconds inside training steps. On Intel") == 1
    assert "recall_accuracy against seconds inside training steps. On Intel" in page
    assert "against joules" not in page, "one spec alone has no trade-off"


def test_the_feed_is_atom_and_names_the_newest_first(site: Path) -> None:
    atom = "{http://www.w3.org/2005/Atom}"
    feed = ElementTree.parse(site / "feed.xml").getroot()
    assert feed.tag == f"{atom}feed"
    assert all(feed.find(f"{atom}{name}") is not None for name in ("title", "id", "updated", "author"))
    moments = [entry.findtext(f"{atom}updated") for entry in feed.iter(f"{atom}entry")]
    assert moments == sorted(moments, key=str, reverse=True)
    assert len(moments) == len(list((site / "records").glob("*.json")))
    for entry in feed.iter(f"{atom}entry"):
        link = entry.find(f"{atom}link")
        assert link is not None
        assert (site / link.attrib["href"]).is_file()
        assert str(entry.findtext(f"{atom}id")).removeprefix("urn:sha256:") in link.attrib["href"]


@pytest.mark.parametrize(("left", "right"), [("short", "ok"), ("<b>&\"'", "x" * 200)])
def test_a_badge_is_a_picture_whose_words_fit(tmp_path: Path, left: str, right: str) -> None:
    address = badges.write(Frame(tmp_path, "a site"), "a", left, right)
    picture = ElementTree.parse(tmp_path / address).getroot()
    assert picture.attrib["aria-label"] == f"{left}: {right if len(right) < 121 else right[:119] + '…'}"
    texts = [each for each in picture.iter() if each.tag.endswith("text")]
    assert next(each.text for each in texts) == left
    ends = [float(each.attrib["x"]) + float(each.attrib["textLength"]) for each in texts]
    assert ends[-1] <= float(picture.attrib["width"])


def test_figures_name_their_command_and_records(tmp_path: Path, filed: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    names = ["adding-lstm-torch-0-0030.json", "adding-lstm-torch-1-0031.json", "20260102T030405Z-speed-0123abcd.json"]
    for path in filed.glob("*.json"):
        if path.name in names or path.stem.startswith("adding-lstm-numpy-0"):
            (few / path.name).write_bytes(path.read_bytes())
    sites.write(read_all([few]), tmp_path / "out")
    page = (tmp_path / "out" / "figures" / "index.html").read_text()
    (curves,) = (tmp_path / "out" / "figures").glob("curves-*.svg")
    assert f'href="{curves.stem}.pdf"' in page
    for form, whole in (("svg", curves.read_bytes()), ("pdf", curves.with_suffix(".pdf").read_bytes())):
        assert b"harness plot FOLDER --only" in whole, form
        assert b"adding-lstm-numpy-0-0000" in whole, form
        assert b"speed-0123abcd" not in whole, form


def test_what_is_printed_from_a_dark_window_can_be_read(visitor: Visitor, site: Path) -> None:
    with visitor(site, width=800, theme="dark") as visit:
        visit.go("history.html")
        inks = "[...document.querySelectorAll('.drawn svg text')].map(each => getComputedStyle(each).fill)"
        assert "rgb(0, 0, 0)" not in visit.page.evaluate(inks)
        visit.page.emulate_media(media="print", color_scheme="dark")
        assert set(visit.page.evaluate(inks)) == {"rgb(0, 0, 0)"}
        assert visit.sideways() <= 0
        assert visit.unreadable() == []
