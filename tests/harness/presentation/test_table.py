"""Records as a table: what is in it, how it is asked, how it is written."""

from __future__ import annotations

import re
from contextlib import suppress
from io import StringIO
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.analysis.columns import DESCRIPTIONS
from harness.presentation import table
from harness.records.naming import reasons


@pytest.fixture(scope="module")
def some_table(some_records: Any) -> pd.DataFrame:
    return table.frame(some_records)


def test_frame_has_a_row_per_record_and_describes_every_column(some_table: pd.DataFrame, some_records: Any) -> None:
    assert len(some_table) == len(some_records)
    for name in some_table.columns:
        described = name in DESCRIPTIONS or f"{name.split('.')[0]}.<name>" in DESCRIPTIONS
        assert described, name
    assert all("\n" not in about and about for about in DESCRIPTIONS.values())


def test_frame_holds_the_records_values(make_record: Any) -> None:
    record = make_record("adding", "jax", "gru", seed=2**63 - 1)
    (row,) = table.frame([record]).to_dict("records")
    m = record.metrics
    assert row["seed"] == 2**63 - 1
    assert row["P.length"] == 100
    assert row["P.markers"] == "halves"
    assert row["score"] == row["score.mse"] == m.score["mse"]
    assert row["baseline"] == pytest.approx(1 / 6)
    assert row["train_seq_s_p90"] == m.train_sequences_per_second.p90
    assert row["host_growth_mib"] == (m.host_peak_bytes - m.host_init_bytes) / 2**20
    assert row["gflops"] == pytest.approx(m.flops_per_step / (m.step_ms.median / 1e3) / 1e9)
    assert row["version"] == "2.11.0"
    assert pd.isna(row["device_peak_mib"])
    assert pd.isna(row["chrono"])
    assert row["steps_to.0.05"] == 600


def test_frame_of_nothing_has_the_fixed_columns() -> None:
    empty = table.frame([])
    assert list(empty.columns) == list(table.COLUMNS)
    assert table.write(table.select(empty), "text")
    assert table.write(table.select(empty, where=["steps>=1"]), "csv")


def test_a_peak_below_the_level_after_initialisation_is_no_growth(make_record: Any) -> None:
    record = make_record(metrics={"host_init_bytes": 2**21, "host_peak_bytes": 2**20})
    assert table.frame([record])["host_growth_mib"].tolist() == [0.0]


def test_a_parameter_that_is_a_number_here_and_a_word_there_becomes_a_word(make_record: Any) -> None:
    records = [make_record(parameters={"length": 5}), make_record(parameters={"length": "five"})]
    assert table.frame(records)["P.length"].tolist() == ["5", "five"]


def test_default_columns_show_the_reason_only_where_there_is_one(some_table: pd.DataFrame) -> None:
    assert list(table.select(some_table, where=["status=ok"]).columns) == table.DEFAULT_COLUMNS
    assert list(table.select(some_table).columns) == [*table.DEFAULT_COLUMNS, "reason"]


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
    kept = table.select(some_table, ["id"], where=[condition])["id"].tolist()
    assert kept == [record.id for record in some_records if meets(record)]
    assert kept


@given(level=st.integers(-5, 130), operator=st.sampled_from([">=", "<=", ">", "<"]))
def test_orderings_agree_with_python(some_table: pd.DataFrame, level: int, operator: str) -> None:
    seconds = some_table["train_s"].dropna().tolist()
    kept = table.select(some_table, ["train_s"], where=[f"train_s{operator}{level}"])["train_s"].tolist()
    assert kept == [s for s in seconds if eval(f"{s!r} {operator} {level}")]


@given(names=st.lists(st.sampled_from(["cell", "-train_seq_s", "seed", "-backend", "solved"]), max_size=3))
def test_sorting_orders_by_the_first_name_and_loses_no_row(some_table: pd.DataFrame, names: list[str]) -> None:
    found = table.select(some_table, ["id", "cell", "train_seq_s", "seed", "backend", "solved"], sort=names)
    assert sorted(found["id"]) == sorted(some_table["id"])
    if names:
        values = found[names[0].removeprefix("-")].tolist()
        there = [value for value in values if not pd.isna(value)]
        assert there == sorted(there, reverse=names[0].startswith("-"))
        assert all(pd.isna(value) for value in values[len(there) :])


@given(text=st.text(max_size=30))
def test_a_condition_is_met_or_refused_in_one_line_but_never_run(some_table: pd.DataFrame, text: str) -> None:
    with suppress(ValueError):  # and nothing else
        assert len(table.select(some_table, where=[text])) <= len(some_table)


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
        table.select(some_table, **asked)
    assert "\n" not in str(refused.value)


def test_csv_holds_numbers_as_they_are(some_table: pd.DataFrame, tmp_path: Any) -> None:
    assert table.write(some_table, "csv", tmp_path / "new" / "runs.csv") is None
    read = pd.read_csv(tmp_path / "new" / "runs.csv")
    assert read["train_seq_s"].dropna().tolist() == some_table["train_seq_s"].dropna().tolist()
    assert "64," in (table.write(some_table[["hidden", "cell"]], "csv") or "")


def test_parquet_holds_the_table_as_it_is(some_table: pd.DataFrame, tmp_path: Any) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    assert table.write(some_table, "parquet", tmp_path / "runs.parquet") is None
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "runs.parquet"), some_table, check_dtype=False)


def test_parquet_says_what_it_lacks(some_table: pd.DataFrame, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="--out"):
        table.write(some_table, "parquet")

    def missing(*_: Any, **__: Any) -> None:
        raise ImportError

    monkeypatch.setattr(pd.DataFrame, "to_parquet", missing)
    with pytest.raises(ValueError, match="pip install pyarrow"):
        table.write(some_table, "parquet", tmp_path / "x.parquet")


def test_an_unknown_format_is_refused(some_table: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="did you mean 'markdown'"):
        table.write(some_table, "markdwn")  # type: ignore[arg-type]


def test_text_rounds_for_people_and_joins_score_and_name(make_record: Any) -> None:
    record = make_record("copy", metrics={"score": {"recall_accuracy": 0.998001}})
    text = table.write(table.select(table.frame([record])), "text")
    assert text is not None
    assert "recall_accuracy 0.998 " in text
    assert "5,200" in text
    assert "score_name" not in text


def test_markdown_escapes_what_would_break_the_row(make_record: Any) -> None:
    record = make_record(status="failed", reason="a|b <b>`c`\nd \x1b[31m")
    text = table.write(table.select(table.frame([record]), ["reason"]), "markdown")
    assert text is not None
    assert r"a\|b &lt;b&gt;\`c\` d" in text
    assert "\x1b" not in text
    assert len(text.splitlines()) == 3


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (999.7, "1,000"), (12345.6, "12,346"), (0.00123456, "0.00123"), (7, "7"), (123456, "123,456")],
)
def test_numbers_for_people(value: float, shown: str) -> None:
    assert table.number(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(1.0, "1"), (0.9996, "0.9996"), (0.99999, "0.99999"), (0.5, "0.5")])
def test_no_score_is_rounded_up_to_perfect(value: float, shown: str) -> None:
    assert table.score_text(value) == shown


def test_the_rich_table_fits_120_columns_and_cuts_nothing(some_records: Any) -> None:
    console = Console(file=StringIO(), width=120)
    console.print(table.rich_table(some_records))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 120
    assert "…" not in text
    for word in ("unavailable", "tensorflow", "28,250", "seed 2", "interrupted", "train"):
        assert word in text
    assert "28,250 1.77    1.19    322  3.54" in text


def test_reasons_name_every_run_that_is_not_ok(some_records: Any) -> None:
    lines = reasons(some_records)
    assert len(lines) == 4
    assert "copy quick lstm tensorflow nn: failed: the loss is not finite after 150 updates" in lines


@pytest.mark.parametrize(
    "difference",
    [
        {"batch": 64}, {"hidden": 8}, {"layers": 2}, {"precision": "float64"}, {"steps": 100},
        {"denormals": "keep"}, {"parameters": {"length": 7}}, {"environment": {"cpu": "another"}}, {"preset": "paper"},
    ],
)  # fmt: skip
def test_runs_that_differ_in_more_than_the_contender_are_no_group(make_record: Any, difference: Any) -> None:
    found = table.groups([make_record(), make_record(**difference)])
    assert len(found) == 2
    assert len({group.title for group in found}) == 2
    assert len({group.slug for group in found}) == 2


def test_backends_cells_variants_and_seeds_share_a_group(make_record: Any) -> None:
    records = [
        make_record(), make_record(backend="jax"), make_record(cell="gru"), make_record(seed=1),
        make_record(variant="loop"),
    ]  # fmt: skip
    (group,) = table.groups(records)
    assert set(group.contenders()) == {
        ("lstm", "torch nn"), ("lstm", "jax"), ("gru", "torch nn"), ("lstm", "torch loop")
    }  # fmt: skip


def test_versions_of_a_framework_are_contenders_of_their_own(make_record: Any) -> None:
    records = [make_record(environment={"versions": {"torch": version}}) for version in ("2.11", "2.12")]
    (group,) = table.groups(records)
    assert set(group.contenders()) == {("lstm", "torch 2.11"), ("lstm", "torch 2.12")}


@pytest.mark.parametrize(
    ("idle", "words"),
    [(0.716, "launch-bound: device idle 72 %"), (0.5, ""), (0.0, ""), (None, "")],
)
def test_a_run_whose_device_waited_for_the_host_is_marked_in_every_table(
    make_record: Any, idle: float | None, words: str
) -> None:
    record = make_record(device="cuda", metrics={"device_idle_share": idle})
    (group,) = table.groups([record])
    assert group.settings(record) == words
    console = Console(file=StringIO(), width=200)
    console.print(table.rich_table([record]))
    assert ("launch-bound" in console.file.getvalue()) == bool(words)  # type: ignore[attr-defined]


def test_what_a_gpu_took_has_columns(make_record: Any) -> None:
    took = {
        "energy_j": 10.0,
        "joules_per_1000_sequences": 0.5,
        "device_idle_share": 0.25,
        "device_process_bytes": 2**21,
    }
    (row,) = table.frame([make_record(device="cuda", metrics=took)]).to_dict("records")
    names = ("energy_j", "joules_per_1000_sequences", "device_idle_share", "device_process_mib")
    assert [row[name] for name in names] == [10.0, 0.5, 0.25, 2.0]


def on_gpu(make_record: Any, gpu: str, **more: Any) -> Any:
    return make_record(device="cuda", environment={"device_name": gpu}, **more)


def test_devices_are_contenders_of_their_own_where_there_are_several(make_record: Any) -> None:
    records = [make_record(), make_record(backend="jax"), on_gpu(make_record, "Made-up 1"), make_record(seed=1)]
    (group,) = table.groups(records)
    assert set(group.contenders()) == {("lstm", "torch (cpu)"), ("lstm", "jax (cpu)"), ("lstm", "torch (cuda)")}
    assert "cpu and cuda · float32" in group.about
    assert group.about.endswith("· Made-up 1")
    assert {group.settings(record) for record in records} == {"cpu, seed 0", "cuda, seed 0", "cpu, seed 1"}
    (alone,) = table.groups(records[2:3])
    assert list(alone.contenders()) == [("lstm", "torch")]
    assert "cuda · float32" in alone.about


def test_gpus_of_two_kinds_are_told_apart_by_their_names(make_record: Any) -> None:
    (group,) = table.groups([on_gpu(make_record, f"Made-up {n}") for n in (1, 2)])
    assert set(group.contenders()) == {("lstm", "torch (Made-up 1)"), ("lstm", "torch (Made-up 2)")}
