"""One record in the terminal."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.presentation.show import BLOCKS, show, sparkline
from harness.records.base import Before
from harness.records.run import Saved


def shown(record: Any, width: int = 100) -> str:
    console = Console(file=StringIO(), width=width)
    console.print(show(record))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_a_run_that_succeeded_is_told_whole(make_record: Any) -> None:
    text = shown(make_record("adding", "torch", "lstm", environment={"strays": {"OMP_PROC_BIND": "true"}}))
    for words in (
        "adding quick lstm torch nn  ok", "length 100", "mkldnn_rnn_layer", "baseline 0.167", "5,200 sequences/s",
        "4,888 to 5,356 in 38 blocks", "first update", "other updates", "evaluation", "92 MiB beyond initialisation",
        "parameters 3.0e-07", "Xeon", "c87514900000", "Kept from the worker", "OMP_PROC_BIND", "█", "1,000",
    ):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize("status", ["failed", "timeout", "interrupted", "unavailable"])
def test_a_run_that_did_not_says_why_and_shows_the_log(make_record: Any, status: str) -> None:
    text = shown(make_record(status=status, reason="[red]because[/] \x1b[31m"))
    assert status in text.splitlines()[0]
    assert "[red]because[/]" in text  # markup in a record is text
    assert "\x1b" not in text
    assert "  line one\n  line two" in "\n".join(line.rstrip() for line in text.splitlines())


def test_what_was_saved_and_started_from_is_told_by_digest(make_record: Any) -> None:
    text = shown(make_record(record={"saved": Saved(parameters="a" * 64, predictions="b" * 64)}, start="c" * 64), 200)
    for letter in "abc":
        assert letter * 64 in text
    assert "saved" not in shown(make_record())


def test_where_training_ended_early_and_why(make_record: Any) -> None:
    text = shown(make_record(patience=2, metrics={"stopped_at": 90}), 200)
    assert re.search(r"stopped +after 90 of [0-9,]+ updates, 2 evaluations after the lowest validation loss, ", text)
    assert "stopped" not in shown(make_record(patience=2))


def test_it_fits_a_narrow_terminal(make_record: Any) -> None:
    assert max(map(len, shown(make_record(), 60).splitlines())) <= 60


def test_a_record_with_nothing_measured_can_be_shown(make_record: Any) -> None:
    nothing = dict.fromkeys((
        "train_sequences_per_second", "train_time_steps_per_second", "step_ms", "predict_sequences_per_second",
        "predict_time_steps_per_second", "compile_s", "host_import_bytes", "host_init_bytes", "host_peak_bytes",
    ))  # fmt: skip
    text = shown(make_record(metrics=nothing))
    assert "Memory" not in text
    assert "Speed" not in text


def test_a_falling_curve_falls() -> None:
    assert sparkline([1.0, 0.1, 0.01]) == f"{BLOCKS[-1]}{BLOCKS[4]}{BLOCKS[0]}"


@given(values=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=200), width=st.integers(2, 80))
def test_a_sparkline_has_a_block_per_value_and_no_more_than_asked_for(values: list[float], width: int) -> None:
    line = sparkline(values, width)
    assert len(line) == min(len(values), width)
    assert set(line) <= set(BLOCKS)


ON_A_GPU = {
    "device": "cuda",
    "environment": {"gpu": {"name": "NVIDIA Imaginary", "driver_version": "580.95.05", "clocks.sm": "1410 MHz"}},
}


def test_what_a_gpu_took_is_told_and_that_it_waited_for_the_host(make_record: Any) -> None:
    took = {
        "energy_j": 4321.0, "joules_per_1000_sequences": 43.25, "device_idle_share": 0.72,
        "device_process_bytes": 512 * 2**20,
    }  # fmt: skip
    text = shown(make_record(**ON_A_GPU, metrics=took))
    for words in (
        "4,321 J", "43.2 J per 1000 sequences", "72 % of the time in training and prediction, launch-bound", "512 MiB",
        "NVIDIA Imaginary", "580.95.05", "1410 MHz",
    ):  # fmt: skip
        assert words in text, words
    busy = shown(make_record(**ON_A_GPU, metrics=took | {"device_idle_share": 0.5}))
    assert "launch-bound" not in busy


def test_of_a_run_on_cpu_no_device_is_told(make_record: Any) -> None:
    assert "Device" not in shown(make_record())


def test_what_others_did_before_a_run_is_told(make_record: Any) -> None:
    def told(**before: Any) -> str:
        return shown(make_record(record={"before": Before(**before)}))

    text = told(share=0.47, over_s=0.5, busiest={"cc1plus\x1b[2J": 0.92}, waited_s=3)
    assert "\x1b" not in text
    assert "47.0% of its CPUs, over 0.5 s" in text
    assert "92% of a CPU" in text
    assert "3 s for quiet" in text
    assert "not known" in told(share=None, over_s=0, refused=True)
