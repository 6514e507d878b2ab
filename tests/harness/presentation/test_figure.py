"""What all figures share: panels, title, notes, and the same bytes each time."""

from __future__ import annotations

from pathlib import Path

from harness.presentation.figure import Drawn, legend, named_notes, new_figure, pages, save


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


def test_what_is_left_out_is_named_once_and_the_rest_counted() -> None:
    assert named_notes("Not drawn:", []) == []
    assert named_notes("Not drawn:", ["a", "b", "a"]) == ["Not drawn:", "  a", "  b"]
    many = named_notes("Not drawn:", map(str, range(8)))
    assert (len(many), many[-1]) == (8, "and 2 more")


def test_panels_are_six_to_a_figure() -> None:
    assert [len(page) for page in pages(list(range(13)))] == [6, 6, 1]
    assert pages([]) == []
