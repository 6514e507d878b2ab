"""The public test suite of a backend: subclass ``BackendConformance`` in a test file, and pass.

    from backends.conformance import BackendConformance
    from my_package import MyBackend

    class TestMyBackend(BackendConformance):
        backend = MyBackend()

Needs pytest. Every variant of every cell is held against ``backends.reference``, layer by layer
count, one way and both ways, to 1e-9 relatively in float64 and 1e-4 in float32.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from backends import reference
from backends.base import CELLS, Backend, Job, ModelSpec, OptimizerSpec, Parameters, Precision, Trainer, Unsupported
from backends.parameters import InitialisationSpec, initial, shapes
from tasks.base import Batch, Loss, Readout

TOLERANCE: dict[Precision, float] = {"float64": 1e-9, "float32": 1e-4}
B, T, D, H, OUTPUTS = 5, 6, 3, 4, 3

#: (layers, bidirectional, readout, loss): each shape of network once, each readout and loss twice.
NETWORKS: list[tuple[int, bool, Readout, Loss]] = [
    (1, False, "last", "mse"),
    (1, True, "every", "cross-entropy"),
    (2, False, "every", "cross-entropy"),
    (2, True, "last", "mse"),
]


def a_job(cell: Any = "lstm", network: int = 0, **changes: Any) -> Job:
    """A small job."""
    layers, bidirectional, readout, loss = NETWORKS[network]
    model = ModelSpec(cell, D, H, OUTPUTS, readout, layers, bidirectional)
    job = Job(model, loss, OptimizerSpec(lr=0.01), batch=B, length=T, threads=2)
    return replace(job, **changes)


def some_batches(job: Job, count: int) -> list[Batch]:
    """Random batches for ``job``, float64; the same ones every time."""
    rng = np.random.default_rng(count)
    places = (job.batch, job.length) if job.model.readout == "every" else (job.batch,)

    def y() -> Any:
        if job.loss == "mse":
            return rng.standard_normal((*places, job.model.outputs))
        return rng.integers(0, job.model.outputs, places).astype(np.int32)

    return [Batch(rng.standard_normal((job.batch, job.length, job.model.inputs)), y()) for _ in range(count)]


def start(job: Job) -> Parameters:
    """Initial parameters with non-zero biases, so that no bias can be forgotten unseen."""
    rng = np.random.default_rng(7)
    parameters = initial(job.model, InitialisationSpec(), seed=1)
    return {name: p + 0.1 * rng.standard_normal(p.shape) for name, p in parameters.items()}


def train(trainer: Trainer, job: Job, batches: list[Batch]) -> Any:
    """Losses of training on ``batches`` in one chunk."""
    return trainer.train(trainer.stage([batch.astype(job.precision) for batch in batches]))


def assert_close(ours: Parameters, theirs: Parameters, tolerance: float, what: str) -> None:
    """Array by array, ‖ours − theirs‖ ≤ tolerance · ‖theirs‖."""
    assert list(ours) == list(theirs), "parameters in canonical order"
    for name, expected in theirs.items():
        assert ours[name].shape == expected.shape, name
        off = np.linalg.norm(ours[name] - expected) / np.maximum(np.linalg.norm(expected), 1e-12)
        assert off <= tolerance, f"{what} {name}: {off:.1e} from the reference, relatively"


class BackendConformance:
    """What every backend must do. Subclasses set ``backend``."""

    backend: ClassVar[Backend]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def started(cls) -> None:
        """The backend's settings in force, once."""
        cls.backend.start(a_job(precision="float64"))

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test per variant, cell, network and precision, where a test asks for them.

        A test that asks for no precision gets each variant's widest, as ``widest``.
        """
        wanted = metafunc.fixturenames
        cells = CELLS if "cell" in wanted else ("lstm",)
        found = [
            (cell, variant.name, precision)
            for cell in cells
            for variant in self.backend.variants(a_job(cell).model, "cpu")
            if variant.reason is None
            for precision in sorted(variant.precisions, reverse=True)[: None if "precision" in wanted else 1]
        ]
        columns = [("cell", 0), ("variant", 1), ("precision", 2), ("widest", 2)]
        asked = [(name, index) for name, index in columns if name in wanted]
        if "variant" in wanted:
            rows = [tuple(row[index] for _, index in asked) for row in found]
            metafunc.parametrize([name for name, _ in asked], rows)
        if "network" in wanted:
            names = [f"{n[0]}{'x2' if n[1] else ''}-{n[2]}" for n in NETWORKS]
            metafunc.parametrize("network", range(len(NETWORKS)), ids=names)

    def test_loss_and_gradients_agree_with_the_reference(
        self, cell: str, variant: str, network: int, precision: Precision
    ) -> None:
        """After one SGD step the change of the parameters is the gradient. A large rate drowns rounding."""
        lr = 1e4
        job = a_job(cell, network, variant=variant, precision=precision, optimizer=OptimizerSpec("sgd", lr, clip=None))
        p, batches = start(job), some_batches(job, 1)
        trainer = self.backend.trainer(job, p)
        losses = train(trainer, job, batches)
        loss, expected = reference.loss_and_gradients(job, p, batches[0])
        assert losses == pytest.approx([loss], rel=TOLERANCE[precision])
        gradients = {name: (p[name] - after) / lr for name, after in trainer.parameters().items()}
        assert_close(gradients, expected, TOLERANCE[precision], "gradient of")

    def test_parameters_after_20_adam_steps_agree_with_the_reference(
        self, cell: str, variant: str, network: int, precision: Precision
    ) -> None:
        job = a_job(cell, network, variant=variant, precision=precision)
        p, batches = start(job), some_batches(job, 20)
        trainer = self.backend.trainer(job, p)
        losses = train(trainer, job, batches)
        expected_losses, expected = reference.train(job, p, batches)
        assert losses == pytest.approx(expected_losses, rel=TOLERANCE[precision])
        assert_close(trainer.parameters(), expected, TOLERANCE[precision], "parameter")
        assert all(array.dtype == precision for array in trainer.parameters().values())

    @pytest.mark.parametrize("name", ["adam", "rmsprop", "sgd"])
    @pytest.mark.parametrize("clip", [0.05, 1e6, None], ids=["clipped", "below-clip", "unclipped"])
    def test_every_update_rule_is_the_one_printed(self, name: Any, clip: float | None) -> None:
        job = a_job("gru", 0, precision="float64", optimizer=OptimizerSpec(name, 0.01, clip))
        p, batches = start(job), some_batches(job, 5)
        trainer = self.backend.trainer(job, p)
        train(trainer, job, batches)
        assert_close(trainer.parameters(), reference.train(job, p, batches)[1], 1e-9, name)

    @pytest.mark.parametrize(("batch", "length"), [(1, T), (B, 1)], ids=["one-sequence", "one-step"])
    def test_smallest_shapes(self, variant: str, widest: Precision, batch: int, length: int) -> None:
        job = a_job("lstm", 0, variant=variant, precision=widest, batch=batch, length=length)
        p, batches = start(job), some_batches(job, 2)
        trainer = self.backend.trainer(job, p)
        train(trainer, job, batches)
        assert_close(trainer.parameters(), reference.train(job, p, batches)[1], TOLERANCE[widest], "parameter")

    @pytest.mark.parametrize("shape", [1, 3], ids=["every", "last"])
    def test_prediction_is_the_models_output_and_changes_nothing(
        self, cell: str, variant: str, widest: Precision, shape: int
    ) -> None:
        job = a_job(cell, shape, variant=variant, precision=widest)
        p, x = start(job), some_batches(job, 1)[0].x
        trainer = self.backend.trainer(job, p)
        before, predicted = trainer.parameters(), trainer.predict(x.astype(widest))
        expected = reference.forward(job.model, p, x).outputs
        np.testing.assert_allclose(predicted, expected, rtol=TOLERANCE[widest], atol=TOLERANCE[widest] / 100)
        assert_close(trainer.parameters(), before, 0.0, "parameter")

    def test_a_chunk_equals_its_parts_and_a_second_run_the_first(self, variant: str) -> None:
        """The second law of ``Trainer``, and determinism, both to the last bit."""
        job = a_job("lstm", 0, variant=variant, precision="float32")
        batches = some_batches(job, 6)
        whole, parts, again = (self.backend.trainer(job, start(job)) for _ in range(3))
        losses = train(whole, job, batches)
        in_parts = np.concatenate([train(parts, job, batches[:2]), train(parts, job, batches[2:])])
        np.testing.assert_array_equal(in_parts, losses)
        np.testing.assert_array_equal(train(again, job, batches), losses)
        assert_close(parts.parameters(), whole.parameters(), 0.0, "parameter")

    def test_nothing_compiles_in_the_steady_state(self, variant: str) -> None:
        job = a_job("lstm", 0, variant=variant)
        trainer = self.backend.trainer(job, start(job))
        batches = some_batches(job, 4)
        x = batches[0].astype(job.precision).x
        train(trainer, job, batches[:1])
        trainer.predict(x)
        compiled = trainer.compilations()
        train(trainer, job, batches[1:])
        trainer.predict(x)
        assert trainer.compilations() == compiled

    def test_looking_at_what_executed_finds_something_and_changes_nothing(self, variant: str) -> None:
        job = a_job("lstm", 0, variant=variant)
        trainer = self.backend.trainer(job, start(job))
        batch = some_batches(job, 1)[0].astype(job.precision)
        before = trainer.parameters()
        assert trainer.executed(batch).strip()
        assert_close(trainer.parameters(), before, 0.0, "parameter")

    def test_parameters_are_copies_in_the_canonical_layout(self, cell: str, variant: str, widest: Precision) -> None:
        job = a_job(cell, 0, variant=variant, precision=widest)
        p, batches = {name: array.astype(widest) for name, array in start(job).items()}, some_batches(job, 1)
        kept = {name: array.copy() for name, array in p.items()}
        trainer = self.backend.trainer(job, p)
        given = trainer.parameters()
        assert {name: array.shape for name, array in given.items()} == shapes(job.model)
        for array in given.values():
            array[...] = np.nan
        assert_close(trainer.parameters(), kept, 0.0, "parameter")
        train(trainer, job, batches)
        assert_close(p, kept, 0.0, "the caller's own")

    def test_what_cannot_be_had_is_refused_with_a_reason(self) -> None:
        with pytest.raises(Unsupported, match="no variant 'made-up'"):
            self.backend.resolve(a_job(variant="made-up"))
        devices = self.backend.devices()
        assert devices["cpu"] is None
        for device, reason in devices.items():
            if reason:
                with pytest.raises(Unsupported, match=r"\S"):
                    self.backend.resolve(a_job(device=device))

    def test_auto_names_a_variant_that_runs(self) -> None:
        for cell in CELLS:
            job, why = self.backend.resolve(a_job(cell))
            assert job.variant != "auto"
            assert why
