"""One table in every rendering: terminal, plain text, Markdown, HTML, data files."""

from __future__ import annotations

from io import StringIO

import pandas as pd
import pytest
from rich.console import Console

from harness.presentation import renderers
from harness.presentation.table import Cell, Column, Table

EVIL = "<b>|`x`[a](b)"
COLUMNS: list[Column[tuple[str, int | None]]] = [
    Column("who", lambda item: item[0], style=lambda item: "green" if item[0] == "good" else ""),
    Column("size", lambda item: item[1], kind="Int64", heading="size\nMiB"),
]
TABLE = Table.of(
    COLUMNS, [("good", 1234), (EVIL, None)], [("third", 5)], title="A title", about="about it", notes=[Cell("a note")]
)
PLAIN = Table.of(COLUMNS, [("good", 1234)])


def on_terminal(table: Table, width: int = 60) -> list[str]:
    console = Console(file=StringIO(), width=width)
    console.print(renderers.terminal(table))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_a_terminal_has_title_headings_in_lines_a_rule_between_groups_and_notes() -> None:
    lines = on_terminal(TABLE)
    assert lines[:4] == ["A title", "about it", "               size", "who             MiB"]
    assert lines[5:7] == ["good          1,234", EVIL], "nothing in a table is markup"
    assert lines[7] == "", "groups are apart"
    assert lines[8].split() == ["third", "5"]
    assert lines[9:] == ["a note", ""]


def test_a_table_without_a_title_is_the_grid_alone() -> None:
    assert on_terminal(PLAIN) == ["      size", "who    MiB", "──────────", "good 1,234"]


@pytest.mark.parametrize("layout", ["airy", "framed"])
def test_the_other_layouts_have_their_title_above_the_grid(layout: str) -> None:
    lines = on_terminal(Table.of(COLUMNS, [("good", 1)], title="A title", layout=layout))
    assert lines[0].strip() == "A title"
    assert any("┃" in line for line in lines) == (layout == "framed")


def test_plain_text_and_markdown_are_aligned() -> None:
    text = renderers.text(TABLE)
    assert text.startswith("A title\n\nabout it\n\nwho")
    assert text.endswith("\n\na note")
    assert "good                1,234" in text
    markdown = renderers.markdown(TABLE)
    assert markdown.startswith("## A title\n\nabout it\n\n| who")
    assert markdown.endswith("\n\n- a note")
    assert r"&lt;b&gt;\|\`x\`\[a\](b)" in markdown
    assert "| good                     |      1,234 |" in markdown


def test_pages_hold_the_table_alone_and_no_markup_of_its_words() -> None:
    lines = renderers.page_markdown(TABLE).splitlines()
    assert lines[:3] == ["| who | size MiB |", "|---|---:|", "| good | 1,234 |"]
    assert len(lines) == 5
    html = renderers.page_html(TABLE, "A <label>")
    assert 'aria-label="A &lt;label&gt;"' in html
    assert '<th scope="col">who</th><th scope="col" class="number">size MiB</th>' in html
    assert '<td class="yes">good</td><td class="number">1,234</td>' in html
    assert "<b>" not in html


def test_facts_are_lines_of_name_and_value_and_nothing_of_none() -> None:
    assert list(renderers.facts("Heading", [])) == []
    console = Console(file=StringIO(), width=40)
    for part in renderers.facts("Heading", [("name", "[red]value")]):
        console.print(part)
    assert console.file.getvalue().rstrip() == "\nHeading\n  name  [red]value"  # type: ignore[attr-defined]


def test_data_files_hold_numbers_as_they_are() -> None:
    assert renderers.csv(pd.DataFrame({"a": [0.1 + 0.2], "b": ["x,y"]})) == 'a,b\n0.30000000000000004,"x,y"\n'


def test_no_text_of_a_csv_file_is_a_formula_and_numbers_stay_numbers() -> None:
    data = pd.DataFrame({
        "reason": ["=cmd|'/C calc'!A1", "@SUM(1)", "-2+3", "+x", "plain", None],
        "level": ["-1.5", "+2", "-3e-4", "a", "", None],
        "=head": [-1.5, 2.0, None, 0.0, -0.0, 1.0],
    })  # fmt: skip
    lines = renderers.csv(data).splitlines()
    assert lines[:5] == [
        "reason,level,'=head", "'=cmd|'/C calc'!A1,-1.5,-1.5", "'@SUM(1),+2,2.0", "'-2+3,-3e-4,", "'+x,a,0.0",
    ]  # fmt: skip
