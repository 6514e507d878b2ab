"""Records as text, Markdown, CSV and Parquet."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest

from harness.presentation.export import as_text, render, select_runs, write
from harness.presentation.run_columns import DEFAULT
from harness.presentation.run_table import runs_frame
from harness.presentation.table import decimal_mark
from harness.records.store import Found
from tests.harness.conftest import made_contestant, made_record, made_speed


@pytest.fixture(scope="module")
def some_table(some_records: Any) -> pd.DataFrame:
    return runs_frame(some_records)


def test_default_columns_show_the_reason_only_where_there_is_one(some_table: pd.DataFrame) -> None:
    assert list(select_runs(some_table, where=["status=ok"]).columns) == list(DEFAULT)
    assert list(select_runs(some_table).columns) == [*DEFAULT, "reason"]


def test_csv_holds_numbers_as_they_are(some_table: pd.DataFrame, tmp_path: Any) -> None:
    assert write(some_table, "csv", tmp_path / "new" / "runs.csv") is None
    read = pd.read_csv(tmp_path / "new" / "runs.csv")
    assert read["train_seq_s"].dropna().tolist() == some_table["train_seq_s"].dropna().tolist()
    assert "64," in (write(some_table[["hidden", "cell"]], "csv") or "")


def test_parquet_holds_the_table_as_it_is(some_table: pd.DataFrame, tmp_path: Any) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    assert write(some_table, "parquet", tmp_path / "runs.parquet") is None
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "runs.parquet"), some_table, check_dtype=False)


def test_parquet_says_what_it_lacks(some_table: pd.DataFrame, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="--out"):
        write(some_table, "parquet")

    def missing(*_: Any, **__: Any) -> None:
        raise ImportError

    monkeypatch.setattr(pd.DataFrame, "to_parquet", missing)
    with pytest.raises(ValueError, match="pip install pyarrow"):
        write(some_table, "parquet", tmp_path / "x.parquet")


def test_an_unknown_format_is_refused(some_table: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="did you mean 'markdown'"):
        write(some_table, "markdwn")  # type: ignore[arg-type]


def test_text_rounds_for_people_and_joins_score_and_name(make_record: Any) -> None:
    record = make_record("copy", metrics={"score": {"recall_accuracy": 0.998001}})
    text = write(select_runs(runs_frame([record])), "text")
    assert text is not None
    assert "recall_accuracy 0.998 " in text
    assert "5,200" in text
    assert "score_name" not in text


def test_latex_has_booktabs_rules_and_no_commands_of_a_records(make_record: Any) -> None:
    record = make_record(status="failed", reason=r"50 % of \input{x} & $y_1$ ~ #3")
    text = write(select_runs(runs_frame([record]), ["task", "reason", "step_ms"]), "latex")
    assert text is not None
    first, rule, heading, _, row, *_ = text.splitlines()
    assert (first, rule) == (r"\begin{tabular}{llr}", r"\toprule")
    assert heading.split("&")[0].strip() == "task"
    assert r"50 \% of \textbackslash{}input\{x\} \& \$y\_1\$ \textasciitilde{} \#3" in row
    both = render(Found([record], speeds=[made_speed()]), [], [], [], "latex", None)
    assert both is not None
    assert both.count(r"\bottomrule") >= 2
    assert all(line.startswith("%") for line in both.splitlines() if "Measured" in line)


def test_a_decimal_comma_is_in_figures_alone_and_its_csv_reads_back(make_record: Any, tmp_path: Any) -> None:
    record = make_record("copy", metrics={"score": {"within_0.04": 0.998001}, "main_score": "within_0.04"})
    data = runs_frame([record])
    for form in ("text", "markdown", "latex", "terminal"):
        text = as_text(select_runs(data), form, decimal=",")
        assert "5.200" in text
        assert "0,998" in text
        assert "0,04" not in text
    chosen = data[["id", "lr", "final_loss", "steps", "versions"]]
    assert write(chosen, "csv", tmp_path / "runs.csv", decimal=",") is None
    back = pd.read_csv(tmp_path / "runs.csv", sep=";", decimal=",")
    pd.testing.assert_frame_equal(back, chosen, check_dtype=False)
    contest = render(Found([], speeds=[made_speed()]), [], [], [], "text", None, decimal=",")
    assert contest is not None
    assert re.search(r" \d,\d", contest)
    assert not re.search(r" \d+\.\d{1,2}(?!\d)", contest.partition("Measured")[0])
    with pytest.raises(ValueError, match="--decimal is for text"):
        write(data, "parquet", tmp_path / "runs.parquet", decimal=",")
    with pytest.raises(ValueError, match=r"--decimal takes \. or a comma, not ';'"):
        decimal_mark(";")


def test_markdown_escapes_what_would_break_the_row(make_record: Any) -> None:
    record = make_record(status="failed", reason="a|b <b>`c`\nd \x1b[31m")
    text = write(select_runs(runs_frame([record]), ["reason"]), "markdown")
    assert text is not None
    assert r"a\|b &lt;b&gt;\`c\` d" in text
    assert "\x1b" not in text
    assert len(text.splitlines()) == 3


def test_a_summary_of_contests_alone_is_an_empty_table() -> None:
    text = render(Found(speeds=[made_speed()]), [], [], [], "text", None, summary=True)
    assert text is not None
    assert "score_mean" in text
    assert len(text.splitlines()) == 2


def test_contestants_are_one_table_where_something_is_asked_of_them() -> None:
    found = Found(speeds=[made_speed([made_contestant("torch", 2.0), made_contestant("jax", 1.0)])])
    text = render(found, [], ["-step_ms"], ["step_ms>0.5"], "text", None)
    assert text is not None
    assert [line.split()[-3:] for line in text.splitlines()[:1]] == [["ratio_low", "ratio_high", "noise"]]
    assert ["torch" in line for line in text.splitlines()[2:]] == [True, False]
    csv = render(found, ["backend", "gemm_share"], [], ["backend=jax"], "csv", None)
    assert csv == "backend,gemm_share\njax,1.0\n"


def test_runs_and_contests_follow_each_other_unless_something_is_asked(make_record: Any) -> None:
    found = Found([make_record()], speeds=[made_speed()])
    both = render(found, [], [], [], "markdown", None)
    assert both is not None
    assert both.startswith("| task")
    assert "## lstm 5, 3×4×2" in both
    runs = render(found, ["task"], [], [], "text", None)
    assert runs == "task\n------\nadding\n"


def test_rows_that_differ_do_not_look_alike(make_record: Any) -> None:
    differing: list[dict[str, Any]] = [
        {}, {"hidden": 128}, {"environment": {"cpu": "Made-up CPU"}}, {"preset": "paper"},
        {"environment": {"logical_cpus": 64}}, {"seed": 1}, {"environment": {"os": "Another"}},
    ]  # fmt: skip
    records = [make_record(number=number, **each) for number, each in enumerate(differing)]
    text = render(Found(records), [], [], [], "text", None)
    assert text is not None
    for words in ("quick, hidden 128", "Made-up CPU", "paper", "64 logical CPUs", "seed 1", "Another"):
        assert sum(words in line for line in text.splitlines()) == 1, words
    alone = render(Found(records), [], [], ["hidden=128"], "text", None)
    assert alone is not None
    assert "setting" not in alone, "what the rows that are shown share is no setting of theirs"


def test_noise_is_told_where_no_columns_are_asked_for(make_record: Any) -> None:
    quiet, noisy = make_record(), make_record(number=1, record={"noise": {"bimodal": True}})
    for form in ("text", "markdown"):
        assert "bimodal" in (render(Found([quiet, noisy]), [], [], [], form, None) or "")
    assert "noise" not in (render(Found([quiet]), [], [], [], "text", None) or "")


def test_a_summary_of_runs_that_all_failed_has_no_rows(make_record: Any) -> None:
    found = Found([make_record(status="failed", reason="no")])
    for form in ("text", "csv"):
        assert "score_mean" in (render(found, [], [], [], form, None, summary=True) or "")


def test_contestants_that_differ_beyond_the_usual_columns_do_not_look_alike() -> None:
    found = Found(
        speeds=[made_speed([made_contestant("torch", 2.0), made_contestant("torch", 1.0, precision="float64")])]
    )
    text = render(found, [], ["step_ms"], [], "text", None) or ""
    assert "float64" in text
    assert "threads" not in text


def test_on_a_terminal_a_table_is_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Found(
        [made_record(), made_record(number=1, status="failed", reason="it went wrong " * 5)], [], [made_speed()]
    )
    monkeypatch.setenv("COLUMNS", "80")
    wide = render(found, [], [], [], None, None) or ""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    narrow = render(found, [], [], [], None, None) or ""
    assert max(map(len, wide.splitlines())) > 80 >= max(map(len, narrow.splitlines()))
    assert "  reason: it went wrong" in narrow
    assert "not shown in 80 columns: " in narrow
