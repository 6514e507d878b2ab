"""Rows and columns are chosen by conditions and names, or refused in one line."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.presentation.run_table import runs_frame
from harness.presentation.selection import select


@pytest.fixture(scope="module")
def some_table(some_records: Any) -> pd.DataFrame:
    return runs_frame(some_records)


@pytest.mark.parametrize(
    ("condition", "meets"),
    [
        ("backend=torch", lambda r: r.spec.backend == "torch"),
        ("backend == torch", lambda r: r.spec.backend == "torch"),
        ("cell!=rnn", lambda r: r.spec.model.cell != "rnn"),
        ("batch>50", lambda r: r.spec.batch > 50),
        ("batch<=50", lambda r: r.spec.batch <= 50),
        ("seed=1", lambda r: r.spec.seed == 1),
        ("lr=5e-3", lambda r: r.spec.optimizer.lr == 5e-3),
        ("solved=yes", lambda r: bool(r.metrics and r.metrics.solved)),
        ("reason=", lambda r: r.reason is None),
        ("reason!=", lambda r: r.reason is not None),
        ("train_s<5", lambda r: r.metrics is not None and r.metrics.train_s < 5),
        ("score.within_0.04>0.5", lambda r: r.metrics is not None),
        ("created>=2026-11-23T12:40", lambda r: r.created.minute >= 40),
        ("reason=stopped after 60 s", lambda r: r.reason == "stopped after 60 s"),
    ],
)
def test_where_keeps_the_rows_that_meet_it(
    some_table: pd.DataFrame, some_records: Any, condition: str, meets: Any
) -> None:
    kept = select(some_table, ["id"], where=[condition])["id"].tolist()
    assert kept == [record.id for record in some_records if meets(record)]
    assert kept


@given(level=st.integers(-5, 130), operator=st.sampled_from([">=", "<=", ">", "<"]))
def test_orderings_agree_with_python(some_table: pd.DataFrame, level: int, operator: str) -> None:
    seconds = some_table["train_s"].dropna().tolist()
    kept = select(some_table, ["train_s"], where=[f"train_s{operator}{level}"])["train_s"].tolist()
    assert kept == [s for s in seconds if eval(f"{s!r} {operator} {level}")]


@given(names=st.lists(st.sampled_from(["cell", "-train_seq_s", "seed", "-backend", "solved"]), max_size=3))
def test_sorting_orders_by_the_first_name_and_loses_no_row(some_table: pd.DataFrame, names: list[str]) -> None:
    found = select(some_table, ["id", "cell", "train_seq_s", "seed", "backend", "solved"], sort=names)
    assert sorted(found["id"]) == sorted(some_table["id"])
    if names:
        values = found[names[0].removeprefix("-")].tolist()
        there = [value for value in values if not pd.isna(value)]
        assert there == sorted(there, reverse=names[0].startswith("-"))
        assert all(pd.isna(value) for value in values[len(there) :])


@given(text=st.text(max_size=30))
def test_a_condition_is_met_or_refused_in_one_line_but_never_run(some_table: pd.DataFrame, text: str) -> None:
    with suppress(ValueError):  # and nothing else
        assert len(select(some_table, where=[text])) <= len(some_table)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"columns": ["bakend"]}, "unknown column 'bakend'; did you mean 'backend'?"),
        ({"sort": ["-train_seqs"]}, "did you mean 'train_seq_s'?"),
        ({"where": ["stpes>3"]}, "did you mean 'steps'?"),
        ({"where": ["steps>many"]}, "column 'steps' holds numbers, and 'many' is none"),
        ({"where": ["solved=2"]}, "column 'solved' holds true or false, and '2' is neither"),
        ({"where": ["torch"]}, "not a condition: 'torch'; write for example backend=torch"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(some_table: pd.DataFrame, asked: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        select(some_table, **asked)
    assert "\n" not in str(refused.value)


def test_a_variant_goes_by_its_former_name_too() -> None:
    """Each backend knows its own: torch never had a variant ``halves``."""
    table = pd.DataFrame({"backend": ["numpy", "torch", "jax"], "variant": ["parts", "deferred-dw", "hoisted"]})
    assert select(table, ["backend"], where=["variant=halves"])["backend"].tolist() == ["numpy"]
    assert select(table, ["backend"], where=["variant=late-dw"])["backend"].tolist() == ["torch"]
    assert select(table, ["backend"], where=["variant!=late-dw"])["backend"].tolist() == ["numpy", "jax"]
