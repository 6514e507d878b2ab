"""The public test suite of a backend: subclass ``BackendConformance`` in a test file, and pass.

    from backends.conformance import BackendConformance
    from my_package import MyBackend

    class TestMyBackend(BackendConformance):
        backend = MyBackend()

Needs pytest. Every variant of every cell is compared with ``backends.reference``, with one layer and
several, in one direction and both, to 1e-9 relatively in float64 and 1e-4 in float32; and each variant
once in each coarser precision that it has. Sequences of variable lengths, the CTC loss and dropout are compared
too. What a backend says that it cannot compute (``Variant.reason`` for a model, ``Backend.lacks`` for a
job) is skipped with that reason, and must be refused: a backend of one cell and one layer passes.
With ``device = "cuda"`` in the class all of it runs there, and is skipped where the backend has no
such device.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from backends import reference
from backends.base import Backend, Trainer, Unsupported, Variant
from backends.job import CELLS, IEEE, Cell, Device, Job, ModelSpec, OptimizerSpec, Parameters, Precision
from backends.parameters import InitialisationSpec, initial, shapes
from backends.synthetic import random_batches
from tasks.base import Batch, Loss, Readout, within

#: Relative. bfloat16's gradients were measured within 4e-2 on the CPU: plain RNN, Keras; the LSTM's within 2e-2. TF32
#: rounds to three bits more, and rounds the factors of products only: an eighth of that, not measured.
TOLERANCE: dict[Precision, float] = {"float64": 1e-9, "float32": 1e-4, "tf32": 8e-3, "bfloat16": 6e-2}
B, T, D, H, OUTPUTS = 5, 6, 3, 4, 3
#: A batch whose two parts are alike, so that one program serves both, for tests to which that makes no difference.
EVEN = 6

#: (layers, bidirectional, readout, loss): each shape of network once, each readout and loss twice.
NETWORKS: list[tuple[int, bool, Readout, Loss]] = [
    (1, False, "last", "mse"),
    (1, True, "every", "cross-entropy"),
    (2, False, "every", "cross-entropy"),
    (2, True, "last", "mse"),
]

DEEPEST = 3

#: (cell, layers, bidirectional, readout, loss, variable lengths): each cell, shape and loss meets each other.
SEQUENCES: list[tuple[Cell, int, bool, Readout, Loss, bool]] = [
    ("lstm", 1, False, "last", "mse", True),
    ("lstm", 1, True, "every", "cross-entropy", True),
    ("lstm", 2, True, "every", "ctc", True),
    ("gru", 1, False, "every", "ctc", False),
    ("gru", 1, True, "last", "mse", True),
    ("gru", 2, True, "every", "cross-entropy", True),
    ("gru", 1, False, "every", "mse", True),
]


def a_job(cell: Any = "lstm", network: int = 0, **changes: Any) -> Job:
    """A small job."""
    layers, bidirectional, readout, loss = NETWORKS[network]
    model = ModelSpec(cell, D, H, OUTPUTS, readout, layers, bidirectional)
    job = Job(model, loss, OptimizerSpec(lr=0.01), batch=B, length=T, threads=2)
    return replace(job, **changes)


def some_batches(job: Job, count: int) -> list[Batch]:
    """Random batches for ``job``, float64; the same ones every time. The shortest sequences just hold their labels."""
    return random_batches(job, count, seed=count, shortest=max(1, job.labels), fewest_labels=1)


def a_sequence_job(case: int, **changes: Any) -> Job:
    """A small job of ``SEQUENCES``."""
    cell, layers, bidirectional, readout, loss, variable = SEQUENCES[case]
    model = ModelSpec(cell, D, H, OUTPUTS, readout, layers, bidirectional)
    labels = 3 if loss == "ctc" else 0
    job = Job(model, loss, OptimizerSpec(lr=0.01), batch=B, length=T, threads=2, variable=variable, labels=labels)
    return replace(job, **changes)


def garbled(batch: Batch) -> Batch:
    """``batch`` with its padding replaced by large numbers."""
    if batch.lengths is None:
        return batch
    padding = ~within(batch.lengths, batch.x.shape[1])
    x, y = batch.x.copy(), batch.y.copy()
    x[padding] = 100.0
    if y.shape[:2] == padding.shape:
        y[padding] = 100.0 if y.dtype.kind == "f" else 0
    return replace(batch, x=x, y=y)


def start(job: Job) -> Parameters:
    """Initial parameters with non-zero biases, so that a forgotten bias shows."""
    rng = np.random.default_rng(7)
    parameters = initial(job.model, InitialisationSpec(), seed=1)
    return {name: p + 0.1 * rng.standard_normal(p.shape) for name, p in parameters.items()}


def train(trainer: Trainer, job: Job, batches: list[Batch]) -> Any:
    """Losses of training on ``batches`` in one chunk."""
    return trainer.train(trainer.stage([batch.astype(job.dtype) for batch in batches]))


def assert_close(ours: Parameters, theirs: Parameters, tolerance: float, what: str) -> None:
    """Array by array, ‖ours − theirs‖ ≤ tolerance · ‖theirs‖."""
    assert list(ours) == list(theirs), "parameters in canonical order"
    for name, expected in theirs.items():
        assert ours[name].shape == expected.shape, name
        off = np.linalg.norm(ours[name] - expected) / np.maximum(np.linalg.norm(expected), 1e-12)
        assert off <= tolerance, f"{what} {name}: {off:.1e} from the reference, relatively"


class BackendConformance:
    """What every backend must do. Subclasses set ``backend``, and ``device`` where it is not the CPU."""

    backend: ClassVar[Backend]
    device: ClassVar[Device] = "cpu"
    #: The cells that are compared, and what with: something with the functions of ``backends.reference``.
    cells: ClassVar[Sequence[Any]] = CELLS
    reference: ClassVar[Any] = reference
    #: Which of ``NETWORKS`` and of ``SEQUENCES`` are compared.
    networks: ClassVar[Sequence[int]] = range(len(NETWORKS))
    cases: ClassVar[Sequence[int]] = range(len(SEQUENCES))

    @classmethod
    def job(cls, cell: Any = "lstm", network: int = 0, **changes: Any) -> Job:
        """A small job on the device."""
        return a_job(cell, network, **{"device": cls.device} | changes)

    @classmethod
    def sequence_job(cls, case: int, **changes: Any) -> Job:
        """A small job of ``SEQUENCES`` on the device."""
        return a_sequence_job(case, device=cls.device, **changes)

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def started(cls) -> None:
        """Put the backend's settings in force, once. Only now is the framework asked for the device."""
        if reason := cls.backend.devices()[cls.device]:
            pytest.skip(reason)
        cls.backend.start(cls.job(cls.usual(), precision="float64"))

    def start_of(self, job: Job) -> Parameters:
        """The parameters that a job's trainer and its reference start from."""
        return start(job)

    def shapes_of(self, job: Job) -> dict[str, tuple[int, ...]]:
        """Name and shape of each of them, in their order."""
        return shapes(job.model)

    def why_not(self, job: Job) -> str | None:
        """Why the job's variant, or with ``auto`` each variant, cannot compute the job; None where it can."""
        variants = self.backend.variants(job.model, job.device)
        asked = [variant for variant in variants if job.variant in ("auto", variant.name)]
        whys = [self._why_not(replace(job, variant=variant.name), variant) for variant in asked]
        return next((why for why in whys if why), "it has no variant") if all(whys) else None

    def _why_not(self, job: Job, variant: Variant) -> str | None:
        if why := variant.reason or self.backend.lacks(job):
            return why
        have = job.precision in self.backend.precisions(job.device) and job.precision in variant.precisions
        return None if have else f"no {job.precision}"

    def able(self, job: Job) -> Job:
        """``job``; the test is skipped, by name, where the backend says that it cannot compute it, and refuses it."""
        if why := self.why_not(job):
            with pytest.raises(Unsupported, match=r"\S"):
                self.backend.resolve(job)
            model = job.model
            shape = (
                f"{model.cell}, {model.layers} layer(s), {model.directions} direction(s), {model.readout}, {job.loss}"
            )
            pytest.skip(f"{self.backend.name} {job.variant}: {why} ({shape})")
        return job

    def nearest(self, cell: Any, network: int, **changes: Any) -> Job:
        """The job of a network or, where that is too much, in one direction, of one layer, or both; as ``able``."""
        job = self.job(cell, network, **changes)
        model = job.model
        for layers, bidirectional in ((model.layers, False), (1, model.bidirectional), (1, False)):
            if self.why_not(job) is None:
                break
            job = replace(job, model=replace(model, layers=layers, bidirectional=bidirectional))
        return self.able(job)

    @classmethod
    def usual(cls, *preferred: Cell) -> Cell:
        """The cell of tests that need one: the first of these, then of the others, that any variant has."""
        cells = [*preferred, "lstm", *cls.cells]
        return next((cell for cell in cells if cls._variants(cell)), "lstm")

    @classmethod
    def _variants(cls, cell: Any) -> list[Variant]:
        """Those that compute a cell in one layer and one direction."""
        return [each for each in cls.backend.variants(cls.job(cell).model, cls.device) if each.reason is None]

    @classmethod
    def _named(cls, cell: Any) -> list[Variant]:
        """Those that compute a cell; where none does the stock one, whose tests say so and are skipped."""
        return cls._variants(cell) or cls.backend.variants(cls.job(cell).model, cls.device)[:1]

    def _precisions(self, variant: Variant, all_of_them: bool) -> list[Precision]:
        """The IEEE precisions of a variant, from the widest down."""
        have = set(variant.precisions) & set(self.backend.precisions(self.device))
        of_all = all_of_them and not variant.like and not self._is_rival(variant)
        return [each for each in reversed(IEEE) if each in have][: None if of_all else 1]

    def _coarse(self, variant: Variant) -> list[Precision]:
        """The coarser precisions of a variant."""
        return [
            each for each in self.backend.precisions(self.device) if each in variant.precisions and each not in IEEE
        ]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test per variant, cell, network and precision, where a test asks for them.

        A test that asks for no precision gets each variant's widest, as ``widest``. One that asks for networks gets all
        of them in the widest precision, the deepest in the others, and no variant that is ``like`` another: those
        compute each cell in one layer, in their widest precision, and the LSTM in all tests, there in the deepest
        network too. One that asks for precisions alone gets others than the widest of the LSTM. A rival, whose layers
        are a library's and whose training step is that of the stock variant, computes each cell in the deepest network
        and its widest precision, and a sequence of each cell; in tests of a cell alone the LSTM, and it has no part in
        those of the step alone.
        """
        wanted = metafunc.fixturenames
        columns = [("cell", 0), ("variant", 1), ("precision", 2), ("widest", 2), ("network", 3)]
        asked = [(name, index) for name, index in columns if name in wanted]
        if "variant" in wanted:
            found = [
                (cell, variant.name, precision, network)
                for cell in (self.cells if "cell" in wanted else (self.usual(),))
                for variant in self._named(cell)
                for precision in self._precisions(
                    variant, all_of_them="precision" in wanted and ("network" in wanted or cell == self.usual())
                )
                for network in (self._networks(precision, variant) if "network" in wanted else [0])
                if not (variant.like and ("network" in wanted or (cell != self.usual() and "precision" not in wanted)))
                if not self._is_rival(variant) or self._of_rivals(cell, wanted)
            ]
            rows = [tuple(row[index] for _, index in asked) for row in found]
            shown = [f"{n[0]}{'x2' if n[1] else ''}-{n[2]}" for n in NETWORKS]
            ids = ["-".join(shown[each] if isinstance(each, int) else each for each in row) for row in rows]
            metafunc.parametrize([name for name, _ in asked], rows, ids=ids)
        if "coarse" in wanted:
            coarse = [
                (variant.name, precision)
                for variant in self._named(self.usual())
                for precision in self._coarse(variant)
            ]
            without = f"{self.backend.name} has no precision coarser than {' and '.join(IEEE)}"
            coarse = coarse or [pytest.param("", "", marks=pytest.mark.skip(reason=without), id="none")]  # type: ignore[list-item]
            metafunc.parametrize(["coarse_variant", "coarse"], coarse)
        if "case" in wanted:
            names = [f"{c[0]}-{c[1]}{'x2' if c[2] else ''}-{c[3]}-{c[4]}" for c in SEQUENCES]
            cases = [
                (case, variant.name, precision)
                for case in self.cases
                for variant in self._of_case(case)
                # lengths only move numbers about, which the widest precision shows; CTC computes
                for precision in self._precisions(variant, all_of_them=SEQUENCES[case][4] == "ctc")
            ]
            ids = ["-".join([names[case], variant, precision]) for case, variant, precision in cases]
            metafunc.parametrize(["case", "sequence_variant", "sequence_precision"], cases, ids=ids)

    def _networks(self, precision: Precision, variant: Variant) -> Sequence[int]:
        return self.networks if precision == "float64" and not self._is_rival(variant) else [DEEPEST]

    def _of_rivals(self, cell: Any, wanted: Sequence[str]) -> bool:
        return "network" in wanted or ("cell" in wanted and cell == self.usual())

    def _is_rival(self, variant: Variant) -> bool:
        return self.backend.is_rival(variant.name)

    def _of_case(self, case: int) -> list[Variant]:
        """The variants with code of their own that compute a model of ``SEQUENCES``; as ``_named`` where none does."""
        variants = self.backend.variants(self.sequence_job(case).model, self.device)
        return [each for each in variants if not each.reason and not each.like] or variants[:1]

    def test_loss_and_gradients_agree_with_the_reference(
        self, cell: str, variant: str, network: int, precision: Precision
    ) -> None:
        """After one SGD step the change of the parameters is the gradient. A large rate drowns rounding."""
        lr = 1e4
        job = self.job(
            cell, network, variant=variant, precision=precision, optimizer=OptimizerSpec("sgd", lr, clip=None)
        )
        p, batches = self.start_of(self.able(job)), some_batches(job, 1)
        trainer = self.backend.trainer(job, p)
        losses = train(trainer, job, batches)
        loss, expected = self.reference.loss_and_gradients(job, p, batches[0])
        assert losses == pytest.approx([loss], rel=TOLERANCE[precision])
        gradients = {name: (p[name] - after) / lr for name, after in trainer.parameters().items()}
        assert_close(gradients, expected, TOLERANCE[precision], "gradient of")

    def test_a_coarse_precision_is_near_the_reference_and_not_nearer_than_it_can_be(
        self, coarse_variant: str, coarse: Precision
    ) -> None:
        """Loss and gradients of the LSTM, the deepest where a variant has code of its own; parameters stay float32."""
        lr, spec = 1e4, OptimizerSpec("sgd", 1e4, clip=None)
        job = self.job(self.usual(), variant=coarse_variant, precision=coarse, optimizer=spec)
        if not self.backend.variant(job).like:
            job = self.nearest(self.usual(), DEEPEST, variant=coarse_variant, precision=coarse, optimizer=spec)
        self.able(job)
        p, batches = self.start_of(job), some_batches(job, 1)
        self.backend.start(job)
        try:
            trainer = self.backend.trainer(job, p)
            losses = train(trainer, job, batches)
        finally:
            self.backend.start(self.job(precision="float64"))
        loss, expected = self.reference.loss_and_gradients(job, p, batches[0])
        assert losses == pytest.approx([loss], rel=TOLERANCE[coarse])
        gradients = {name: (p[name] - after) / lr for name, after in trainer.parameters().items()}
        assert_close(gradients, expected, TOLERANCE[coarse], "gradient of")
        assert all(array.dtype == "float32" for array in trainer.parameters().values())
        if coarse == "bfloat16":
            with pytest.raises(AssertionError):
                assert_close(gradients, expected, TOLERANCE["float32"], "as near as float32's: gradient of")

    def test_parameters_after_20_adam_steps_agree_with_the_reference(
        self, cell: str, variant: str, precision: Precision
    ) -> None:
        """Losses and parameters, of one layer; the LSTM of a variant that is like another, whose gradients no other
        test compares, in the deepest network that it has.
        """
        like = self.backend.variant(self.job(cell, variant=variant)).like
        network = DEEPEST if like and cell == self.usual() else 0
        job = self.nearest(cell, network, variant=variant, precision=precision, batch=EVEN)
        p, batches = self.start_of(job), some_batches(job, 20)
        trainer = self.backend.trainer(job, p)
        losses = train(trainer, job, batches)
        expected_losses, expected = self.reference.train(job, p, batches)
        assert losses == pytest.approx(expected_losses, rel=TOLERANCE[precision])
        assert_close(trainer.parameters(), expected, TOLERANCE[precision], "parameter")
        assert all(array.dtype == job.dtype for array in trainer.parameters().values())

    @pytest.mark.parametrize("name", ["adam", "rmsprop", "sgd"])
    @pytest.mark.parametrize("clip", [0.05, 1e6, None], ids=["clipped", "below-clip", "unclipped"])
    def test_every_update_rule_is_the_one_printed(self, name: Any, clip: float | None) -> None:
        """As ``OptimizerSpec`` prints them, clipped and unclipped, to 1e-9."""
        cell, spec = self.usual("gru"), OptimizerSpec(name, 0.01, clip)
        job = self.able(self.job(cell, 0, precision="float64", optimizer=spec))
        p, batches = self.start_of(job), some_batches(job, 5)
        trainer = self.backend.trainer(job, p)
        train(trainer, job, batches)
        assert_close(trainer.parameters(), self.reference.train(job, p, batches)[1], 1e-9, name)

    def test_label_smoothing_is_the_one_rule(self) -> None:
        """Losses and parameters to 1e-9, of ``auto``, read out at the last step. At every step, with lengths and in
        every variant, it is in the job of the test of dropout.
        """
        job = self.job("lstm", 0, precision="float64", loss="cross-entropy", label_smoothing=0.2)
        p, batches = self.start_of(job), some_batches(job, 2)
        trainer = self._trainer(job, p)
        losses = train(trainer, job, batches)
        expected_losses, expected = self.reference.train(job, p, batches)
        assert losses == pytest.approx(expected_losses, rel=1e-9)
        assert_close(trainer.parameters(), expected, 1e-9, "parameter")

    def _trainer(self, job: Job, p: Parameters) -> Trainer:
        """The trainer, as ``able``."""
        return self.backend.trainer(self.able(job), p)

    @pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "sgd"])
    def test_weight_decay_is_the_one_printed(self, name: Any) -> None:
        """Of every parameter, biases included; added to the gradient after clipping, or with adamw apart from it."""
        job = self.job(precision="float64", optimizer=OptimizerSpec(name, 0.01, 0.05, weight_decay=0.3))
        p, batches = self.start_of(job), some_batches(job, 3)
        trainer = self._trainer(job, p)
        train(trainer, job, batches)
        assert_close(trainer.parameters(), self.reference.train(job, p, batches)[1], 1e-9, name)

    def test_clipping_by_value_is_of_each_element(self) -> None:
        """Some of the elements are clipped, and others are not."""
        job = self.job(precision="float64", optimizer=OptimizerSpec("sgd", 0.1, clip=None, clip_value=0.01))
        p, batches = self.start_of(job), some_batches(job, 3)
        elements = np.concatenate(
            [g.ravel() for g in self.reference.loss_and_gradients(job, p, batches[0])[1].values()]
        )
        assert 0.1 < (abs(elements) > 0.01).mean() < 0.9
        trainer = self._trainer(job, p)
        train(trainer, job, batches)
        assert_close(trainer.parameters(), self.reference.train(job, p, batches)[1], 1e-9, "clipped by value")

    def test_a_changing_rate_is_the_one_printed_in_chunks_or_not(self, variant: str, widest: Precision) -> None:
        """Warm-up, then the cosine, past its end; whatever the number of updates in a call, and nothing compiles."""
        spec = OptimizerSpec("adamw", 0.05, weight_decay=0.1, schedule="cosine", warmup=2, updates=7)
        job = self.job(variant=variant, precision=widest, optimizer=spec, chunk=3, batch=EVEN)
        p, batches = self.start_of(job), some_batches(job, 8)
        trainer = self._trainer(job, p)
        train(trainer, job, batches[:1])
        compiled = trainer.compilations()
        for part in (batches[1:3], batches[3:8]):
            train(trainer, job, part)
        assert trainer.compilations() == compiled
        assert_close(trainer.parameters(), self.reference.train(job, p, batches)[1], TOLERANCE[widest], "parameter")

    @pytest.mark.parametrize("name", ["rmsprop", "sgd"])
    def test_every_rule_takes_the_rate_of_its_update(self, name: Any) -> None:
        """And with it each decay, of a job in chunks of two."""
        spec = OptimizerSpec(name, 0.05, schedule="step", decay_every=2, decay_by=0.1)
        job = self.job(precision="float64", optimizer=spec, chunk=2)
        p, batches = self.start_of(job), some_batches(job, 5)
        trainer = self._trainer(job, p)
        train(trainer, job, batches)
        assert_close(trainer.parameters(), self.reference.train(job, p, batches)[1], 1e-9, name)

    def test_adamw_without_weight_decay_is_adam(self) -> None:
        """To the last bit."""
        batches = some_batches(self.job(), 2)
        jobs = [self.job(optimizer=OptimizerSpec(name, 0.01)) for name in ("adam", "adamw")]
        adam, adamw = (self._trainer(job, self.start_of(job)) for job in jobs)
        np.testing.assert_array_equal(train(adam, jobs[0], batches), train(adamw, jobs[1], batches))
        assert_close(adamw.parameters(), adam.parameters(), 0.0, "parameter")

    @pytest.mark.parametrize(("batch", "length"), [(1, T), (B, 1)], ids=["one-sequence", "one-step"])
    def test_smallest_shapes(self, variant: str, widest: Precision, batch: int, length: int) -> None:
        """One sequence, and one step."""
        job = self.able(self.job(self.usual(), 0, variant=variant, precision=widest, batch=batch, length=length))
        p, batches = self.start_of(job), some_batches(job, 2)
        trainer = self.backend.trainer(job, p)
        train(trainer, job, batches)
        assert_close(trainer.parameters(), self.reference.train(job, p, batches)[1], TOLERANCE[widest], "parameter")

    @pytest.mark.parametrize("shape", [1, 3], ids=["every", "last"])
    def test_prediction_is_the_models_output_and_changes_nothing(
        self, cell: str, variant: str, widest: Precision, shape: int
    ) -> None:
        """Read out at every step and at the last one."""
        job = self.nearest(cell, shape, variant=variant, precision=widest)
        p, x = self.start_of(job), some_batches(job, 1)[0].x
        trainer = self.backend.trainer(job, p)
        before, predicted = trainer.parameters(), trainer.predict(x.astype(widest))
        staged = trainer.stage_inputs(x.astype(widest))
        for _ in range(2):  # what is staged serves again
            np.testing.assert_array_equal(trainer.fetch(trainer.predict_staged(staged)), predicted)
        expected = self.reference.forward(job.model, p, x).outputs
        np.testing.assert_allclose(predicted, expected, rtol=TOLERANCE[widest], atol=TOLERANCE[widest] / 100)
        assert_close(trainer.parameters(), before, 0.0, "parameter")

    def test_a_chunk_equals_its_parts_and_a_second_run_the_first(self, variant: str) -> None:
        """The second law of ``Trainer``, and determinism, both to the last bit."""
        job = self.able(self.job(self.usual(), 0, variant=variant, precision="float32", batch=EVEN))
        batches = some_batches(job, 6)
        whole, parts, again = (self.backend.trainer(job, self.start_of(job)) for _ in range(3))
        losses = train(whole, job, batches)
        in_parts = np.concatenate([train(parts, job, batches[:2]), train(parts, job, batches[2:])])
        np.testing.assert_array_equal(in_parts, losses)
        np.testing.assert_array_equal(train(again, job, batches), losses)
        assert_close(parts.parameters(), whole.parameters(), 0.0, "parameter")

    def test_nothing_compiles_in_the_steady_state(self, variant: str) -> None:
        """After one update and one prediction."""
        job = self.able(self.job(self.usual(), 0, variant=variant))
        trainer = self.backend.trainer(job, self.start_of(job))
        batches = some_batches(job, 4)
        x = batches[0].astype(job.dtype).x
        train(trainer, job, batches[:1])
        trainer.predict(x)
        compiled = trainer.compilations()
        train(trainer, job, batches[1:])
        trainer.predict(x)
        assert trainer.compilations() == compiled

    def test_what_executed_is_what_the_variants_name_says(self, cell: str, variant: str, widest: Precision) -> None:
        """And looking changes nothing. The LSTM in the deepest network, the other cells in one layer."""
        job = self.nearest(cell, DEEPEST if cell == self.usual() else 0, variant=variant, precision=widest, batch=EVEN)
        trainer = self.backend.trainer(job, self.start_of(job))
        batch = some_batches(job, 1)[0].astype(job.dtype)
        before = trainer.parameters()
        executed = trainer.executed(batch)
        assert executed.strip()
        assert re.match(self.backend.variant(job).runs, executed), executed
        assert_close(trainer.parameters(), before, 0.0, "parameter")

    def test_parameters_are_copies_in_the_canonical_layout(self, cell: str, variant: str, widest: Precision) -> None:
        """Writing into what ``parameters`` gave, or training, changes nothing that the caller has."""
        job = self.able(self.job(cell, 0, variant=variant, precision=widest))
        p, batches = {name: array.astype(widest) for name, array in self.start_of(job).items()}, some_batches(job, 1)
        kept = {name: array.copy() for name, array in p.items()}
        trainer = self.backend.trainer(job, p)
        given = trainer.parameters()
        assert {name: array.shape for name, array in given.items()} == self.shapes_of(job)
        for array in given.values():
            array[...] = np.nan
        assert_close(trainer.parameters(), kept, 0.0, "parameter")
        train(trainer, job, batches)
        assert_close(p, kept, 0.0, "the caller's own")

    def test_what_cannot_be_had_is_refused_with_a_reason(self) -> None:
        """A variant that is not there, a device that cannot be used."""
        with pytest.raises(Unsupported, match="no variant 'made-up'"):
            self.backend.resolve(self.job(variant="made-up"))
        devices = self.backend.devices()
        assert devices["cpu"] is None
        for device, reason in devices.items():
            if reason:
                with pytest.raises(Unsupported, match=r"\S"):
                    self.backend.resolve(self.job(device=device))

    def test_its_own_version_is_among_its_versions(self) -> None:
        """And all of them are non-empty strings."""
        told = self.backend.versions()
        assert self.backend.version() in told.values()
        assert all(isinstance(value, str) and value for value in told.values())

    def test_auto_names_a_variant_that_runs(self) -> None:
        """For every cell, with a reason."""
        lacking = []
        for cell in self.cells:
            if reason := self.why_not(self.job(cell)):
                lacking.append(f"{cell}: {reason}")
                with pytest.raises(Unsupported, match=r"\S"):
                    self.backend.resolve(self.job(cell))
                continue
            job, why = self.backend.resolve(self.job(cell))
            assert job.variant != "auto"
            assert why
        if len(lacking) == len(self.cells):
            pytest.fail(f"{self.backend.name} computes no cell at all: {'; '.join(lacking)}")

    # -- gradient accumulation ------------------------------------------------------------------------

    def test_accumulated_gradients_are_the_mean_of_the_micro_batches(self, variant: str, widest: Precision) -> None:
        """One update for each batch; nothing compiles again, and what executed is still what the name says."""
        job = self.job(variant=variant, precision=widest, batch=6, accumulate=3)
        p, batches = self.start_of(job), some_batches(job, 4)
        if self._accumulates_not(job):
            return
        trainer = self.backend.trainer(job, p)
        losses = [*train(trainer, job, batches[:1])]
        compiled = trainer.compilations()
        losses += [*train(trainer, job, batches[1:])]
        assert trainer.compilations() == compiled
        executed = trainer.executed(batches[0].astype(job.dtype))
        assert re.match(self.backend.variant(job).runs, executed), executed
        expected_losses, after = self.reference.train(job, p, batches)
        assert losses == pytest.approx(expected_losses, rel=TOLERANCE[widest])
        assert_close(trainer.parameters(), after, TOLERANCE[widest], "parameter")
        whole = self.reference.train(replace(job, accumulate=1), p, batches)[1]
        assert_close(after, whole, 1e-11, "as of the whole batch")

    def test_accumulated_gradients_with_lengths_count_each_micro_batch_alike(self) -> None:
        """Whatever the number of their positions. The rate changes once for each update; a prediction is whole."""
        rule = OptimizerSpec("adamw", 0.05, weight_decay=0.1, schedule="cosine", warmup=1, updates=4)
        job = self.sequence_job(1, precision="float64", optimizer=rule, batch=6, accumulate=2, chunk=2)
        p, batches = self.start_of(job), some_batches(job, 3)
        if self._accumulates_not(job):
            return
        trainer = self.backend.trainer(job, p)
        losses = train(trainer, job, batches)
        expected_losses, after = self.reference.train(job, p, batches)
        assert losses == pytest.approx(expected_losses, rel=1e-9)
        assert_close(trainer.parameters(), after, 1e-9, "parameter")
        assert self.reference.train(replace(job, accumulate=1), p, batches)[0] != pytest.approx(
            expected_losses, rel=1e-6
        )
        [batch, *_], predicted = batches, trainer.predict(batches[0].x, batches[0].lengths)
        inside = within(np.asarray(batch.lengths), job.length)
        outputs = self.reference.forward(job.model, after, batch.x, batch.lengths).outputs
        np.testing.assert_allclose(predicted[inside], outputs[inside], rtol=1e-6, atol=1e-9)

    def test_what_people_train_with_may_be_combined(self) -> None:
        """Lengths, smoothed labels, dropout, micro-batches, AdamW and a changing rate in one job."""
        rule = OptimizerSpec("adamw", 0.05, weight_decay=0.1, schedule="cosine", warmup=1, updates=4)
        model = ModelSpec("lstm", D, H, OUTPUTS, "every", 2, bidirectional=True)
        job = self.job(precision="float64", optimizer=rule, batch=4, accumulate=2)
        job = replace(job, model=model, loss="cross-entropy", variable=True, label_smoothing=0.1, dropout=0.4)
        if self._accumulates_not(job):
            return
        p, batches = self.start_of(job), some_batches(job, 3)
        trainer = self.backend.trainer(job, p)
        losses = train(trainer, job, batches)
        expected_losses, after = self.reference.train(job, p, batches)
        assert losses == pytest.approx(expected_losses, rel=1e-9)
        assert_close(trainer.parameters(), after, 1e-9, "parameter")

    def _accumulates_not(self, job: Job) -> bool:
        """Whether the backend, or the job's variant, accumulates no gradients; then it must say so. As ``able``."""
        self.able(replace(job, accumulate=1))
        if self.backend.accumulates and (job.variant == "auto" or not self.backend.lacks(job)):
            return False
        with pytest.raises(Unsupported, match=r"gradients"):
            self.backend.trainer(job, self.start_of(job))
        return True

    # -- variable lengths and CTC -----------------------------------------------------------------

    def test_lengths_and_ctc_agree_with_the_reference_whatever_the_padding_holds(
        self, case: int, sequence_variant: str, sequence_precision: Precision
    ) -> None:
        """Loss, gradients and, in the widest precision, outputs.

        The backend's padding holds large numbers, the reference's small ones.
        """
        lr, variant, precision = 1e4, sequence_variant, sequence_precision
        spec = OptimizerSpec("sgd", lr, clip=None)
        job = self.sequence_job(case, variant=variant, precision=precision, optimizer=spec)
        p, [batch] = self.start_of(self.able(job)), some_batches(job, 1)
        trainer, given = self.backend.trainer(job, p), garbled(batch)
        widest = precision == "float64" or "float64" not in self.backend.variant(job).precisions
        predicted = trainer.predict(given.x.astype(precision), given.lengths) if widest else None
        losses = train(trainer, job, [given])
        loss, expected = self.reference.loss_and_gradients(job, p, batch)
        assert losses == pytest.approx([loss], rel=TOLERANCE[precision])
        gradients = {name: (p[name] - after) / lr for name, after in trainer.parameters().items()}
        assert_close(gradients, expected, TOLERANCE[precision], "gradient of")
        if predicted is None:
            return
        outputs = self.reference.forward(job.model, p, batch.x, batch.lengths).outputs
        if job.model.readout == "every" and batch.lengths is not None:
            inside = within(batch.lengths, job.length)
            predicted, outputs = predicted[inside], outputs[inside]
        np.testing.assert_allclose(predicted, outputs, rtol=TOLERANCE[precision], atol=TOLERANCE[precision] / 100)

    def test_with_lengths_and_ctc_a_chunk_equals_its_parts_and_nothing_compiles_again(self, variant: str) -> None:
        """To the last bit, and whatever the lengths are; of one layer, as depth makes no difference to it."""
        job = self.sequence_job(2, variant=variant, precision="float32", batch=EVEN)
        job = self.able(replace(job, model=replace(job.model, layers=1, bidirectional=False)))
        batches = some_batches(job, 5)
        whole, parts = (self.backend.trainer(job, self.start_of(job)) for _ in range(2))
        losses = train(whole, job, batches)
        first = train(parts, job, batches[:2])
        compiled = parts.compilations()
        np.testing.assert_array_equal(np.concatenate([first, train(parts, job, batches[2:])]), losses)
        assert_close(parts.parameters(), whole.parameters(), 0.0, "parameter")
        assert parts.compilations() == compiled

    def test_auto_names_a_variant_that_runs_with_lengths_and_ctc(self) -> None:
        """Or says why there is none."""
        for case in range(len(SEQUENCES)):
            job = self.sequence_job(case)
            if self.why_not(job):
                with pytest.raises(Unsupported, match=r"\S"):
                    self.backend.resolve(job)
            else:
                assert self.backend.resolve(job)[0].variant != "auto"

    # -- dropout ----------------------------------------------------------------------------------

    def dropout_job(self, variant: str, precision: Precision) -> Job:
        """Three layers in both directions with dropout between them, sequences of variable lengths where possible.

        Of a variant that is ``like`` another, two layers in one direction: it has the other's network.
        """
        job = self.job(variant=variant, precision=precision, chunk=2)
        layers = 2 if self.backend.variant(job).like else 3
        model = ModelSpec("lstm", D, H, OUTPUTS, "every", layers, bidirectional=layers == 3)
        job = replace(job, model=model, loss="cross-entropy", label_smoothing=0.1, dropout=0.4)
        varied = replace(job, variable=True)
        return job if self.backend.lacks(varied) else varied

    def test_dropout_is_by_the_masks_of_the_batch_and_in_training_alone(self, variant: str, widest: Precision) -> None:
        """Losses and parameters of updates in blocks of two and one, then a prediction, which drops nothing; what is
        seen to run, and that nothing compiles again.
        """
        job = self.dropout_job(variant, widest)
        p, batches = self.start_of(job), some_batches(job, 3)
        if self.backend.lacks(job):
            with pytest.raises(Unsupported, match=r"\S"):
                self.backend.trainer(job, p)
            return
        trainer = self.backend.trainer(job, p)
        losses = train(trainer, job, [garbled(batch) for batch in batches[:2]])
        compiled = trainer.compilations()
        losses = np.concatenate([losses, train(trainer, job, batches[2:])])
        assert trainer.compilations() == compiled
        expected_losses, expected = self.reference.train(job, p, batches)
        assert losses == pytest.approx(expected_losses, rel=TOLERANCE[widest])
        assert_close(trainer.parameters(), expected, TOLERANCE[widest], "parameter")
        x, lengths = batches[0].x, batches[0].lengths
        predicted, outputs = (
            trainer.predict(x.astype(widest), lengths),
            self.reference.forward(job.model, expected, x, lengths),
        )
        inside = np.full((B, T), True) if lengths is None else within(lengths, T)
        np.testing.assert_allclose(
            predicted[inside], outputs.outputs[inside], rtol=TOLERANCE[widest], atol=TOLERANCE[widest]
        )
        assert re.match(self.backend.variant(job).runs, trainer.executed(batches[0].astype(job.dtype)))

    def test_masks_that_the_job_does_not_want_or_lacks_are_refused(self, variant: str) -> None:
        """With a ValueError, so that no dropout is forgotten."""
        job = self.dropout_job(variant, "float32")
        if self.backend.lacks(job):
            pytest.skip(str(self.backend.lacks(job)))
        [batch] = [batch.astype(job.dtype) for batch in some_batches(job, 1)]
        for wrong, given in ((replace(job, dropout=0.0), batch), (job, replace(batch, masks=None))):
            with pytest.raises(ValueError, match="dropout"):
                self.backend.trainer(wrong, self.start_of(job)).stage([given])

    def test_lengths_that_the_job_does_not_have_are_refused(self, variant: str) -> None:
        """With a ValueError."""
        job = self.able(self.sequence_job(1, variant=variant))
        [batch] = some_batches(job, 1)
        trainer = self.backend.trainer(replace(job, variable=False), self.start_of(job))
        with pytest.raises(ValueError, match="not variable"):
            trainer.stage([batch.astype(job.dtype)])
