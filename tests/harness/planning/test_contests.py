"""``harness speed``: its words, the contests that they name, and the data that these are held on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.parameters import bytes_per_step, count
from harness.errors import UsageError
from harness.planning.contests import items, plan
from harness.presentation import contest_words
from harness.records.speed import Contest, Row
from harness.specs.shapes import BRAUN, SHAPES
from harness.specs.speed import SpeedSpec
from harness.worker.contestant import draw
from tests.conftest import Harness

FIELDS: dict[str, Any] = {
    "backend": "numpy", "threads": 1, "model": {"hidden": 5}, "batch": 3, "length": 4, "features": 2,
}  # fmt: skip


# -- words ----------------------------------------------------------------------------------------
@given(st.lists(st.lists(st.integers(1, 10**9), min_size=1), min_size=1))
def test_lists_of_numbers_are_read_once_each_in_order(lists: list[list[int]]) -> None:
    words = [", ".join(map(str, items)) for items in lists]
    assert items("length", {"length": words}) == list(dict.fromkeys(n for items in lists for n in items))


@given(st.text().filter(lambda text: not all(w.strip().isdigit() and w.strip().isascii() for w in text.split(","))))
def test_what_is_no_list_of_numbers_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="--length"):
        items("length", {"length": [text]})


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
        (["--rounds", "0"], "--rounds must be from 1 to 5,000, so that a record holds them, not 0"),
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
    contests = plan({"backend": "numpy", "shape": ["a,C"], "cell": ["lstm,gru"], "hidden": ["7,9"]})
    specs = [contest.contestants[0].spec for contest in contests]
    assert len(contests) == 8
    assert {
        (contest.name, spec.model.cell, spec.model.hidden) for contest, spec in zip(contests, specs, strict=True)
    } == {(name, cell, hidden) for name in "AC" for cell in ("lstm", "gru") for hidden in (7, 9)}
    assert {(spec.batch, spec.length, spec.features, spec.loss) for spec in specs} == {
        (64, 100, 10, "mse"), (128, 28, 28, "cross-entropy"),
    }  # fmt: skip


def test_threads_are_a_size_of_which_each_has_a_contest() -> None:
    contests = plan({"backend": "numpy", "threads": "1,2", "hidden": [7, 9]})
    specs = [contest.contestants[0].spec for contest in contests]
    assert [(spec.model.hidden, spec.threads) for spec in specs] == [(7, 1), (7, 2), (9, 1), (9, 2)]


@pytest.mark.parametrize(
    ("backend", "asked", "found"),
    [
        ("numpy", "default", [("numpy", "textbook")]),
        ("numpy", "numpy:default", [("numpy", "textbook")]),
        ("numpy", "auto,default", [("numpy", "auto"), ("numpy", "textbook")]),
        ("numpy", "default,textbook,hoisted", [("numpy", "textbook"), ("numpy", "hoisted")]),
        ("madeup", "auto,default", [("madeup", "auto")]),
    ],
)
def test_default_is_the_stock_layer_and_takes_part_once(
    plugin: Path, backend: str, asked: str, found: list[tuple[str, str]]
) -> None:
    """Where ``auto`` stands for it, one contestant is both."""
    (contest,) = plan({"backend": backend, "variant": asked, "hidden": 5})
    assert [(each.spec.backend, each.spec.variant) for each in contest.contestants] == found
    assert not any(each.added or each.reason for each in contest.contestants)


@pytest.mark.parametrize(("word", "named"), [("all", SHAPES), ("Braun", BRAUN)])
def test_every_named_shape_is_a_spec(word: str, named: dict[str, Any]) -> None:
    contests = plan({"backend": "numpy", "shape": word})
    assert [contest.name for contest in contests] == list(named)
    assert not any(contest.changed for contest in contests)


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
    assert contest_words.title(contest) == says
    assert contest_words.title(contest, brief=True) == says.partition(":")[0] + says[says.rindex(":") :]
    assert Contest.model_validate_json(contest.model_dump_json()) == contest


def contest_of(shape: str | None, asked: dict[str, Any]) -> Contest:
    """What was asked for, as a contest's record."""
    (planned,) = plan({"backend": "numpy", "variant": "textbook", "shape": shape, **asked})
    rows = [Row(spec=each.spec, status="interrupted") for each in planned.contestants]
    return Contest(name=planned.name, changed=planned.changed, rows=rows)


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
        (contest,) = plan({"backend": "tensorflow", "variant": "all", "length": 600, **options})
        return {each.spec.variant: each.reason for each in contest.contestants}

    ctc = reasons(loss="ctc", labels=2, outputs=3, precision="float64")
    assert set(ctc.values()) == {"tf.nn.ctc_loss computes in float32 only"}
    assert "traced for minutes" in (reasons()["keras-unrolled"] or "")


def test_the_stock_layer_takes_part_unasked(plugin: Path) -> None:
    def variants(*asked: str) -> list[tuple[str, bool]]:
        (contest,) = plan({"backend": "madeup", "variant": asked})
        return [(each.spec.variant, each.added) for each in contest.contestants]

    assert variants("chatty") == [("chatty", False), ("good", True)]
    assert variants("auto") == [("auto", False)], "auto is the stock layer here"
    assert variants("auto,good") == [("good", False)]
    assert ("fused", False) in variants("all")


def test_both_devices_share_a_contest_each_with_its_own_stock_layer(plugin: Path) -> None:
    (contest,) = plan({"backend": "madeup", "variant": "chatty", "device": ["cpu, cuda", "cpu"]})
    assert [(e.spec.device, e.spec.variant, e.added) for e in contest.contestants] == [
        (device, variant, added) for device in ("cpu", "cuda") for variant, added in (("chatty", False), ("good", True))
    ]
    assert contest.references == {("madeup", "cpu"): "good", ("madeup", "cuda"): "good"}
    assert len({json.dumps(each.spec.shape()) for each in contest.contestants}) == 1


def test_a_variant_that_one_backend_lacks_is_a_row_that_says_so(plugin: Path) -> None:
    (contest,) = plan({"backend": ["madeup", "numpy"], "variant": "chatty"})
    reasons = {each.spec.backend: each.reason for each in contest.contestants if not each.added}
    assert reasons["madeup"] is None
    assert (reasons["numpy"] or "").startswith("numpy has no such variant; it has ")


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
    """LSTM, B3 T4 D2 H5: parameters with moments and gradients, the input; h, c and gates, forward and backward."""
    model = SpeedSpec.model_validate(FIELDS).job().model
    assert bytes_per_step(model, 3, 4, "float32", "adam") == 4 * (8 * count(model) + 3 * 4 * (2 + 2 * 6 * 5))
    narrow = 4 * (8 * count(model) + 3 * 4 * 2) + 2 * (3 * 4 * 2 * 6 * 5)
    assert bytes_per_step(model, 3, 4, "bfloat16", "adam") == narrow
    assert bytes_per_step(model, 3, 4, "float64", "sgd") == 8 * (4 * count(model) + 3 * 4 * (2 + 2 * 6 * 5))


# -- which variants --------------------------------------------------------------------------------
def test_all_is_what_a_device_has_and_a_variant_may_be_asked_of_one_backend() -> None:
    """Those for CUDA would be rows that can only say so."""

    def named(*variants: str, backends: tuple[str, ...] = ("numpy", "jax")) -> list[tuple[str, str]]:
        sizes = {"batch": 3, "length": 4, "features": 2, "hidden": 5}
        (contest,) = plan({"backend": backends, "variant": variants, "threads": 1, **sizes})
        return [(each.spec.backend, each.spec.variant) for each in contest.contestants if not each.added]

    everything = named("all")
    assert ("numpy", "hoisted") in everything
    assert ("jax", "deferred-dw") in everything
    assert not {("numpy", "kernels"), ("jax", "cudnn"), ("jax", "deferred-dw-graph")} & set(everything)
    assert named("numpy:hoisted,jax:scan") == [("numpy", "hoisted"), ("jax", "scan")]
    assert named("kernels", backends=("numpy",)) == [("numpy", "kernels")], "by name it is a row, with the reason"
    assert named("halves,parts,numpy:halves", backends=("numpy",)) == [("numpy", "parts")], "by its former name, once"
    with pytest.raises(UsageError, match="unknown backend of this contest 'torch'"):
        named("torch:nn")
    with pytest.raises(UsageError, match="did you mean 'hoisted'"):
        named("numpy:hoistd")
