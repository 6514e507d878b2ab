"""``harness speed``: its words, its workers, its record, and what is shown of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.parameters import bytes_per_step, count
from harness import devices, report, speedplots, speedtable
from harness.plan import UsageError
from harness.spec import Changes, SpeedSpec
from harness.speed import BRAUN, SHAPES, SIZES, SpeedRequest, numbers, plan
from harness.speedrecords import Contest, Row, SpeedRecord, json_schema
from harness.speedrun import Settings, hold_all
from harness.store import Found, Store, read, read_all
from harness.turns import GATE_LENGTH, draw
from tests.conftest import ROOT, Harness
from tests.harness.conftest import made_contestant, made_speed

TINY = ("--batch", "3", "--length", "4", "--features", "2", "--hidden", "5", "--threads", "1")
SHORT = ("--rounds", "4", "--block", "0.001")
FIELDS: dict[str, Any] = {
    "backend": "numpy", "threads": 1, "model": {"hidden": 5}, "batch": 3, "length": 4, "features": 2,
}  # fmt: skip


def held(variants: list[str], rounds: int = 4, backend: str = "madeup", **options: Any) -> SpeedRecord:
    """The record of a contest between variants that are told to do one update per turn."""
    sizes = {"batch": ["3"], "length": ["4"], "features": ["2"], "hidden": ["5"]}
    request = SpeedRequest([backend], variants, sizes=sizes, options={"threads": 1, **options})
    record, _ = hold_all(plan(request), Settings(rounds, 1e-9), NoStore())
    return record


class NoStore(Store):
    def __init__(self) -> None:
        super().__init__(Path("nowhere"))

    def write(self, record: Any) -> Path:
        return self.folder


def rows(record: SpeedRecord) -> dict[str | None, Row]:
    return {row.variant: row for contest in record.contests for row in contest.rows}


# -- words ----------------------------------------------------------------------------------------
@given(st.lists(st.lists(st.integers(1, 10**9), min_size=1), min_size=1))
def test_lists_of_numbers_are_read_once_each_in_order(lists: list[list[int]]) -> None:
    words = [", ".join(map(str, items)) for items in lists]
    assert numbers("length", words) == list(dict.fromkeys(n for items in lists for n in items))


@given(st.text().filter(lambda text: not all(w.strip().isdigit() and w.strip().isascii() for w in text.split(","))))
def test_what_is_no_list_of_numbers_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="--length"):
        numbers("length", [text])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--shape", "Z"], "unknown shape 'Z'; known: A, B, C, D, E, F, braun, "),
        (["--shape", "brown"], "unknown shape 'brown'; did you mean 'braun'?"),
        (["--shape", "braun-bi-ctc-long", "--labels", "600"], "labels: 600 do not fit into the 500 steps of the"),
        (["--backend", "pytorch"], "unknown backend 'pytorch'; did you mean 'torch'?"),
        (["--device", "cpu,gpu"], "unknown device 'gpu'; "),
        (["--cell", "lstn"], "unknown cell 'lstn'; did you mean 'lstm'?"),
        (["--variant", "hoistd"], "unknown variant of numpy 'hoistd'; did you mean 'hoisted'?"),
        (["--length", "10,,20"], "--length: an item of '10,,20' is empty"),
        (["--length", "10,0"], "--length takes whole numbers from 1 on, separated by commas, not '0'"),
        (["--hidden", "-3"], "--hidden takes whole numbers from 1 on, separated by commas, not '-3'"),
        (["--batch", "9" * 5000], "--batch takes whole numbers from 1 on"),
        (["--threads", "10000"], "CPUs, not 10000"),
        (["--chunk", "0"], "chunk: input should be greater than or equal to 1, not 0"),
        (["--rounds", "0"], "--rounds must be at least 1, not 0"),
        (["--block", "nan"], "--block must be above 0 and at most 60 seconds, not nan"),
        (["--results", "/dev/null/results"], "cannot write results to /dev/null/results: Not a directory"),
    ],
)  # fmt: skip
def test_wrong_words_get_one_line_that_says_what_would_be_right(
    harness: Harness, tmp_path: Path, words: list[str], says: str
) -> None:
    done = harness("speed", "--backend", "numpy", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_shapes_lists_and_cells_multiply_and_what_is_given_wins() -> None:
    request = SpeedRequest(["numpy"], shapes=["a,C"], cells=["lstm,gru"], sizes={"hidden": ["7,9"]})
    bouts = plan(request)
    specs = [bout.entries[0].spec for bout in bouts]
    assert len(bouts) == 8
    assert {(bout.name, spec.model.cell, spec.model.hidden) for bout, spec in zip(bouts, specs, strict=True)} == {
        (name, cell, hidden) for name in "AC" for cell in ("lstm", "gru") for hidden in (7, 9)
    }
    assert {(spec.batch, spec.length, spec.features, spec.loss) for spec in specs} == {
        (64, 100, 10, "mse"), (128, 28, 28, "cross-entropy"),
    }  # fmt: skip


@pytest.mark.parametrize(("word", "named"), [("all", SHAPES), ("Braun", BRAUN)])
def test_every_named_shape_is_a_spec(word: str, named: dict[str, Any]) -> None:
    bouts = plan(SpeedRequest(["numpy"], shapes=[word]))
    assert [bout.name for bout in bouts] == list(named)
    assert not any(bout.changed for bout in bouts)


@pytest.mark.parametrize(
    ("shape", "asked", "says"),
    [
        ("braun-ce-long", {}, "braun-ce-long: lstm 320, 32×1000×123"),
        ("D", {"length": 100}, "D, reduced: length 100: lstm 128, 64×100×1"),
        ("D", {"length": 100, "loss": "mse"}, "D, changed: length 100, loss mse: lstm 128, 64×100×1"),
        ("braun-ce-short", {"cell": "gru"}, "braun-ce-short, changed: cell gru: gru 320, 64×100×123"),
        (
            "braun-bi-ctc-long", {"length": 101},
            "braun-bi-ctc-long, reduced: length 101, shortest 50, labels 10: lstm 320 ×4 bidirectional, 32×101×123",
        ),
        (
            "braun-bi-ctc-long", {"length": 100, "labels": 20, "shortest": 100},
            "braun-bi-ctc-long, reduced: length 100, shortest 100, labels 20: lstm 320 ×4 bidirectional, 32×100×123",
        ),
        (
            "braun-bi-ctc-long", {"loss": "cross-entropy", "layers": 1},
            "braun-bi-ctc-long, changed: labels 0, layers 1, loss cross-entropy: lstm 320 bidirectional, 32×1000×123",
        ),
    ],
)  # fmt: skip
def test_what_a_named_shape_is_not_here_is_in_its_title(shape: str, asked: dict[str, Any], says: str) -> None:
    """Shortest length and labels follow the length, unless they are given."""
    contest = contest_of(shape, asked)
    assert speedtable.title(contest) == says
    assert speedtable.title(contest, brief=True) == says.partition(":")[0] + says[says.rindex(":") :]
    assert Contest.model_validate_json(contest.model_dump_json()) == contest


def contest_of(shape: str | None, asked: dict[str, Any]) -> Contest:
    """What was asked for, as a contest's record."""
    options = dict(asked)
    sizes = {name: [str(options.pop(name))] for name in SIZES if name in options}
    (bout,) = plan(
        SpeedRequest(["numpy"], ["textbook"], [options.pop("cell", "lstm")], [shape] if shape else [], sizes, options)
    )
    rows = [Row(spec=entry.spec, status="interrupted") for entry in bout.entries]
    return Contest(name=bout.name, changed=bout.changed, rows=rows)


@pytest.mark.parametrize(
    ("shape", "asked", "says"),
    [
        (None, {"labels": 3}, "labels: only loss ctc has labels, not mse"),
        (None, {"shortest": 101}, "shortest: at most the length, 100 steps, not 101"),
        (None, {"loss": "ctc", "outputs": 5}, "loss: ctc needs labels, at least 1 per sequence"),
        (None, {"loss": "ctc", "labels": 3}, "loss: ctc needs outputs for the blank and a class, at least 2, not 1"),
        ("C", {"loss": "ctc", "labels": 3, "readout": "last"}, "loss: ctc needs readout every, not last"),
        ("C", {"loss": "ctc", "labels": 29}, "labels: 29 do not fit into 28 steps: at most 28"),
        (
            "C", {"loss": "ctc", "labels": 15, "outputs": 2},
            "labels: 15 of one class do not fit into 28 steps: at most 14",
        ),
        ("braun-bi-ctc-long", {"length": 100, "shortest": 200}, "shortest: at most the length, 100 steps, not 200"),
        (
            "braun-bi-ctc-long", {"length": 100, "labels": 80},
            "labels: 80 do not fit into the 50 steps of the shortest sequence: at most 50",
        ),
    ],
)  # fmt: skip
def test_lengths_and_labels_that_cannot_be_are_refused(shape: str | None, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        contest_of(shape, asked)
    assert str(refused.value) == says


def test_what_a_backend_lacks_for_a_loss_or_a_length_is_a_row_that_says_so() -> None:
    def reasons(**options: Any) -> dict[str, str | None]:
        (bout,) = plan(SpeedRequest(["tensorflow"], ["all"], sizes={"length": ["600"]}, options=options))
        return {entry.spec.variant: entry.reason for entry in bout.entries}

    ctc = reasons(loss="ctc", labels=2, outputs=3, precision="float64")
    assert set(ctc.values()) == {"tf.nn.ctc_loss computes in float32 only"}
    assert "traced for minutes" in (reasons()["keras-unrolled"] or "")


def test_the_stock_layer_takes_part_unasked(plugin: Path) -> None:
    def variants(*asked: str) -> list[tuple[str, bool]]:
        (bout,) = plan(SpeedRequest(["madeup"], asked))
        return [(entry.spec.variant, entry.added) for entry in bout.entries]

    assert variants("chatty") == [("chatty", False), ("good", True)]
    assert variants("auto") == [("auto", False)], "auto is the stock layer here"
    assert variants("auto,good") == [("good", False)]
    assert ("fused", False) in variants("all")


def test_both_devices_share_a_contest_each_with_its_own_stock_layer(plugin: Path) -> None:
    (bout,) = plan(SpeedRequest(["madeup"], ["chatty"], devices=["cpu, cuda", "cpu"]))
    assert [(e.spec.device, e.spec.variant, e.added) for e in bout.entries] == [
        (device, variant, added) for device in ("cpu", "cuda") for variant, added in (("chatty", False), ("good", True))
    ]
    assert bout.references == {("madeup", "cpu"): "good", ("madeup", "cuda"): "good"}
    assert len({json.dumps(entry.spec.shape()) for entry in bout.entries}) == 1


def test_a_variant_that_one_backend_lacks_is_a_row_that_says_so(plugin: Path) -> None:
    (bout,) = plan(SpeedRequest(["madeup", "numpy"], ["chatty"]))
    reasons = {entry.spec.backend: entry.reason for entry in bout.entries if not entry.added}
    assert reasons["madeup"] is None
    assert (reasons["numpy"] or "").startswith("numpy has no such variant; it has ")


lengths = st.integers(1, 10**6).flatmap(
    lambda length: st.fixed_dictionaries({"length": st.just(length), "shortest": st.none() | st.integers(1, length)})
)
specs = st.fixed_dictionaries({
    "batch": st.integers(1, 10**6), "outputs": st.integers(1, 10**6),
    "loss": st.sampled_from(["mse", "cross-entropy"]), "readout": st.sampled_from(["last", "every"]),
    "precision": st.sampled_from(["float32", "float64", "tf32", "bfloat16"]),
    "denormals": st.sampled_from(["flush", "keep"]),
    "chunk": st.integers(1, 10**6), "seed": st.integers(0, 2**63 - 1),
})  # fmt: skip


@given(specs, lengths)
def test_a_spec_survives_json_and_knows_its_job(changes: dict[str, Any], lengths: dict[str, Any]) -> None:
    spec = SpeedSpec.model_validate(FIELDS | changes | lengths)
    assert SpeedSpec.model_validate_json(spec.model_dump_json()) == spec
    job = spec.job()
    assert (job.batch, job.length, job.chunk, job.loss) == (spec.batch, spec.length, spec.chunk, spec.loss)
    assert (job.model.inputs, job.model.outputs, job.model.readout) == (2, spec.outputs, spec.readout)
    assert job.variable == (spec.shortest is not None)


@given(lengths, st.integers(2, 3), st.data())
def test_what_the_gate_sees_of_a_spec_can_be(lengths: dict[str, Any], outputs: int, data: st.DataObject) -> None:
    """Shortened in proportion, sequences still hold their labels."""
    room = lengths["shortest"] or lengths["length"]
    labels = data.draw(st.integers(1, (room + 1) // 2 if outputs == 2 else room))
    ctc = {"loss": "ctc", "readout": "every", "outputs": outputs, "labels": labels}
    spec = SpeedSpec.model_validate(FIELDS | lengths | ctc)
    short = spec.shortened(64)
    assert short.length == min(64, spec.length)
    assert SpeedSpec.model_validate(short.model_dump()) == short


# -- data and arithmetic --------------------------------------------------------------------------
@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_random_batches_have_the_shapes_of_a_tasks_and_the_same_bits_each_time(loss: str, readout: str) -> None:
    spec = SpeedSpec.model_validate({**FIELDS, "loss": loss, "readout": readout, "outputs": 7})
    batch, again, other = draw(spec, 0, 3), draw(spec, 0, 3), draw(spec, 1, 3)
    read = (3, 4) if readout == "every" else (3,)
    assert batch.x.shape == (3, 4, 2)
    assert batch.y.shape == (read if loss == "cross-entropy" else (*read, 7))
    np.testing.assert_array_equal(batch.x, again.x)
    assert not np.array_equal(batch.x, other.x)


@pytest.mark.parametrize("loss", ["mse", "cross-entropy", "ctc"])
def test_random_lengths_go_from_the_shortest_to_the_length_that_one_sequence_has(loss: str) -> None:
    labels = {"loss": "ctc", "outputs": 4, "labels": 2} if loss == "ctc" else {"loss": loss}
    spec = SpeedSpec.model_validate({**FIELDS, "batch": 50, "length": 9, "shortest": 3, "readout": "every", **labels})
    batch, again = draw(spec, 0, 50), draw(spec, 0, 50)
    assert batch.lengths is not None
    assert (batch.lengths.min(), batch.lengths.max()) == (3, 9)
    np.testing.assert_array_equal(batch.lengths, again.lengths)
    np.testing.assert_array_equal(batch.y, again.y)
    assert batch.y.shape == {"mse": (50, 9, 1), "cross-entropy": (50, 9), "ctc": (50, 2)}[loss]


def test_the_fewest_bytes_of_an_update_by_hand() -> None:
    """LSTM, B3 T4 D2 H5: parameters with moments and gradients, the input; h, c and four gates there and back."""
    model = SpeedSpec.model_validate(FIELDS).job().model
    assert bytes_per_step(model, 3, 4, "float32", "adam") == 4 * (8 * count(model) + 3 * 4 * (2 + 2 * 6 * 5))
    narrow = 4 * (8 * count(model) + 3 * 4 * 2) + 2 * (3 * 4 * 2 * 6 * 5)
    assert bytes_per_step(model, 3, 4, "bfloat16", "adam") == narrow
    assert bytes_per_step(model, 3, 4, "float64", "sgd") == 8 * (4 * count(model) + 3 * 4 * (2 + 2 * 6 * 5))


# -- workers --------------------------------------------------------------------------------------
def test_one_that_dies_in_its_second_turn_is_a_row_and_the_others_go_on(plugin: Path) -> None:
    found = rows(held(["late", "good"]))
    assert found["good"].status == "ok", found["good"].reason
    assert len(found["good"].blocks) == 4
    late = found["late"]
    assert (late.status, late.reason) == ("failed", "the worker exited with status 3 before the run was done")
    assert [block.round for block in late.blocks] == [0]
    assert late.figures is None
    assert not psutil.Process().children(recursive=True)


def test_what_goes_wrong_before_the_first_turn_is_a_row_too(plugin: Path) -> None:
    found = rows(held(["wrong", "raises", "recompiles", "diverges", "killed"]))
    assert {name: row.status for name, row in found.items() if name != "good"} == dict.fromkeys(
        ("wrong", "raises", "recompiles", "diverges", "killed"), "failed"
    )
    assert "did not pass the gate" in (found["wrong"].reason or "")
    assert "something inside broke" in (found["raises"].log_tail or "")
    assert "compiled again in the steady state" in (found["recompiles"].reason or "")
    assert "the loss is not finite" in (found["diverges"].reason or "")
    assert "SIGKILL" in (found["killed"].reason or "")
    assert found["good"].added


def test_a_fused_variant_is_handed_whole_chunks(plugin: Path) -> None:
    found = rows(held(["fused"], chunk=4))
    fused = found["fused"]
    assert (fused.status, fused.tier) == ("ok", "fused")
    assert {block.steps for block in fused.blocks} == {4}
    assert fused.ready is not None
    assert fused.ready.first_updates == 4
    assert fused.figures is not None
    assert fused.figures.ratio is not None
    assert fused.figures.ratio.pairs == 4


def test_the_gate_of_long_sequences_sees_shorter_ones_and_says_so(plugin: Path) -> None:
    options = {"loss": "ctc", "outputs": 3, "labels": 20, "shortest": 40, "readout": "every"}
    request = SpeedRequest(["madeup"], sizes={"batch": ["3"], "length": ["80"], "hidden": ["5"]}, options=options)
    record, _ = hold_all(plan(request), Settings(1, 1e-9), NoStore())
    row = rows(record)["good"]
    assert row.status == "ok", row.reason
    assert row.gate is not None
    assert row.gate.length == GATE_LENGTH < row.spec.length


def test_a_contest_past_its_time_is_stopped_and_says_so(plugin: Path) -> None:
    bouts = plan(SpeedRequest(["hanging"], ["hang"], sizes={"batch": ["3"], "hidden": ["5"]}, options={"threads": 1}))
    record, well = hold_all(bouts, Settings(2, 1e-9, timeout=4), NoStore())
    assert not well
    assert rows(record)["hang"].status == "timeout"
    assert not psutil.Process().children(recursive=True)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_stopping_the_command_keeps_and_prints_what_there_is(tmp_path: Path) -> None:
    words = ["speed", "--backend", "numpy", *TINY, "--rounds", "100000", "--results", str(tmp_path)]
    command = subprocess.Popen(
        [sys.executable, "-m", "harness", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ), start_new_session=True,
    )  # fmt: skip
    workers = _wait_for_contestant(command.pid)
    command.send_signal(signal.SIGINT)
    stdout, stderr = command.communicate(timeout=30)
    assert command.returncode == 1, stderr
    assert b"interrupted: stopped by the user" in stdout
    (record,) = read_all([tmp_path]).speeds
    assert record.status == "interrupted"
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)


def _wait_for_contestant(parent: int) -> list[psutil.Process]:
    """The worker once it is a contestant: those that only tell what there is are not pinned."""
    for _ in range(600):
        workers = psutil.Process(parent).children(recursive=True)
        if workers and len(workers[0].cpu_affinity()) == 1 and "numpy" in str(workers[0].memory_maps()):
            return workers
        time.sleep(0.05)
    raise AssertionError("no contestant started")


CTC = ("--shape", "braun-bi-ctc-long", "--layers", "1", "--labels", "2")


@pytest.mark.parametrize(
    ("backend", "variant", "words"),
    [
        ("numpy", "hoisted", CTC),
        ("torch", "nn", CTC),
        ("tensorflow", "keras", ("--shortest", "2")),
        ("jax", "scan", ()),
    ],
)
def test_a_contest_of_each_backend_ends_with_a_table_plots_and_a_record(
    harness: Harness, tmp_path: Path, backend: str, variant: str, words: tuple[str, ...]
) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = harness("speed", "--backend", backend, "--variant", variant, *words, *TINY, *SHORT, "--results", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert backend in done.stdout
    assert "GFLOP/s in a large matrix product" in done.stdout
    assert ("ctc of 2 labels · lengths 2 to 4" in done.stdout) == (words is CTC)
    (record,) = read_all([tmp_path / "out"]).speeds
    assert ("labels" in record.contests[0].changed) == (words is CTC)
    for row in record.contests[0].rows:
        assert row.status == "ok", row.reason
        assert row.threads == 1
        assert row.flushes_denormals is True
        assert row.executed
        assert row.gate is not None
        assert len(row.blocks) == 4
        assert row.figures is not None
        assert row.figures.gemm_share is not None
        assert row.figures.floor_share is not None
        assert row.figures.floor_share == row.figures.floor_ms / row.figures.step_ms.median
        assert row.ready is not None
        gb_per_s = row.ready.bytes_per_step / row.figures.step_ms.median / 1e6
        roof = record.roofs["cpu"].copy_gb_per_s
        assert row.figures.copy_share == pytest.approx(gb_per_s / roof)
        # the kernel counts pages in batches per thread: two readings differ by a few hundred KiB
        assert (row.host_peak_bytes or 0) >= (row.ready.host_init_bytes or 0) - 2**20
    assert any(row.limits for row in record.contests[0].rows)
    assert any((tmp_path / "out" / "plots").glob("roofline-*.svg"))


def test_a_gpu_that_is_not_there_is_rows_with_the_reason(harness: Harness, tmp_path: Path) -> None:
    words = ["--backend", "numpy", "--variant", "textbook", "--device", "cpu,cuda", *TINY, *SHORT, "--results", "out"]
    done = harness("speed", *words)
    if done.returncode == 0:
        pytest.skip("this machine has a CUDA device and CuPy")
    assert done.returncode == 1
    assert "numpy textbook (cuda): unavailable: " in done.stdout
    (record,) = read_all([tmp_path / "out"]).speeds
    assert list(record.roofs) == ["cpu"]
    cpu, cuda = record.contests[0].rows
    assert (cpu.spec.device, cpu.status, cuda.spec.device, cuda.status) == ("cpu", "ok", "cuda", "unavailable")
    assert cpu.figures is not None
    assert cpu.figures.ratio is not None


# -- the record -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def contest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SpeedRecord]:
    """A contest over two lengths, with one that cannot run: in a folder, and as a record."""
    folder = tmp_path_factory.mktemp("speed")
    done = subprocess.run(
        [sys.executable, "-m", "harness", "speed", "--backend", "madeup", "--variant", "good,chatty,fused,raises",
         *TINY, *SHORT, "--length", "4,8", "--results", str(folder), "--json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "plugin")])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    (folder / "told.json").write_text(done.stdout)
    told = read(folder / "told.json")
    (folder / "told.json").unlink()
    assert isinstance(told, SpeedRecord)
    return folder, told


def test_the_record_is_kept_and_read_back(contest: tuple[Path, SpeedRecord], make_record: Any) -> None:
    folder, record = contest
    found = read_all([folder])
    assert found.problems == []
    assert found.speeds == [record]
    assert record.status == "failed"


def test_the_published_schema_is_the_one_in_force(contest: tuple[Path, SpeedRecord]) -> None:
    published = json.loads((ROOT / "harness" / "schema" / "speed-2.json").read_text())
    assert published == json_schema(), "regenerate: python -m harness.speedrecords > harness/schema/speed-2.json"
    jsonschema.validate(json.loads(contest[1].model_dump_json()), published)


def test_anyone_can_compute_the_figures_again(contest: tuple[Path, SpeedRecord]) -> None:
    for found in contest[1].contests:
        by_name = {row.variant: row for row in found.rows}
        fused, good = by_name["fused"], by_name["good"]
        assert fused.figures is not None
        assert fused.figures.ratio is not None
        assert fused.ready is not None
        updates = [block.seconds / block.steps for block in fused.blocks]
        pairs = [theirs.seconds / theirs.steps / ours for theirs, ours in zip(good.blocks, updates, strict=True)]
        assert fused.figures.step_ms.median == pytest.approx(1e3 * np.median(updates))
        assert fused.figures.ratio.median == pytest.approx(np.median(pairs))
        us = contest[1].roofs["cpu"].us_per_step["madeup"]
        readings = [us for row in found.rows if row.limits for us in row.limits.us_per_step]
        assert us <= min(readings, default=us)
        assert fused.figures.floor_ms == pytest.approx(us * 2 * fused.spec.length / 1e3)
        assert fused.figures.gflops == pytest.approx(fused.ready.flops_per_step / np.median(updates) / 1e9)


def test_the_table_keeps_tiers_apart_and_says_what_did_not_run(contest: tuple[Path, SpeedRecord]) -> None:
    sections = speedtable.sections(contest[1])
    assert [section.title for section in sections] == ["lstm 5, 3×4×2", "lstm 5, 3×8×2"]
    for section in sections:
        assert [row[0] for row in section.rows] == ["default", "best", "fused"]
        assert section.notes == ["madeup raises: failed: RuntimeError: something inside broke"]
    frame = speedtable.frame([contest[1]])
    assert len(frame) == 8
    assert set(speedtable.DEFAULT_COLUMNS) <= set(frame.columns)


def test_the_table_fits_120_columns(contest: tuple[Path, SpeedRecord]) -> None:
    from rich.console import Console

    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(speedtable.tables(contest[1]))
    console.file.close()
    text = console.export_text()
    assert "…" not in text
    assert "GEMM" in text
    assert "floor" in text


def test_scaling_ratios_and_a_roofline_are_drawn(contest: tuple[Path, SpeedRecord]) -> None:
    names = [drawn.name.partition("-")[0] for drawn in speedplots.figures([contest[1]])]
    assert names == ["scaling", "ratios", "roofline"]
    for drawn in speedplots.figures([contest[1]]):
        drawn.figure.draw_without_rendering()
        boxes = [axis.get_tightbbox() for axis in drawn.figure.axes]
        boxes += [legend.get_window_extent() for legend in drawn.figure.legends]
        assert all(box.x1 <= drawn.figure.bbox.x1 + 2 for box in boxes), drawn.name


def test_a_named_shape_at_several_lengths_is_one_curve_and_named_twice(contest: tuple[Path, SpeedRecord]) -> None:
    """Its shortest length and labels followed; in the roofline no name covers another."""
    record = contest[1].model_copy(update={"contests": [_as_braun(found) for found in contest[1].contests]})
    scaling, _, roofline = speedplots.figures([record])
    assert scaling.name.startswith("scaling-1")
    roofline.figure.draw_without_rendering()
    names = [text for text in roofline.figure.axes[0].texts if text.get_text() == "braun-bi-ctc-long, reduced"]
    boxes = [name.get_window_extent() for name in names]
    assert len(boxes) == 2
    assert not boxes[0].overlaps(boxes[1])


def _as_braun(contest: Contest) -> Contest:
    """The contest as if it had been held over a shape that has a shortest length."""
    length = contest.rows[0].spec.length
    shorter = {"shortest": length // 2}
    rows = [row.model_copy(update={"spec": row.spec.model_copy(update=shorter)}) for row in contest.rows]
    changed: Changes = {"length": (1000, length), "shortest": (500, length // 2)}
    return Contest(name="braun-bi-ctc-long", changed=changed, rows=rows)


def test_runs_and_contests_share_a_report_and_a_table(
    contest: tuple[Path, SpeedRecord], make_record: Any, tmp_path: Path, harness: Harness
) -> None:
    report.write(Found([make_record()], speeds=[contest[1]]), tmp_path / "report")
    for page in ("report.md", "report.html"):
        text = (tmp_path / "report" / page).read_text(encoding="utf-8")
        assert "2 speed contests in 1 call" in text
        assert "madeup raises: failed" in text
        assert contest[1].id in text
    (tmp_path / "run.json").write_text(make_record().model_dump_json())
    both = harness("table", str(contest[0]), "run.json")
    assert "adding" in both.stdout
    assert "lstm 5, 3×8×2" in both.stdout
    csv = harness("table", str(contest[0]), "--format", "csv").stdout
    assert csv.splitlines()[0].startswith("id,created,shape,backend,variant,tier")
    shown = harness("show", str(next(contest[0].glob("*.json"))))
    assert "lstm 5, 3×8×2" in shown.stdout


# -- devices side by side: made-up records, no measurement ----------------------------------------
def both_devices(sizes: list[tuple[int, int]], without: tuple[str, int, int] | None = None) -> SpeedRecord:
    """Test data: contests on both devices, hidden by batch. A GPU takes 4 ms, a CPU hidden x batch / 1024 ms."""
    found = []
    for hidden, batch in sizes:
        contestants = [
            made_contestant(backend, ms * slower, tier, device=device, hidden=hidden, batch=batch)
            for backend in ("torch", "jax")
            for device, ms in (("cpu", hidden * batch / 1024), ("cuda", 4.0))
            for tier, slower in (("default", 2), ("best", 1), ("fused", 0.5))
            if (backend, hidden, batch) != without or device == "cpu"
        ]
        found.append(contestants)
    return made_speed(*found)


SIZES_OF_BOTH = [(hidden, batch) for hidden in (32, 128, 512) for batch in (8, 64, 512)]


def test_where_the_gpu_wins_and_by_how_much() -> None:
    """By hand: at hidden 128 and batch 64 the CPU takes 8 ms, the GPU 4; fused variants do not count."""
    (grid,) = devices.grids(both_devices(SIZES_OF_BOTH, without=("jax", 512, 512)))
    assert (grid.backends, grid.hiddens, grid.batches) == (["jax", "torch"], [32, 128, 512], [8, 64, 512])
    assert {key[1:]: gain.median for key, gain in grid.gains.items() if key[0] == "torch"} == {
        (hidden, batch): pytest.approx(hidden * batch / 4096) for hidden, batch in SIZES_OF_BOTH
    }
    assert ("jax", 512, 512) not in grid.gains
    assert list(grid.wins())[1] == (
        "torch: the GPU wins at hidden 32 from batch 512 on, hidden 128 from batch 64 on, hidden 512 from batch 64 on"
    )
    assert "hidden 32 at no batch up to 64" in next(devices.grids(both_devices([(32, 8), (32, 64)]))[0].wins())


def test_one_size_or_one_device_makes_no_grid() -> None:
    assert devices.grids(both_devices([(32, 8)])) == []
    assert devices.grids(made_speed(*([made_contestant("torch", 1.0, batch=batch)] for batch in (1, 2)))) == []


def test_both_devices_are_told_apart_in_table_plots_and_report(tmp_path: Path) -> None:
    record = both_devices(SIZES_OF_BOTH, without=("jax", 512, 512))
    section, *_, gains = speedtable.sections(record)
    assert "float32 on cpu and cuda (Made-up GPU)" in section.about
    assert [row[2] for row in section.rows] == ["cpu", "cpu", "cuda", "cuda"] * 3
    assert gains.title == "GPU over CPU: lstm hidden, batch×4×2"
    assert gains.rows[4] == ["128", "64", "2 (2–2)", "2 (2–2)"]
    assert gains.rows[8] == ["512", "512", "", "64 (64–64)"]
    drawn = {figure.name.partition("-")[0]: figure for figure in speedplots.figures([record])}
    assert set(drawn) == {"scaling", "ratios", "roofline", "devices"}
    for figure in drawn.values():
        figure.figure.draw_without_rendering()
        boxes = [legend.get_window_extent() for legend in figure.figure.legends]
        assert all(box.x1 <= figure.figure.bbox.x1 + 2 for box in boxes), figure.name
    cells = [text.get_text() for axis in drawn["devices"].figure.axes for text in axis.texts]
    assert cells[:9] == ["0.0625", "0.5", "4", "0.25", "2", "16", "1", "8", "–"]
    report.write(Found(speeds=[record]), tmp_path)
    for page in ("report.md", "report.html"):
        text = (tmp_path / page).read_text(encoding="utf-8")
        assert "GPU over CPU: lstm hidden, batch×4×2" in text
        assert "hidden 128 from batch 64 on" in text
    assert any((tmp_path / "figures").glob("devices-1-*.png"))


def test_published_records_of_the_first_schema_still_read_plot_and_report(tmp_path: Path) -> None:
    found = read_all([ROOT / "results" / "published"])
    assert found.problems == []
    old = [record for record in found.speeds if not any(roof.us_per_step for roof in record.roofs.values())]
    for record in old:
        assert record.roofs["cpu"].gemm_gflops
        assert all("% floor" not in dict(section.headings) for section in speedtable.sections(record))
        assert any(drawn.name.startswith("roofline") for drawn in speedplots.figures([record]))
    report.write(Found(speeds=old), tmp_path)


# -- which variants --------------------------------------------------------------------------------
def test_all_is_what_a_device_has_and_a_variant_may_be_asked_of_one_backend() -> None:
    """Those for CUDA would be rows that can only say so."""

    def named(*variants: str, backends: tuple[str, ...] = ("numpy", "jax")) -> list[tuple[str, str]]:
        sizes = {"batch": ["3"], "length": ["4"], "features": ["2"], "hidden": ["5"]}
        (bout,) = plan(SpeedRequest(backends, variants, sizes=sizes, options={"threads": 1}))
        return [(entry.spec.backend, entry.spec.variant) for entry in bout.entries if not entry.added]

    everything = named("all")
    assert ("numpy", "hoisted") in everything
    assert ("jax", "late-dw") in everything
    assert not {("numpy", "kernels"), ("jax", "cudnn"), ("jax", "late-dw-graph")} & set(everything)
    assert named("numpy:hoisted,jax:scan") == [("numpy", "hoisted"), ("jax", "scan")]
    assert named("kernels", backends=("numpy",)) == [("numpy", "kernels")], "by name it is a row, with the reason"
    with pytest.raises(UsageError, match="unknown backend of this contest 'torch'"):
        named("torch:nn")
    with pytest.raises(UsageError, match="did you mean 'hoisted'"):
        named("numpy:hoistd")
