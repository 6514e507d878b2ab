"""The loop over chunks: training, evaluation and timing, once for all backends.

What is timed is ``Trainer.train`` alone, block by block; each block ends with the backend's
synchronisation. Drawing data, staging and evaluation are timed separately.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from backends.base import Trainer
from backends.job import Array, Parameters, host_dtype
from harness.errors import Diverged, RunFailed
from harness.protocol import Progress
from harness.records.base import Scores
from harness.records.figures import Block
from harness.records.run import CurvePoint, Mark
from harness.specs.run import RunSpec
from harness.worker.clocks import Clocks
from harness.worker.data import Data
from tasks.base import Split, Task, loss_value

OnProgress = Callable[[Progress], None]
OnPoint = Callable[[CurvePoint], None]
#: Called between blocks, when no block's clock runs, with the number of updates done so far.
Between = Callable[[int], None]


@dataclass
class Outcome:
    """The results of training.

    Attributes:
        updates: done in all.
        stopped_at: the same where training ended for want of patience; None where it went to the last update.
        loss, scores: on the test split, after ``score_step`` updates.
        train_blocks, predict_blocks: of the steady state; a step is an update, or a sequence predicted.
        prepared: drawing and staging the batches of each training block of the steady state.
        compilations: traces and compilations, all in the warm-up.
        marks: what a run of only the first updates can be held to.
    """

    updates: int
    stopped_at: int | None
    loss: float
    scores: Scores
    score_step: int
    curve: list[CurvePoint]
    first_step_s: float
    train_blocks: list[Block]
    predict_blocks: list[Block]
    prepared: list[Block]
    compilations: int
    marks: list[Mark]


def marked(steps: int, chunk: int) -> set[int]:
    """Updates after which a run notes its digests so far: the first, and 1, 2, 5, 10, … of them in whole chunks. Each
    ends a block.
    """
    found, decade = {1}, 1
    while decade <= steps:
        found |= {-(-many * decade // chunk) * chunk for many in (1, 2, 5)}
        decade *= 10
    return {each for each in found if each <= steps}


def block_sizes(steps: int, chunk: int, evaluate_every: int) -> Iterator[int]:
    """Updates of each block: the first update alone, then up to each multiple of ``chunk`` or ``evaluate_every``."""
    done = 0
    while done < steps:
        ends = [steps] if done else [1]
        ends += [(done // every + 1) * every for every in (chunk, evaluate_every)]
        size = min(ends) - done
        done += size
        yield size


class Training:
    """A run's training on a trainer that is built and passed the gate.

    Attributes:
        curve: evaluations on the validation split.
        train_blocks: the blocks of the steady state, which begins after the first chunk; predict_blocks: of prediction;
            prepared: of drawing and staging what the former train on.
        device_s: seconds of all training steps by the device's own events; None where it has none.
    """

    def __init__(
        self,
        spec: RunSpec,
        task: Task,
        trainer: Trainer,
        clocks: Clocks,
        on_progress: OnProgress,
        on_point: OnPoint,
        between: Between = lambda done: None,
        data: Data | None = None,
        keep: bool = False,
    ) -> None:
        """Set it up, with the held-out data drawn.

        Args:
            data: the task's, where some of it was looked at before.
            keep: whether ``scored`` will be called.
        """
        self.spec, self.task, self.trainer = spec, task, trainer
        self.dtype = host_dtype(spec.precision)
        self.clocks, self.on_progress, self.on_point, self.between = clocks, on_progress, on_point, between
        self.curve: list[CurvePoint] = []
        self.marks: list[Mark] = []
        self.train_blocks: list[Block] = []
        self.predict_blocks: list[Block] = []
        self.prepared: list[Block] = []
        self.losses = hashlib.sha256()
        self.device_s: float | None = None
        self.data = data or Data(task, self.dtype, spec.dropping(task))
        # the last update's parameters are there when all is measured; the best ones must be copied when they are passed
        self._copies = keep and spec.score_at == "best-validation"
        self._copied: tuple[Parameters, Array] | None = None
        self._predicted: Array | None = None
        splits: tuple[Split, ...] = ("validation", "test")
        with clocks("data"):
            self.held_out = {split: self.data.held_out(split) for split in splits}

    def __call__(self, until: int | None = None) -> Outcome:
        """Train to the last step, or until patience ends, evaluating on the way.

        Args:
            until: end after so many updates, at the end of a block; None to go on. What is computed up to there is
                what the whole run computes: the spec, and with it the schedule of the learning rate, is the same.

        Raises:
            Diverged: a loss is not finite.
            RunFailed: the data is not finite, or something compiled in the steady state.
        """
        spec = self.spec
        self._evaluate(0, [])  # the untrained model: the curve's first point, and it compiles the prediction
        self.predict_blocks.clear()
        done, first_step_s, compiled = 0, 0.0, 0
        since_evaluation: list[float] = []
        best: tuple[float, int, float, Scores] | None = None
        ended, total, marks = False, 0.0, marked(spec.steps, spec.chunk)
        self.between(0)
        for size in block_sizes(spec.steps, spec.chunk, spec.evaluate_every):
            unprepared = self.clocks["data"] + self.clocks["stage"]
            losses, seconds = self._train(done, size)
            done += size
            self.between(done)
            since_evaluation += losses
            self.losses.update(np.asarray(losses, "<f8").tobytes())
            total += sum(losses)
            if done in marks:
                self._mark(done, total)
            if done == 1:
                first_step_s = seconds
            if done <= spec.chunk:  # warm-up: the first chunk
                compiled = self.trainer.compilations()
            else:
                self.train_blocks.append(Block(size, seconds))
                self.prepared.append(Block(size, self.clocks["data"] + self.clocks["stage"] - unprepared))
                self._refuse_compilation(compiled, done)
            if done % spec.evaluate_every == 0 or done == spec.steps:
                point = self._evaluate(done, since_evaluation)
                since_evaluation = []
                if spec.score_at == "best-validation" and (best is None or point.loss < best[0]):
                    best = (point.loss, done, *self._test())
                    self._copy()
                ended = self._out_of_patience()
            self._report(done, losses[-1])
            if ended or (until is not None and done >= until):
                break
        self._refuse_compilation(compiled, done)
        _, step, loss, scores = best or (0.0, done, *self._test())
        blocks = self.train_blocks, self.predict_blocks, self.prepared
        stopped_at = done if done < spec.steps else None
        return Outcome(done, stopped_at, loss, scores, step, self.curve, first_step_s, *blocks, compiled, self.marks)

    def _mark(self, done: int, total: float) -> None:
        """Note the digests so far: between blocks, on no clock."""
        self.marks.append(
            Mark(
                step=done,
                train_loss=total / done,
                losses_sha256=self.losses.hexdigest(),
                data_sha256=self.data.digest(),
            )
        )

    def _train(self, done: int, size: int) -> tuple[list[float], float]:
        with self.clocks("data"):
            batches = [self.data.train(index, self.spec.batch) for index in range(done, done + size)]
        with self.clocks("stage"):
            staged = self.trainer.stage(batches)
        before = self.clocks["train"]
        with self.clocks("train"):
            losses = self.trainer.train(staged)
        if (by_events := self.trainer.device_seconds()) is not None:
            self.device_s = (self.device_s or 0.0) + by_events
        for index, loss in enumerate(losses):
            if not math.isfinite(loss):
                raise Diverged(f"training diverged: the loss is {loss} at step {done + index + 1}; try a smaller --lr")
        return [float(loss) for loss in losses], self.clocks["train"] - before

    def _refuse_compilation(self, compiled: int, done: int) -> None:
        now = self.trainer.compilations()
        if now != compiled:
            raise RunFailed(
                f"something was traced or compiled again in the steady state, by step {done} "
                f"({now} compilations, {compiled} after warm-up): its timing would not be a steady state's"
            )

    def _out_of_patience(self) -> bool:
        """Whether the last ``patience`` points of the curve of trained models are no lower than those before them."""
        losses = [point.loss for point in self.curve[1:]]
        patience = self.spec.patience
        if patience is None or len(losses) <= patience:
            return False
        return min(losses[-patience:]) >= min(losses[:-patience])

    def _evaluate(self, step: int, losses: list[float]) -> CurvePoint:
        loss, scores = self._scores("validation")
        train_loss = sum(losses) / len(losses) if losses else None
        seconds = self.clocks["train"]
        point = CurvePoint(
            step=step,
            loss=loss,
            train_loss=train_loss,
            scores=scores,
            seconds=seconds,
            losses_sha256=self.losses.hexdigest(),
        )
        self.curve.append(point)
        self.on_point(point)
        return point

    def _scores(self, split: Split) -> tuple[float, Scores]:
        batch = self.held_out[split]
        with self.clocks("evaluate"):
            predictions = self._predict(batch.x, batch.lengths)
            counted = batch.lengths if self.task.readout == "every" else None
            if self._copies and split == "test":
                self._predicted = predictions
            loss = loss_value(self.task.loss, predictions, batch.y, counted)
            if not math.isfinite(loss):
                raise Diverged(f"training diverged: the {split} loss is {loss}; try a smaller --lr")
            return loss, self.task.score(predictions, batch)

    def _test(self) -> tuple[float, Scores]:
        loss, scores = self._scores("test")
        with self.clocks("evaluate"):
            return loss, scores | self.task.closing_scores(self._predict)

    def _copy(self) -> None:
        """Keep what was scored just now: between blocks, on no clock."""
        if self._copies:
            assert self._predicted is not None
            self._copied = self.trainer.parameters(), self._predicted

    def scored(self) -> tuple[Parameters, Array]:
        """The parameters whose test scores are reported, and what they predict of the test split.

        Comes last: it may predict, which is on the clocks and in the blocks of prediction.
        """
        if self._copied is not None:
            return self._copied
        test = self.held_out["test"]
        return self.trainer.parameters(), self._predict(test.x, test.lengths)

    def _predict(self, x: Array, lengths: Array | None = None) -> Array:
        """Predictions for any number of sequences, in padded batches: only one shape is compiled.

        ``lengths`` are those of a task whose sequences differ in length; without them all are as long as x.
        """
        size, parts = self.spec.batch, []
        for start in range(0, len(x), size):
            part = np.asarray(x[start : start + size], dtype=self.dtype)
            padding = size - len(part)
            if padding:
                part = np.concatenate([part, np.zeros((padding, *x.shape[1:]), part.dtype)])
            own = None
            if lengths is not None:  # a sequence that fills the batch up has one step
                own = np.concatenate([lengths[start : start + size], np.ones(padding, lengths.dtype)])
            before = self.clocks["predict"]
            with self.clocks("predict"):
                out = self.trainer.predict(part, own)
            self.predict_blocks.append(Block(size, self.clocks["predict"] - before))
            parts.append(out[: size - padding])
        return np.concatenate(parts)

    def _report(self, done: int, loss: float) -> None:
        recent = self.train_blocks[-5:]
        seconds = sum(block.seconds for block in recent)
        rate = self.spec.batch * sum(block.steps for block in recent) / seconds if seconds else 0.0
        self.on_progress(Progress(done, loss, rate))


def first_crossings(task: Task, curve: list[CurvePoint]) -> dict[str, int | None]:
    """First evaluated step at which the main score passed each of the task's milestones."""
    sign = 1 if task.higher_is_better else -1
    return {
        f"{task.score_name} {'>' if task.higher_is_better else '<'} {level:g}": next(
            (p.step for p in curve if sign * p.scores[task.score_name] > sign * level), None
        )
        for level in task.milestones
    }
