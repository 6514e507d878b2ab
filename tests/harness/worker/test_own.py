"""A model of a user's own in the worker: which backend it is for, and what is looked at before the clock."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backends
from backends import own_cell
from backends.job import Array, Job, ModelSpec, OptimizerSpec
from backends.own import OWN, OwnModel
from backends.synthetic import random_batches
from harness.errors import RunFailed
from harness.worker.own import MODULE, WrongBackward, defined, explained_after_gate, inspected, pass_gate
from tasks.base import Batch
from tests.conftest import ROOT

MODELS = ROOT / "tests" / "fixtures" / "own"
FILES = {"torch": "torch_models.py", "jax": "jax_models.py", "tensorflow": "keras_models.py"}


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    sys.modules.pop(MODULE, None)


def job(backend: str, name: str, readout: Any = "every", **changes: Any) -> Job:
    """A small job of a model in this folder's files."""
    pytest.importorskip(backend)
    model = ModelSpec(OWN, 3, 4, 2, readout)  # type: ignore[arg-type]
    own = OwnModel(defined(MODELS / FILES[backend], name), name, 1)
    of = Job(model, "mse", OptimizerSpec(lr=0.01), batch=5, length=6, variant=OWN, own=own, **changes)
    if backend == "torch":
        backends.load(backend).start(of)  # its threads are looked at
    return of


def drawn(of: Job) -> Any:
    def draw(index: int, size: int) -> Batch:
        (batch,) = random_batches(of.resized(size), 1, [0, index])
        return batch

    return draw


def job_of_a_cell(backend: str, name: str, **changes: Any) -> Job:
    """A small job of a cell that is for every framework."""
    pytest.importorskip(backend)
    own = OwnModel(defined(MODELS / "cells.py", name), name, 1)
    return replace(job("torch", "Mean", **changes), own=own)


def job_of_a_package(package: str, name: str) -> Job:
    """A small job of a model of another package than JAX's own."""
    pytest.importorskip(package)
    return replace(job("jax", "Scan"), own=OwnModel(defined(MODELS / f"{package}_models.py", name), name, 1))


def losses_of(of: Job, backend: str) -> Array:
    """Losses of four updates, two of them at a time."""
    trainer = backends.load(backend).trainer(of, {})
    batches = [drawn(of)(index, of.batch).astype(of.dtype) for index in range(4)]
    return np.concatenate([trainer.train(trainer.stage(batches[:2])), trainer.train(trainer.stage(batches[2:]))])


@pytest.mark.parametrize(("backend", "name"), [("torch", "Mean"), ("jax", "Scan"), ("tensorflow", "Stack")])
def test_a_model_is_held_to_its_own_reference_and_repeats_itself(backend: str, name: str) -> None:
    of = job(backend, name, precision="float64")
    assert inspected(str(MODELS / FILES[backend]), name).backends == [backend]
    backends.load(backend).start(of)
    gate = pass_gate(backends.load(backend), of, drawn(of))
    assert gate is not None
    assert gate.passed
    assert gate.prediction_distance is not None
    assert 0 < gate.prediction_distance < 1e-9
    assert gate.loss_distance is gate.parameter_distance is None
    first = losses_of(of, backend)
    np.testing.assert_array_equal(first, losses_of(of, backend))
    assert not np.array_equal(first, losses_of(replace(of, own=replace(of.own, seed=2)), backend))


@pytest.mark.parametrize(("backend", "name"), [("torch", "Unlike")])
def test_one_that_is_far_from_its_own_reference_does_not_pass(backend: str, name: str) -> None:
    of = job(backend, name, "last")
    gate = pass_gate(backends.load(backend), of, drawn(of))
    assert gate is not None
    assert not gate.passed


@pytest.mark.parametrize(
    ("backend", "variable", "parameter"),
    [("torch", False, "head.bias"), ("torch", True, "head.bias"), ("jax", True, "parameters"),
     ("tensorflow", True, "bias")],
)  # fmt: skip
def test_one_without_a_reference_is_compared_with_nothing(backend: str, variable: bool, parameter: str) -> None:
    of = job(backend, "Last", "last", variable=variable, accumulate=5 if backend == "torch" else 1)
    assert pass_gate(backends.load(backend), of, drawn(of)) is None
    trainer = backends.load(backend).trainer(of, {})
    batch = drawn(of)(0, of.batch).astype(of.dtype)
    once, again = (trainer.predict(batch.x, batch.lengths) for _ in range(2))
    np.testing.assert_array_equal(once, again)  # dropout is for training alone
    assert list(trainer.parameters())[-1].endswith(parameter)
    assert trainer.executed(batch)


def test_modules_of_equinox_train_on_jax() -> None:
    of = job_of_a_package("equinox", "Scan")
    gate = pass_gate(backends.load("jax"), of, drawn(of))
    assert gate is not None
    assert gate.passed
    assert next(iter(backends.load("jax").trainer(of, {}).parameters())) == "into.weight"


def test_modules_of_flax_nnx_train_on_jax() -> None:
    of = job_of_a_package("flax", "Scan")
    assert pass_gate(backends.load("jax"), of, drawn(of)) is None
    np.testing.assert_array_equal(losses_of(of, "jax"), losses_of(of, "jax"))
    of = job_of_a_package("flax", "Drops")
    with pytest.raises(RunFailed, match="Drops has a Dropout, which changes more than parameters"):
        pass_gate(backends.load("jax"), of, drawn(of))


@pytest.mark.parametrize("backend", ["torch", "jax", "tensorflow"])
@pytest.mark.parametrize(("name", "changes"), [("Minimal", {"readout": "last"}), ("Two", {"variable": True})])
def test_one_step_is_a_cell_in_every_framework_and_in_the_reference(
    backend: str, name: str, changes: dict[str, Any]
) -> None:
    found = inspected(str(MODELS / "cells.py"), name)
    by_themselves = {"torch", "jax", "tensorflow"}
    assert set(found.backends) == by_themselves | ({"numpy"} if name == "Minimal" else set())  # it brings its backward
    assert found.lacking == ([] if name == "Minimal" else ["numpy"])
    of = job_of_a_cell(backend, name, **changes)
    gate = pass_gate(backends.load(backend), of, drawn(of))
    assert gate is not None
    assert gate.passed
    trained = backends.load(backend).trainer(of, {}).parameters()
    assert sorted(trained)[-2:] == ["head.W", "head.b"]
    start = own_cell.parameters(of.own, of.model)  # type: ignore[arg-type]
    for drawn_one, array in start.items():
        np.testing.assert_array_equal(trained[drawn_one], array.astype(of.dtype))


@pytest.mark.parametrize(("variable", "accumulate"), [(False, 1), (True, 5)])
def test_numpy_holds_the_backward_pass_of_a_cell_to_differences(variable: bool, accumulate: int) -> None:
    of, numpy = job_of_a_cell("numpy", "Minimal", variable=variable, accumulate=accumulate), backends.load("numpy")
    gate = pass_gate(numpy, of, drawn(of))
    assert gate is not None
    assert gate.passed
    assert gate.gradient_distance is not None
    assert 0 < gate.gradient_distance < 1e-8
    of = job_of_a_cell("numpy", "Backwards", variable=variable, accumulate=accumulate)
    with pytest.raises(WrongBackward, match=r"a gradient of Uf that is 2\.0e\+00 from central differences of") as told:
        pass_gate(numpy, of, drawn(of))
    gate = told.value.gate
    assert (gate.passed, gate.steps, gate.prediction_distance) == (False, 0, None)
    assert gate.gradient_distance == pytest.approx(2)


@pytest.mark.parametrize(
    ("name", "says"),
    [("Wide", r"step of Wide returned a state of shape \(4, 8\); wanted is that before it, \(4, 4\)"),
     ("Unnamed", "initial of Unnamed is to return a dict of arrays by name")],
)  # fmt: skip
def test_what_is_no_cell_says_why(name: str, says: str) -> None:
    of = job_of_a_cell("torch", name)
    with pytest.raises(RunFailed, match=says):
        pass_gate(backends.load("torch"), of, drawn(of))


BAD = {
    (
        "torch",
        "WrongShape",
    ): r"WrongShape returned the shape \(4, 6, 0\) for x of shape \(4, 6, 3\); wanted is \(4, 6, 2\)",
    ("torch", "NoTensor"): "NoTensor returned a tuple; wanted is a tensor",
    ("torch", "Nan"): "what Nan predicts at the start is not finite: .* in 48 of 48 numbers",
    ("torch", "Raises"): r"Raises cannot be trained: RuntimeError: sizes do not match \(torch_models.py, line \d+\)$",
    ("torch", "Detached"): "Detached trains nothing: no parameter has a part",
    ("torch", "Frozen"): "Frozen trains nothing: it has no parameters",
    ("torch", "Idle"): "Idle trains nothing: after 3 updates all its parameters are as before",
    ("torch", "Greedy"): "Greedy wants 'dropout'",
    ("torch", "Threads"): r"Threads set 2 threads where the spec says 1: leave torch\.set_num_threads out",
    ("jax", "WrongShape"): r"WrongShape returned the shape \(4, 6, 0\) for x of shape \(4, 6, 3\); wanted is",
    ("jax", "NoArray"): "NoArray returned a tuple; wanted is an array",
    ("jax", "Nan"): "what Nan predicts at the start is not finite",
    ("jax", "Raises"): r"Raises cannot be trained: TypeError: .* \(jax_models.py, line \d+\)$",
    ("jax", "Whole"): r"init of Whole returned head of type int\d\d, which has no gradient",
    ("jax", "Nothing"): "Nothing trains nothing: init returned no arrays",
    ("jax", "Idle"): "Idle trains nothing: after 3 updates",
    ("tensorflow", "WrongShape"): r"WrongShape returned the shape \(4, 6, 0\) for x of shape \(4, 6, 3\); wanted is",
    ("tensorflow", "Raises"): r"Raises cannot be trained: RuntimeError: .* \(keras_models.py, line \d+\)$",
    ("tensorflow", "Idle"): "Idle trains nothing: after 3 updates",
}


@pytest.mark.parametrize(("backend", "name"), BAD)
def test_what_cannot_be_trained_says_why_in_one_line(backend: str, name: str) -> None:
    of = job(backend, name)
    with pytest.raises(RunFailed, match=BAD[backend, name]) as refused:
        pass_gate(backends.load(backend), of, drawn(of))
    assert "\n" not in str(refused.value)


def test_outputs_of_the_last_step_of_padded_sequences_are_refused() -> None:
    of = job("torch", "LastOfPadding", "last", variable=True)
    with pytest.raises(RunFailed, match="reads out padding"):
        pass_gate(backends.load("torch"), of, drawn(of))


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ("import nowhere", "Mine", "ModuleNotFoundError: No module named 'nowhere' (m.py, line 1)"),
        ("x = 1\ndef f(:\n", "Mine", "SyntaxError: invalid syntax (m.py, line 2)"),
        ("import sys\nsys.exit(3)", "Mine", "m.py cannot be imported: SystemExit: 3 (m.py, line 2)"),
        ("class Mine: ...", "", "m.py has no functions init and apply, or initial and step: say what"),
        ("class Mine: ...", "Mien", "unknown name in m.py 'Mien'; did you mean 'Mine'"),
        ("class Mine: ...", "Mine", "Mine of m.py is a class, and no model: one is a class of torch.nn.Module"),
        ("Mine = 3", "Mine", "Mine of m.py is of type int, and no model"),
        ("class M: ...\nM.__module__ = 'flax.linen.module'\nclass Mine(M): ...", "Mine", "of Flax's linen, which is"),
    ],
)  # fmt: skip
def test_a_file_that_defines_no_model_says_why_in_one_line(tmp_path: Path, text: str, name: str, says: str) -> None:
    file = tmp_path / "m.py"
    file.write_text(text)
    problem = inspected(str(file), name).problem
    assert problem is not None
    assert says in problem
    assert problem.count("(m.py") <= 1
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        ("ValueError('late')", "Mine failed: ValueError: late (m.py, line 2)"),
        ("SystemExit(3)", "Mine failed: SystemExit: 3 (m.py, line 2)"),
        ("KeyboardInterrupt", "Mine failed: KeyboardInterrupt: no reason given (m.py, line 2)"),
    ],
)
def test_what_a_model_raises_after_the_gate_has_the_line_of_its_file(tmp_path: Path, raised: str, says: str) -> None:
    file = tmp_path / "m.py"
    file.write_text(f"def Mine():\n    raise {raised}\n")
    of = replace(job("torch", "Mean"), own=OwnModel(defined(file, "Mine"), "Mine", 1))
    with pytest.raises(RunFailed) as told, explained_after_gate(of):
        of.own.definition()  # type: ignore[union-attr]
    assert str(told.value) == says
    with pytest.raises((ValueError, SystemExit, KeyboardInterrupt)), explained_after_gate(replace(of, own=None)):
        of.own.definition()  # type: ignore[union-attr]


def test_a_file_of_two_functions_is_a_model_itself() -> None:
    pytest.importorskip("jax")
    assert inspected(str(MODELS / FILES["jax"]), "").backends == ["jax"]


def test_a_file_that_changed_since_it_was_planned_is_not_run(tmp_path: Path) -> None:
    file = tmp_path / "m.py"
    file.write_text("raise SystemExit")
    with pytest.raises(RunFailed, match=r"m\.py was changed after this was planned"):
        defined(file, "Mine", "0" * 64)
