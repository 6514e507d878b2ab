"""A cell of a user's own passes the public suite on every backend; its reference is finite differences of its step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

import backends
from backends import own_cell, reference
from backends.base import Unsupported
from backends.conformance import BackendConformance, a_job, a_sequence_job, assert_close, some_batches, train
from backends.job import Array, Job, ModelSpec, OptimizerSpec, Parameters, micro_batches
from backends.own import OWN, OwnModel, OwnModelError
from tasks.base import Batch
from tests.fixtures.own.cells import Minimal, Paired
from tests.fixtures.suites import suite

OF = OwnModel(Minimal, "Minimal", 1)
#: Weights of the central difference of five points, whose error is of the fourth order in its step.
STENCIL = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}
STEP = 1e-3
ROUNDING = 1e-12
Gradients = tuple[float, Parameters]


class Outputs(NamedTuple):
    outputs: Array


class Differences:
    """What ``backends.reference`` gives, from the cell's step alone: gradients are differences of the loss."""

    def __init__(self, own: OwnModel = OF) -> None:
        self.own = own
        self.known: dict[Any, Gradients] = {}  # every backend asks for the same ones

    def forward(self, model: ModelSpec, p: Parameters, x: Array, lengths: Array | None = None) -> Outputs:
        outputs = own_cell.reference(self.own, model)(p, x.astype(np.float64))
        if model.readout == "every":
            return Outputs(outputs)
        ends = np.full(len(x), x.shape[1]) if lengths is None else lengths
        return Outputs(outputs[np.arange(len(x)), ends - 1])

    def loss(self, job: Job, p: Parameters, batch: Batch) -> float:
        lengths = batch.lengths if job.model.readout == "every" else None
        outputs = self.forward(job.model, p, batch.x, batch.lengths).outputs
        return reference.loss_and_gradient(job.loss, outputs, batch.y, lengths, job.label_smoothing)[0]

    def loss_and_gradients(self, job: Job, p: Parameters, batch: Batch) -> Gradients:
        arrays = [*p.values(), batch.x, batch.y, *([] if batch.lengths is None else [batch.lengths])]
        key = job.model, job.loss, job.label_smoothing, job.accumulate, *(array.tobytes() for array in arrays)
        if key not in self.known:
            self.known[key] = self._loss_and_gradients(job, p, batch)
        loss, grads = self.known[key]
        return loss, dict(grads)

    def _loss_and_gradients(self, job: Job, p: Parameters, batch: Batch) -> Gradients:
        if job.accumulate > 1:
            found = [self.loss_and_gradients(job.micro, p, each) for each in micro_batches(job, batch)]
            grads = {name: sum(each[name] for _, each in found) / len(found) for name in p}
            return sum(loss for loss, _ in found) / len(found), grads
        grads = {name: np.zeros(array.shape) for name, array in p.items()}
        for name, array in p.items():
            for place in np.ndindex(array.shape):
                for times, weight in STENCIL.items():
                    moved = array.astype(np.float64)
                    moved[place] += times * STEP
                    grads[name][place] += weight * self.loss(job, {**p, name: moved}, batch) / STEP
            # rounding, of which Adam would make a step where there is no gradient, as of U with one step
            grads[name][abs(grads[name]) < ROUNDING] = 0
        return self.loss(job, p, batch), grads

    def train(self, job: Job, parameters: Parameters, batches: list[Batch]) -> tuple[list[float], Parameters]:
        p = {name: array.astype(np.float64) for name, array in parameters.items()}
        optimizer, losses = reference.Optimizer(job.optimizer, p), []
        for batch in batches:
            loss, grads = self.loss_and_gradients(job, p, batch)
            losses.append(loss)
            p = optimizer.update(p, grads)
        return losses, p


class OwnCellConformance(BackendConformance):
    """The suite for one cell, which has one layer and one direction: what needs more is skipped, by name."""

    cells: ClassVar = (OWN,)
    reference: ClassVar = Differences()
    networks: ClassVar = (0, 1)  # in one layer and one direction the others are these again
    cases: ClassVar = (0, 1, 2, 3, 6)

    @classmethod
    def job(cls, cell: Any = OWN, network: int = 0, **changes: Any) -> Job:
        del cell
        return _of_the_cell(a_job("lstm", network, **changes))

    @classmethod
    def sequence_job(cls, case: int, **changes: Any) -> Job:
        return _of_the_cell(a_sequence_job(case, **changes))

    @classmethod
    def usual(cls, *preferred: Any) -> Any:
        del preferred
        return OWN

    def start_of(self, job: Job) -> Parameters:
        return own_cell.parameters(OF, job.model)

    def shapes_of(self, job: Job) -> dict[str, tuple[int, ...]]:
        return {name: array.shape for name, array in self.start_of(job).items()}

    def able(self, job: Job) -> Job:
        if job.model.layers > 1 or job.model.bidirectional:
            pytest.skip("a cell of a user's own has one layer and one direction")
        return super().able(job)

    def dropout_job(self, variant: str, precision: Any) -> Job:
        pytest.skip("dropout is between layers, and a cell of a user's own has one layer")


def _of_the_cell(job: Job) -> Job:
    return replace(job, model=replace(job.model, cell=OWN, layers=1, bidirectional=False), own=OF)  # type: ignore[arg-type]


class Compiled(OwnCellConformance):
    """Without the tests of the update rule alone, whose lines are those that the harness's cells are trained by."""

    test_every_update_rule_is_the_one_printed = None  # type: ignore[assignment]
    test_weight_decay_is_the_one_printed = None  # type: ignore[assignment]
    test_every_rule_takes_the_rate_of_its_update = None  # type: ignore[assignment]
    test_adamw_without_weight_decay_is_adam = None  # type: ignore[assignment]
    test_clipping_by_value_is_of_each_element = None  # type: ignore[assignment]


TestNumpy, TestTorch = (suite(name, OwnCellConformance) for name in ("numpy", "torch"))
TestTensorflow, TestJax = (suite(name, Compiled) for name in ("tensorflow", "jax"))


@pytest.mark.parametrize("cell", [Minimal, Paired])
def test_what_people_train_with_may_be_combined_in_numpy(cell: Any) -> None:
    """Lengths, smoothed labels, micro-batches, AdamW and a changing rate in one job."""
    rule = OptimizerSpec("adamw", 0.05, weight_decay=0.1, schedule="cosine", warmup=1, updates=4)
    job = _of_the_cell(a_job("lstm", 1, precision="float64", optimizer=rule, batch=4, accumulate=2, variable=True))
    job = replace(job, label_smoothing=0.1, own=OwnModel(cell, "Mine", 1))
    assert job.own is not None
    p, batches = own_cell.parameters(job.own, job.model), some_batches(job, 3)
    trainer = backends.load("numpy").trainer(job, p)
    losses = train(trainer, job, batches)
    expected_losses, after = Differences(job.own).train(job, p, batches)
    assert losses == pytest.approx(expected_losses, rel=1e-9)
    assert_close(trainer.parameters(), after, 1e-9, "parameter")


def test_what_numpy_does_not_train_it_refuses() -> None:
    numpy, job = backends.load("numpy"), _of_the_cell(a_job())
    alone = OwnModel(type("Alone", (), {"initial": Minimal.initial, "step": Minimal.step}), "Alone", 1)
    assert not numpy.trains(alone.definition)
    with pytest.raises(Unsupported, match="Alone brings no backward pass: add a function backward"):
        numpy.trainer(replace(job, own=alone), {})
    deep = replace(job, model=replace(job.model, layers=2))
    with pytest.raises(OwnModelError, match="Minimal takes no 'layers'"):
        numpy.trainer(deep, {})
    with pytest.raises(Unsupported, match=r"CuPy|on the CPU alone"):
        numpy.trainer(replace(job, device="cuda"), {})


def wrong(change: Any) -> OwnModel:
    """The cell with what its ``backward`` gives changed."""
    changed = type("Wrong", (Minimal,), {"backward": lambda *given: change(*Minimal.backward(*given))})
    return OwnModel(changed, "Wrong", 1)


@pytest.mark.parametrize(
    ("change", "apart"),
    [
        (lambda p, x, h: (p, x, h), set()),
        (lambda p, x, h: ({**p, "Uf": p["Uf"] * 1.001}, x, h), {"Uf"}),
        (lambda p, x, h: (p, x[::-1], h), {"the input"}),
        (lambda p, x, h: (p, x, -h), {"the state"}),
    ],
)
def test_a_gradient_that_is_not_the_steps_is_far_from_its_differences(change: Any, apart: set[str]) -> None:
    own, x = wrong(change), some_batches(_of_the_cell(a_job()), 1)[0].x
    model = _of_the_cell(a_job()).model
    found = own_cell.gradients_apart(own, model.hidden, own_cell.parameters(own, model), x)
    assert list(found) == ["U", "Uf", "W", "Wf", "b", "the input", "the state"]
    assert {name for name, far in found.items() if far > own_cell.GRADIENT_TOLERANCE} == apart
    assert max(far for name, far in found.items() if name not in apart) < 1e-8


def test_a_kink_near_by_and_several_states_are_no_mistake() -> None:
    """Elements of exactly 2e-6 are within the first difference's reach of a kink at zero, and not of the last's."""

    class Kinked:
        states = 2

        def initial(rng, inputs, hidden):  # type: ignore[no-untyped-def] # noqa: N805
            return {"w": np.full((inputs, hidden), 2e-6)}

        def step(xp, p, x, state):  # type: ignore[no-untyped-def] # noqa: N805
            h, c = state
            return h + xp.relu(p["w"][:1]) * c, c + x[:, :1]

        def backward(xp, p, x, state, d_state):  # type: ignore[no-untyped-def] # noqa: N805
            (_, c), (dh, dc) = state, d_state
            d_w, d_x = np.zeros_like(p["w"]), np.zeros_like(x)
            d_w[0], d_x[:, 0] = (dh * c * (p["w"][:1] > 0)).sum(0), dc.sum(1)
            return {"w": d_w}, d_x, (dh, dc + dh * xp.relu(p["w"][:1]))

    own, job = OwnModel(Kinked, "Kinked", 1), _of_the_cell(a_job())
    found = own_cell.gradients_apart(own, 4, own_cell.parameters(own, job.model), some_batches(job, 1)[0].x)
    assert list(found) == ["w", "the input", "state 1", "state 2"]
    assert max(found.values()) < own_cell.GRADIENT_TOLERANCE


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p, x, h: p, "backward of Wrong is to return three things: a dict of the parameters' gradients"),
        (
            lambda p, x, h: ({**p, "b": p["b"][None]}, x, h),
            r"a gradient of b of shape \(1, 4\); wanted is its own, \(4,\)",
        ),
        (lambda p, x, h: ({"U": p["U"]}, x, h), "backward of Wrong gives no gradient of Uf"),
    ],
)
def test_what_is_no_backward_pass_says_why(change: Any, says: str) -> None:
    job = replace(_of_the_cell(a_job()), own=wrong(change))
    trainer = backends.load("numpy").trainer(job, {})
    with pytest.raises(OwnModelError, match=says):
        train(trainer, job, some_batches(job, 1))
