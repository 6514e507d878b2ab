"""The table of all rows in a real browser: filter, order, columns, groups, address, keys and exports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.presentation import renderers
from harness.presentation.export import as_text, select_runs
from harness.presentation.folders import read_all
from harness.presentation.run_columns import COLUMNS
from harness.presentation.run_table import runs_frame
from harness.presentation.site.explore import address
from harness.presentation.site.rows import packed
from harness.presentation.table import Cell, Column, Table, words
from harness.text import number, score_text
from tests.harness.presentation.site.conftest import Visit, Visitor

#: Odd texts for Markdown, LaTeX and spreadsheets.
ODD = ["=1+1", "a|b*c_d", r"50 % & \x", "<b>~{#}^$", '"quoted", twice', "-3", "плюс"]
NUMBERS = [0.0, 1e-5, 1.23456e-4, 0.0123, 1.0, 9.996, 12.36, 123.45, 999.4, 999.6, 1234.4, 1e14, 1e15, -0.00321, 3e-300]


@pytest.fixture
def visit(visitor: Visitor, site: Path) -> Iterator[Visit]:
    with visitor(site) as found:
        yield found
        assert found.faults == []


def go(visit: Visit, address: str = "explore.html") -> None:
    """To an address of the page, also from another of it."""
    visit.page.goto("about:blank")
    visit.go(address)
    visit.page.wait_for_function("() => document.querySelector('#told').textContent")


def cells(visit: Visit, name: str) -> list[str]:
    """A column as it is shown."""
    headings = [each.removesuffix(" ↕").removesuffix(" ▲").removesuffix(" ▼") for each in
                visit.page.locator("#explore thead th").all_text_contents()]  # fmt: skip
    rows = visit.page.locator("#explore tbody tr:not(.group)")
    found: list[str] = rows.locator(f"> :nth-child({headings.index(name) + 1})").all_text_contents()
    return found


def told(visit: Visit) -> str:
    text: str = visit.page.locator("#told").text_content()
    return text


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("", "26 rows"),
        ("backend=torch cell=lstm status=ok", "8 rows of 26"),
        ("backend=torch,jax hidden>=64 task=adding", "15 rows of 26"),
        ("status!=ok", "1 row of 26"),
        ("reason=", "25 rows of 26"),
        ('reason="the loss is not finite"', "1 row of 26"),
        ("solved=no", "0 rows of 26"),
        ("kind=contestant", "2 rows of 26"),
        ("NUMPY gru", "4 rows of 26"),
        ("created>=2026-11-23 created<2026-11-24 energy_j>120", "2 rows of 26"),
    ],
)
def test_words_choose_rows_as_those_of_table_do(visit: Visit, where: str, said: str) -> None:
    go(visit, address(where))
    assert told(visit) == said
    assert visit.page.locator("#where").input_value() == where


def test_rows_without_a_value_come_last_whichever_way_they_are_sorted(visit: Visit) -> None:
    for word in ("energy_j", "-energy_j"):
        go(visit, address(sort=word, columns="energy_j"))
        found = cells(visit, "energy_j")
        assert [bool(each) for each in found] == sorted((bool(each) for each in found), reverse=True)
        assert found[0] == ("120" if word == "energy_j" else "122")


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("hiden>3", "no column is called hiden; is it hidden?"),
        ("hidden=wide", "hidden holds numbers, and wide is none"),
        ("solved=maybe", "solved is yes or no, and maybe is neither"),
    ],
)
def test_a_word_that_cannot_be_a_condition_is_told(visit: Visit, where: str, why: str) -> None:
    go(visit, address(where))
    assert visit.page.locator("#where-problem").text_content() == why
    assert told(visit) == "26 rows"


def test_a_view_is_its_address_and_the_way_back_leads_to_the_last(visit: Visit) -> None:
    go(visit)
    page = visit.page
    page.locator("#where").fill("task=adding status=ok")
    page.wait_for_function("() => location.hash.includes('where')")
    page.get_by_role("button", name="train_seq_s").click()
    page.get_by_role("button", name="train_seq_s").click()
    page.locator("#group").select_option("backend")
    page.locator("#chooser summary").click()
    page.locator("#chooser input[value='energy_j']").check()
    page.locator("#chooser input[value='machine']").uncheck()
    page.locator("tbody input").first.check()
    page.wait_for_function("() => location.hash.includes('ticked')")
    assert page.locator("[aria-sort]").get_attribute("aria-sort") == "descending"
    view, sent = page.locator("#explore").inner_text(), page.evaluate("location.hash")
    go(visit, f"explore.html{sent}")
    page.locator("#chooser summary").click()
    assert page.locator("#explore").inner_text() == view
    assert page.locator("tbody input").first.is_checked()
    assert "energy_j" in view
    assert [each.split(" ")[1] for each in page.locator(".group").all_text_contents()] == ["jax", "numpy", "torch"]
    fastest_first = [-float(each.replace(",", "")) for each in cells(visit, "train_seq_s")]
    in_order = list(zip(cells(visit, "backend"), fastest_first, strict=True))
    assert in_order == sorted(in_order)
    go(visit)
    page.get_by_role("button", name="seed").click()
    page.wait_for_function("() => location.hash.includes('sort=seed')")
    page.locator("#group").select_option("machine")
    page.wait_for_function("() => location.hash.includes('machine')")
    page.go_back()
    page.wait_for_function("() => document.querySelector('#group').value === ''")
    assert page.locator("[aria-sort]").text_content() == "seed ▲"


def test_what_is_exported_is_what_is_shown(visit: Visit, filed: Path, tmp_path: Path) -> None:
    names = ("task", "backend", "seed", "score", "train_seq_s", "solved", "created", "energy_j")
    go(visit, address("task=adding cell=lstm", columns=",".join(names), sort="-train_seq_s,created"))
    texts = {}
    for button in ("CSV", "Markdown", "LaTeX"):
        with visit.page.expect_download() as saved:
            visit.page.get_by_role("button", name=button).click()
        saved.value.save_as(tmp_path / saved.value.suggested_filename)
        texts[button] = (tmp_path / saved.value.suggested_filename).read_text()
    shown = [list(row) for row in zip(*(cells(visit, name) for name in names), strict=True)]
    assert len(shown) == 12
    lines = [line.removeprefix("|").removesuffix("|").split("|") for line in texts["Markdown"].splitlines()]
    assert [[cell.strip() for cell in line] for line in lines[2:]] == shown
    assert [cell.strip() for cell in lines[0]] == list(names)
    table = Table([Column(name, get=str, kind=COLUMNS[name].kind) for name in names],
                  [[[Cell(text) for text in row] for row in shown]])  # fmt: skip
    assert texts["LaTeX"].split() == renderers.latex(table).split()
    data = runs_frame(read_all([filed]).records)
    chosen = select_runs(data, names, ["-train_seq_s", "created"], ["task=adding", "cell=lstm"])
    ours, theirs = (list(csv.DictReader(io.StringIO(text))) for text in (texts["CSV"], as_text(chosen, "csv")))
    for one, other in zip(ours, theirs, strict=True):
        assert one.pop("created") == other.pop("created")[:19]
        assert {name: float(one.pop(name) or 0) for name in ("score", "train_seq_s", "energy_j")} == {
            name: float(other.pop(name) or 0) for name in ("score", "train_seq_s", "energy_j")
        }
        assert one == other


def test_scripts_write_as_python_does(visit: Visit) -> None:
    go(visit)
    run = visit.page.evaluate
    written = run("values => values.map(value => harnessSite.words.number(value))", NUMBERS)
    assert written == [number(value) for value in NUMBERS]
    scores = [0.99999, 0.9999, 1.0, 0.123456, 0.99949999]
    assert run("values => values.map(harnessSite.words.score)", scores) == [score_text(value) for value in scores]
    assert run("harnessSite.words.written(12345678, 'whole')") == words(12345678)
    table = {"columns": [{"name": "a_b", "right": True}, {"name": "c", "right": False}],
             "rows": [[text, "x"] for text in ODD], "values": [[text, 0.1] for text in ODD]}  # fmt: skip
    same = Table([Column("a_b", get=str, right=True), Column("c", get=str)], [[[Cell(t), Cell("x")] for t in ODD]])
    ours = {kind: run(f"table => harnessSite.exports.{kind}(table)", table) for kind in ("latex", "markdown", "csv")}
    assert ours["latex"].split() == renderers.latex(same).split()
    assert ours["markdown"].split("\n")[2:-1] == str(renderers.page_markdown(same)).split("\n")[2:]
    import pandas as pd

    assert ours["csv"] == renderers.csv(pd.DataFrame({"a_b": ODD, "c": [0.1] * len(ODD)}))


def test_keys_alone_filter_sort_tick_and_compare(visit: Visit) -> None:
    page = visit.page
    go(visit)
    page.locator("main").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "where"
    page.keyboard.type("task=copy")
    page.wait_for_function("() => document.querySelector('#told').textContent.startsWith('3 rows')")

    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
                return
        raise AssertionError(f"never came to {selector}")

    tab_to("[data-column='backend']")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('[aria-sort=ascending]')")
    assert page.evaluate("document.activeElement.dataset.column") == "backend"
    tab_to("tbody input")
    for _ in range(2):
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
    page.wait_for_function("() => document.querySelector('#compare').textContent === 'Compare 2 rows'")
    assert page.locator("#compare").get_attribute("href").startswith("compare.html#ids=")


def test_only_rows_of_a_link_are_shown_until_all_are_asked_for(visit: Visit) -> None:
    go(visit)
    page = visit.page
    seal = page.locator("tbody th a").nth(3).get_attribute("href").removeprefix("records/").removesuffix(".html")
    go(visit, address(ids=[seal]))
    assert told(visit) == "1 row of 26"
    assert not page.locator("#compare").is_visible()
    go(visit, address("task=copy"))
    assert page.locator("#compare").text_content() == "Compare these 3 rows"
    assert page.locator("#compare").get_attribute("href").count(",") == 2
    go(visit, address(ids=[seal]))
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("() => document.querySelector('#told').textContent === '26 rows'")


def test_a_condition_is_made_from_lists(visit: Visit) -> None:
    go(visit)
    page = visit.page
    page.locator("#builder summary").click()
    page.locator("#field").select_option("reason")
    page.wait_for_selector("#values option[value='the loss is not finite']", state="attached")
    page.locator("#value").fill("the loss is not finite")
    page.get_by_role("button", name="Add").click()
    page.wait_for_function("() => document.querySelector('#told').textContent === '1 row of 26'")
    assert page.locator("#where").input_value() == 'reason="the loss is not finite"'
    page.locator("#chooser summary").click()
    page.locator("#group").select_option("machine")
    page.set_viewport_size({"width": 360, "height": 800})
    assert visit.unreadable() == []
    assert visit.sideways() <= 0


@pytest.mark.parametrize("values", [[], [None, None], ["a", "b"], ["a", "a", "b", "b", "a"], [1, True, 1, True, 1.5]])
def test_a_packed_column_has_all_its_values(values: list[Any]) -> None:
    found = json.loads(json.dumps(packed(values)))
    if isinstance(found, dict):
        found = [found["of"][place] for place in found["at"] or [0] * len(values)]
    assert [json.dumps(each) for each in found] == [json.dumps(each) for each in values]
