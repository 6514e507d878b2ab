"""What every task promises, whatever it is about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tasks
from tasks.base import Scalar, Task, TaskError

CASES: list[tuple[str, dict[str, Scalar]]] = [
    ("adding", {"length": 12}),
    ("adding", {"length": 2, "markers": "anywhere"}),
    ("copy", {"delay": 5, "symbols": 3, "alphabet": 4}),
    ("sine", {"length": 25}),
    ("sine", {"length": 21, "features": 3, "readout": "last", "noise": 0}),
    ("sequential-digits", {"order": "row"}),
    ("sequential-digits", {"order": "pixel"}),
    ("sequential-mnist", {"order": "row"}),
    ("sequential-mnist", {"order": "pixel"}),
    ("sequential-mnist", {"order": "permuted"}),
    ("sequential-mnist-14", {"order": "row"}),
    ("sequential-mnist-14", {"order": "permuted"}),
]
every_task = pytest.mark.parametrize(("name", "parameters"), CASES, ids=[f"{n}-{p}" for n, p in CASES])


@pytest.fixture(autouse=True)
def _only_data_that_is_here(data: Path | None, request: pytest.FixtureRequest) -> None:
    """Nothing is downloaded for a test: MNIST is read from a folder, or its cases are skipped."""
    case = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if data is None and str(case.get("name")).startswith("sequential-mnist") and "parameters" in case:
        pytest.skip("MNIST is not here: set HARNESS_DATA to a folder that holds mnist/")


def perfect(task: Task, y: np.ndarray) -> np.ndarray:
    return y.copy() if task.loss == "mse" else 10 * np.eye(task.outputs, dtype=np.float32)[y]


@every_task
def test_batches_have_the_declared_shapes_and_types(name: str, parameters: dict[str, Scalar]) -> None:
    task = tasks.load(name, parameters)
    for split in ("train", "validation", "test"):
        batch = task.batch(split, 1, 7)
        assert batch.x.shape == (7, task.steps_in, task.inputs)
        assert batch.x.dtype == np.float32
        positions = (7, task.steps_in) if task.readout == "every" else (7,)
        if task.loss == "mse":
            assert (batch.y.shape, batch.y.dtype) == ((*positions, task.outputs), np.float32)
        else:
            assert (batch.y.shape, batch.y.dtype) == (positions, np.int32)
            assert 0 <= batch.y.min() <= batch.y.max() < task.outputs
        assert batch.astype("float64").x.dtype == np.float64


@every_task
def test_perfect_predictions_solve_and_hopeless_ones_do_not(name: str, parameters: dict[str, Scalar]) -> None:
    task = tasks.load(name, parameters)
    test = task.batch("test", 0, 200)
    assert task.solved(task.score(perfect(task, test.y), test))
    nothing = np.zeros_like(perfect(task, test.y))
    assert not task.solved(task.score(nothing, test))
    assert not task.solved(task.score(nothing + np.nan, test))
    assert task.score_name in task.score(nothing, test)


@every_task
def test_the_baseline_names_the_main_score_and_does_not_solve(name: str, parameters: dict[str, Scalar]) -> None:
    task = tasks.load(name, parameters)
    assert task.score_name in task.baseline
    assert not task.solved(task.baseline) or parameters.get("noise") == 0
    assert all(np.isfinite(level) for level in task.landmarks.values())


@every_task
def test_held_out_splits_are_fixed_and_made_of_their_slices(name: str, parameters: dict[str, Scalar]) -> None:
    one, other = tasks.load(name, parameters, seed=1), tasks.load(name, parameters, seed=2)
    validation = one.held_out("validation")
    assert len(validation) == one.size("validation")
    np.testing.assert_array_equal(validation.x, other.held_out("validation").x)
    np.testing.assert_array_equal(validation.y[30:45], other.batch("validation", 2, 15).y)
    with pytest.raises(TaskError, match=r"validation split of \d+ has no batch 1 of"):
        one.batch("validation", 1, len(validation))


@every_task
def test_splits_seeds_and_indices_give_different_sequences(name: str, parameters: dict[str, Scalar]) -> None:
    task = tasks.load(name, parameters, seed=1)
    drawn = [task.batch("train", 0, 8), task.batch("train", 1, 8), task.batch("test", 0, 8)]
    drawn += [task.batch("validation", 0, 8), tasks.load(name, parameters, seed=2).batch("train", 0, 8)]
    assert len({batch.x.tobytes() for batch in drawn}) == len(drawn)


@given(seed=st.integers(0, 2**63 - 1), index=st.integers(0, 10**9), which=st.integers(0, 4))
@settings(max_examples=40, deadline=None)
def test_the_same_arguments_give_the_same_bits(seed: int, index: int, which: int) -> None:
    name, parameters = CASES[which]
    first = tasks.load(name, parameters, seed).batch("train", index, 3)
    again = tasks.load(name, parameters, seed).batch("train", index, 3)
    assert first.x.tobytes() == again.x.tobytes()
    assert first.y.tobytes() == again.y.tobytes()


def test_the_bits_are_those_of_the_first_release() -> None:
    batch = tasks.load("adding", {"length": 4}, seed=7).batch("train", 3, 1)
    np.testing.assert_array_equal(batch.x[0, :, 0], np.array(FIRST_RELEASE, dtype=np.float32))


FIRST_RELEASE = [0.30805153, 0.97616404, 0.9585719, 0.13449335]


@pytest.mark.parametrize("name", tasks.registry.names())
def test_presets_construct_and_fit_their_task(name: str) -> None:
    kind = tasks.registry.load(name)
    assert set(kind.presets) == {"smoke", "quick", "paper"}
    for preset in kind.presets.values():
        task = tasks.load(name, preset.parameters)
        total = task.size("train")
        assert total is None or preset.batch <= total
        assert preset.steps % preset.evaluate_every == 0
    assert kind.name == name


@pytest.mark.parametrize("name", tasks.registry.names())
def test_parameters_survive_being_written_and_parsed(name: str) -> None:
    kind = tasks.registry.load(name)
    for parameter, value in kind.defaults().items():
        parsed = kind.parse(parameter, str(value))
        assert parsed == value
        assert type(parsed) is type(value)
    assert tasks.load(name).parameters == kind.defaults()
