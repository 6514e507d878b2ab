"""The report: complete, self-contained, and deaf to what records try to say in HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.presentation import report
from harness.records.store import Found, StoreError, named_in
from harness.specs.base import StudyMark

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)> [a](javascript:alert(3)) | `x"


class Page(HTMLParser):
    """Elements and text of an HTML page; also whether every element is closed."""

    VOID = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def pages(some_records: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    out = tmp_path_factory.mktemp("report") / "new"
    paths = report.write(Found(some_records, ["results/x.json: not a valid record"]), out, "A title")
    assert all(path.exists() for path in paths)
    return out, (out / "report.md").read_text(encoding="utf-8"), (out / "report.html").read_text(encoding="utf-8")


def test_both_pages_tell_everything(pages: Any, some_records: Any) -> None:
    _, markdown, html = pages
    for text in (markdown, Page(html).text):
        for words in (
            "A title", "26 runs (22 ok", "Xeon", "c87514900000", "torch 2.11.0", "results/x.json: not a valid record",
            "the loss is not finite after 150 updates", "stopped after 60 s", "no stock layer", "interrupted",
            "mkldnn_rnn_layer", "28,250", "17,217", "3 of 3", "reaches 0.167", "How to read", "delay 20", "batch 64",
        ):  # fmt: skip
            assert words in text, words
        for record in some_records:
            assert record.id in text


def test_a_report_of_many_runs_folds_its_sets_and_names_no_record(
    some_records: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.presentation.report.FOLDED", 25)
    monkeypatch.setattr("harness.presentation.figure.FOLDED", 25)
    monkeypatch.setattr("harness.presentation.figure.MOST_DRAWN_OF_MANY", 1)
    failed = [record.model_copy(update={"id": f"again-{record.id}"}) for record in some_records if record.reason]
    report.write(Found([*some_records, *failed]), tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert html.count("<details>") == html.count("<section id=") == 3
    for text in ((tmp_path / "report.md").read_text(encoding="utf-8"), Page(html).text):
        assert "30 records, too many to be named here" in text
        assert "Figures are of 1 of 3 sets" in text
        assert "copy quick gru numpy nn (2 runs)" in text
        assert not any(record.id in text for record in some_records)
    with pytest.raises(StoreError, match="names no record, as a report of very many does"):
        list(named_in(tmp_path / "report.md"))


def test_markdown_shows_the_figures_beside_it(pages: Any) -> None:
    out, markdown, _ = pages
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", markdown)
    assert len(shown) == 6
    assert all((out / path).is_file() for path in shown)
    assert {path.name for path in (out / "figures").iterdir()} == {Path(path).name for path in shown}


def test_markdown_tables_have_as_many_cells_in_every_row(pages: Any) -> None:
    rows = [line for line in pages[1].splitlines() if line.startswith("|")]
    assert len(rows) > 20
    tables = re.findall(r"(?:^\|.*\n)+", pages[1], flags=re.MULTILINE)
    assert len(tables) == 4
    for found in tables:
        assert len({line.count("|") for line in found.splitlines()}) == 1


def test_html_needs_nothing_but_itself(pages: Any) -> None:
    page = Page(pages[2])
    assert page.open == []
    for tag, attributes in page.elements:
        assert tag not in ("script", "link", "iframe", "object", "svg")
        if "src" in attributes:
            assert (attributes["src"] or "").startswith("data:image/svg+xml;base64,")
        if "href" in attributes:
            assert (attributes["href"] or "").startswith("#set-")
        if tag == "img":
            assert attributes["alt"]
    assert "http:" not in pages[2]
    assert "https:" not in pages[2]


def test_what_records_say_stays_text(make_record: Any, tmp_path: Any) -> None:
    records = [
        make_record(number=1, parameters={"markers": EVIL, "<i>": 1}, environment={"cpu": EVIL, "strays": {EVIL: "1"}}),
        make_record(number=2, status="failed", reason=EVIL),
        make_record(number=3, metrics={"main_score": EVIL, "score": {EVIL: 1.0}, "baseline": {EVIL: 0.5}}),
        make_record(number=4, environment={"versions": {"torch": EVIL}}),
    ]
    report.write(Found(records, [f"{EVIL}.json"]), tmp_path, EVIL)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert not {"script", "i", "svg"} & {tag for tag, _ in page.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert all((a["src"] or "").startswith("data:") for tag, a in page.elements if tag == "img")
    assert EVIL in page.text
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<" not in markdown
    assert "[a](" not in markdown


def test_no_character_of_a_record_controls_who_reads_a_page(make_record: Any, tmp_path: Any) -> None:
    """In titles too, which name what differs between sets of runs and stand beside their figures."""
    control = "a\x1b[31m\x9b2J\u202eb"
    records = [make_record(number=number, parameters={"markers": text}) for number, text in enumerate([control, "c"])]
    for page in report.write(Found(records, [control]), tmp_path, control)[:2]:
        text = page.read_text(encoding="utf-8")
        assert "[31m" in text
        assert all(line.isprintable() for line in text.split("\n"))


def test_runs_that_may_not_be_compared_stand_in_tables_of_their_own(make_record: Any, tmp_path: Any) -> None:
    records = [make_record(batch=batch, number=batch) for batch in (50, 100)]
    report.write(Found(records), tmp_path)
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "## adding, quick, batch 50" in markdown
    assert "## adding, quick, batch 100" in markdown
    assert markdown.index("batch 50\n") < markdown.index("batch 100\n")


def test_a_report_of_one_study_has_its_runs_alone(make_record: Any) -> None:
    mark = StudyMark(name="mine", sha256="0" * 64)
    records = [make_record(number=number, record={"study": mark if number else None}) for number in range(3)]
    assert report.of_study(Found(records), "mine").records == records[1:]
    with pytest.raises(UsageError, match="unknown study 'mime'; did you mean 'mine'"):
        report.of_study(Found(records), "mime")


def test_a_report_of_nothing_says_so(tmp_path: Any) -> None:
    paths = report.write(Found(), tmp_path)
    assert [path.name for path in paths] == ["report.md", "report.html"]
    assert all("No records were found." in path.read_text(encoding="utf-8") for path in paths)


def test_the_same_records_give_the_same_report(make_record: Any, tmp_path: Any) -> None:
    first, second = (report.write(Found([make_record()]), tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_report_says_what_it_does_not_draw(make_record: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.presentation.figure.MOST_DRAWN", 0)
    found = Found([make_record(hidden=hidden, number=hidden) for hidden in (1, 2)])
    assert len(report.write(found, tmp_path)) == 2
    for page in ("report.md", "report.html"):
        text = (tmp_path / page).read_text(encoding="utf-8")
        assert "Figures are of 0 of 2 sets of comparable runs, the largest" in text
        assert "hidden 2" in text
    with pytest.raises(UsageError, match="no heading contains 'hidden 3'"):
        report.not_drawn(found, ["hidden 3"])
