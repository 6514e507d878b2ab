"""The named shapes: what the documentation says of them, and what changes with a length or a loss."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.specs.options import SPEED
from harness.specs.shapes import ALL_SHAPES, BRAUN, DEFAULT_SHAPE, SHAPES, SIZES, Shape, in_proportion
from harness.specs.speed import SpeedSpec

PAGE = Path(__file__).resolve().parents[3] / "docs" / "speed.md"


def test_the_documentation_has_every_shape_as_it_is() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `") and "×" in line]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    told = {row[0].strip("`"): row[1:] for row in rows}
    assert set(told) == set(ALL_SHAPES)
    for name, (sizes, hidden, readout, *_) in told.items():
        shape = ALL_SHAPES[name]
        length = f"{shape.shortest}…{shape.length}" if shape.shortest else str(shape.length)
        assert sizes == f"{shape.batch} × {length} × {shape.features}"
        ways = f", {shape.layers} layers bidirectional" if shape.bidirectional else ""
        assert hidden == f"{shape.hidden}{ways}"
        assert re.match(rf"{shape.outputs}, {shape.loss}", readout, re.IGNORECASE)


def test_the_default_is_one_of_them_and_the_lists_are_apart() -> None:
    assert DEFAULT_SHAPE is SHAPES["B"]
    assert not SHAPES.keys() & BRAUN.keys()
    assert SIZES == ("batch", "length", "features", "hidden", "layers", "threads")


def test_what_a_shape_fixes_are_options_of_speed() -> None:
    assert set(BRAUN["braun-ce-short"].fields()) <= {each.parameter for each in SPEED}
    assert "cell" not in SHAPES["A"].fields(), "any cell"


@pytest.mark.parametrize("name", ALL_SHAPES)
def test_a_shape_is_a_spec(name: str) -> None:
    shape = ALL_SHAPES[name]
    spec = SpeedSpec.of_shape(shape, backend="numpy", variant="textbook", cell="gru", threads=2, chunk=3)
    assert (spec.backend, spec.variant, spec.model.cell, spec.threads, spec.chunk) == ("numpy", "textbook", "gru", 2, 3)
    assert (spec.batch, spec.length, spec.features, spec.outputs) == (
        shape.batch, shape.length, shape.features, shape.outputs,
    )  # fmt: skip
    assert (spec.model.hidden, spec.model.layers, spec.loss, spec.readout, spec.shortest, spec.labels) == (
        shape.hidden, shape.layers, shape.loss, shape.readout, shape.shortest, shape.labels,
    )  # fmt: skip


def test_shortest_length_and_labels_follow_the_length() -> None:
    shape = BRAUN["braun-bi-ctc-long"].with_length(100)
    assert (shape.length, shape.shortest, shape.labels) == (100, 50, 10)
    assert SHAPES["D"].with_length(100) == Shape(
        batch=64, length=100, features=1, hidden=128, outputs=10, loss="cross-entropy", about="MNIST by pixels"
    )


def test_a_loss_brings_its_readout_and_takes_labels_away() -> None:
    assert SHAPES["C"].with_loss("ctc").readout == "every"
    assert BRAUN["braun-bi-ctc-long"].with_loss("mse").labels == 0


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.data())
def test_in_proportion_is_at_least_one_and_at_most_the_length(length: int, original: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, original))
    assert 1 <= in_proportion(number, length, original) <= length
    assert in_proportion(number, original, original) == number
