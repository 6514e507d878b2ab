"""What all figures share: colours, legible words, the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.presentation.figure import (
    COLOURS,
    FURTHER_COLOURS,
    Drawn,
    colour_of,
    legend,
    legible,
    new_figure,
    save,
    tick,
)


def test_a_backend_keeps_its_colour() -> None:
    assert len(set(COLOURS.values()) | set(FURTHER_COLOURS)) == 8
    assert colour_of("torch") == COLOURS["torch"]
    assert colour_of("mine") == colour_of("mine") in FURTHER_COLOURS


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb", "a b"), ("漢字 x", "?? x"), ("$x_1$", "$x_1$"), ("word " * 30, "word word …"), ("x" * 40, "x" * 12)],
)
def test_words_on_a_figure_are_one_short_line_that_the_font_has(text: str, shown: str) -> None:
    assert legible(text, 12) == shown


def test_ticks_have_three_digits() -> None:
    assert [tick(value) for value in (0, 0.00123456, 12345.6)] == ["0", "0.00123", "12,346"]


def a_figure(title: str) -> Drawn:
    figure, (upper, lower) = new_figure([1.0, 2.0], ["a note"])
    upper.plot([1, 2], [3, 4])
    lower.plot([1, 2], [4, 3])
    legend(figure, title, [])
    return Drawn("name", title, "about", figure)


def test_a_figure_has_a_panel_for_each_height_and_its_notes_at_the_foot() -> None:
    figure = a_figure("A title").figure
    assert len(figure.axes) == 2
    assert figure.get_supxlabel() == "a note"
    assert figure.get_suptitle() == "A title"


def test_it_is_saved_as_png_and_svg_of_the_same_bytes_each_time(tmp_path: Path) -> None:
    first, second = (save([a_figure("A title")], tmp_path / name) for name in "ab")
    assert [path.name for path in first] == ["name.png", "name.svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert not any(b"<dc:date>" in path.read_bytes() for path in first)
    assert [path.read_bytes() for path in save([a_figure("Another")], tmp_path / "c")] != [
        p.read_bytes() for p in first
    ]
