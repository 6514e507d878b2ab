"""Every table at every width: no word broken, no line too long, and what is left out is named."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.analysis.verdict import Judgement
from harness.planning.runs import plan
from harness.presentation import contest_table, renderers, scaling_table
from harness.presentation.fitting import fit
from harness.presentation.run_table import repeats_table, runs_table
from harness.presentation.table import Column, Table
from harness.workflows import listing, parity, verify
from harness.workflows.run import plan_table
from tests.harness.conftest import both_devices, grown, made_contestant, made_scaling, made_speed

WIDTHS = (60, 80, 100, 140)
LAYOUTS = ("dense", "airy", "framed")


def printed(table: Table, width: int) -> list[str]:
    console = Console(file=StringIO(), width=width)
    console.print(renderers.terminal(table))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def tables(some_records: Any) -> list[Table]:
    """One of every kind that a command prints."""
    contests = [made_contestant("torch", 2.0, "default"), made_contestant("torch", 1.0), made_contestant("jax", 1.5)]
    judged = verify.Row(Path("a.json"), some_records[0], Judgement("different", "score 0.1 against 0.9", "slower"))
    probe = {
        "name": "torch", "version": "2.13.0+cpu", "devices": {"cpu": None, "cuda": "torch was built without CUDA"},
        "reason": None,
        "variants": {"nn": {"tier": "default", "summary": "torch.nn.LSTM, the framework's own layer", "without": {}}},
    }  # fmt: skip
    agreement = parity.Agreement(
        "adding lstm torch", "nn-kept", "float32", tolerance=1e-3, distances={"loss": 1e-7, "gradient W": 2e-6}
    )
    return [
        runs_table(some_records),
        repeats_table(some_records),
        *contest_table.tables(made_speed(contests)),
        *contest_table.tables(both_devices([(32, 8), (128, 64)])),
        *scaling_table.tables(made_scaling(grown("torch", noise=0.1), grown("tensorflow", "default", noise=0.1))),
        plan_table(plan({"task": ["adding", "copy"], "cell": ["lstm", "gru"], "backend": ["numpy"]})),
        verify.table([judged]),
        parity.table([agreement]),
        listing._tasks(),
        listing._cells(),
        listing._backends([probe]),
        listing._variants([probe]),
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_word_is_broken_and_what_is_left_out_is_named(tables: list[Table], width: int) -> None:
    for table in tables:
        lines = printed(table, width)
        assert max(map(len, lines)) <= width, "\n".join(lines)
        text = "\n".join(lines)
        how = fit(table, width)
        for at in (*how.widths, *how.below):
            words = {word for row in table.rows for word in row[at].text.split()}
            assert not {word for word in words if word not in text and len(word) < width - 2}, table.columns[at].name
        named = " ".join(text.partition("not shown in")[2].split())
        assert not [table.columns[at].title for at in how.left_out if table.columns[at].title not in named]


@pytest.mark.parametrize("width", WIDTHS[2:])
def test_what_matters_most_of_a_run_is_there(some_records: Any, width: int) -> None:
    text = "\n".join(printed(runs_table(some_records), width))
    for word in ("task", "cell", "backend", "variant", "status", "score", "seq/s"):
        assert word in text


def test_columns_leave_in_the_stated_order_then_from_the_right_but_never_the_first() -> None:
    columns: list[Column[int]] = [Column(name, lambda item: "x" * 10) for name in "abcd"]
    table = Table.of(columns, [1], leaving=("b",))
    left_out = [[table.columns[at].name for at in fit(table, width).left_out] for width in (43, 42, 31, 20, 5)]
    assert left_out == [[], ["b"], ["b", "d"], ["b", "c", "d"], ["b", "c", "d"]]


def test_sentences_stand_below_their_row_where_a_column_of_them_would_be_a_tower() -> None:
    columns: list[Column[str]] = [Column("who", str), Column("why", lambda who: "one two " * 10, prose=True)]
    table = Table.of(columns, ["somebody"])
    assert fit(table, 60).below == []
    lines = printed(table, 25)
    assert [lines[0].strip(), lines[2].strip()] == ["who", "somebody"]
    assert lines[3].startswith("  why: one two")


@given(
    rows=st.lists(st.lists(st.text("ab -", max_size=30), min_size=4, max_size=4), min_size=1, max_size=4),
    width=st.integers(1, 120),
    layout=st.sampled_from(LAYOUTS),
    prose=st.booleans(),
)
def test_any_table_fits_any_width_that_its_first_column_fits(
    rows: list[list[str]], width: int, layout: Any, prose: bool
) -> None:
    columns: list[Column[list[str]]] = [Column(str(at), lambda row, at=at: row[at]) for at in range(3)]
    columns.append(Column("3", lambda row: row[3], prose=prose))
    table = Table.of(columns, rows, layout=layout)
    how = fit(table, width)
    assert sorted([*how.widths, *how.below, *how.left_out]) == [0, 1, 2, 3]
    assert 0 in how.widths
    if len(how.widths) > 1:
        assert max(map(len, printed(table, width))) <= width
