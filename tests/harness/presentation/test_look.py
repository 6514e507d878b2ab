"""How figures look: colours, ticks, words."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from harness.presentation.look import COLOURS, FURTHER_COLOURS, colour_of, legible, logarithmic, tick


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


@pytest.mark.parametrize(("fine", "at"), [(True, [1, 2, 5, 10, 20, 50, 100]), (False, [1, 10, 100])])
def test_a_logarithmic_axis_has_its_ticks_where_one_reads_them(fine: bool, at: list[float]) -> None:
    axis = Figure().subplots()
    axis.set(xscale="log", xlim=(1, 100))
    logarithmic(axis.xaxis, fine)
    shown = [place for place in axis.xaxis.get_majorticklocs() if 1 <= place <= 100]
    assert shown == pytest.approx(at)
    assert list(axis.xaxis.get_minorticklocs()) == []
