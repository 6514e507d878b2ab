"""The batch in parts, each computed by a program of XLA's own; TensorFlow's executor runs them at the same time.

XLA runs the loops of one program one after the other, and a step of a loop is too small to be shared among threads. But
TensorFlow runs operators that do not depend on each other at the same time, and to it a program is one operator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import tensorflow as tf

from backends import parts
from backends.job import Job, Parameters
from backends.tensorflow.trainer import Found, Staged, TensorflowTrainer, kind_of
from backends.variants import Entry
from tasks.base import Batch


class TensorflowPartsTrainer(TensorflowTrainer):
    """One function, which calls a program for each part's gradients, then one for the update with their sum.

    What is staged of a batch is that of its parts, one after the other: each one's weight in the batch's loss, x, y,
    lengths where they vary, and masks.
    """

    def __init__(self, job: Job, parameters: Parameters, entry: Entry) -> None:
        super().__init__(job, parameters, entry)
        self.rows = parts.rows(job)
        self.sizes = [part.stop - part.start for part in self.rows]

    def _built(self, parameters: Parameters, entry: Entry) -> Any:
        """A network that splits nothing: it is given a part."""
        return super()._built(parameters, replace(entry, parts=False))

    @cached_property
    def part(self) -> Any:
        """Weighted loss and gradients of a part; a program for each number of sequences."""
        return self._program(self._part)

    @cached_property
    def part_outputs(self) -> Any:
        """The outputs of a part; a function for each number of sequences.

        No program of XLA's: at a forward pass alone TensorFlow's executor was up to 1.3 times as fast, and ready
        sooner.
        """
        return tf.function(super()._outputs, autograph=False)

    def stage(self, batches: Sequence[Batch]) -> Staged:
        """Each batch as its parts, on the device."""
        return [self._staged(parts.shares(self.job, batch, self.rows)) for batch in batches]

    def executed(self, batch: Batch) -> str:
        """Read from the graph of the training step: its calls of programs that hold a recurrence's loops."""
        del batch  # its shapes are the job's
        graph = self.step.graph.as_graph_def()
        functions = {function.signature.name: function for function in graph.library.function}
        calls = [functions[node.attr["f"].func.name] for node in graph.node if "PartitionedCall" in node.op]
        programs = [set(map(kind_of, each.node_def)) for each in calls if each.attr["_XlaMustCompile"].b]
        return f"XLA While, {sum('While' in operators for operators in programs)} parts"

    def _staged(self, shares: list[parts.Share]) -> tuple[tf.Tensor, ...]:
        staged = super().stage([share.batch for share in shares])
        with tf.device(self.device):
            weights = [tf.constant(share.weight, self.job.dtype) for share in shares]
        return tuple(tensor for weight, part in zip(weights, staged, strict=True) for tensor in (weight, *part))

    def _batch_specs(self, batch: int) -> list[tf.TensorSpec]:
        del batch  # that of all parts together
        weight, of_part = tf.TensorSpec((), self.job.dtype), super()._batch_specs
        return [spec for size in self.sizes for spec in (weight, *of_part(size))]

    def _compiled(self, body: Callable[..., Any], *specs: tf.TensorSpec) -> Any:
        """Run by TensorFlow's executor; ``body`` calls the programs."""
        with tf.device(self.device):
            return tf.function(body, autograph=False).get_concrete_function(*specs)

    def _step(self, *staged: tf.Tensor) -> tf.Tensor:
        self.traces += 1
        return self._program(lambda found: self._updated(*_sum(found)))(self._of_all(staged))

    def _add(self, *staged: tf.Tensor) -> tf.Tensor:
        self.traces += 1
        return self._program(lambda found: self._added(*_sum(found)))(self._of_all(staged))

    def _finish(self, number: tf.Tensor) -> None:
        self._program(super()._finish)(number)

    def _of_all(self, staged: Sequence[tf.Tensor]) -> list[Found]:
        each = len(staged) // len(self.rows)
        return [self.part(*staged[start : start + each]) for start in range(0, len(staged), each)]

    def _part(self, weight: tf.Tensor, *share: tf.Tensor) -> Found:
        self.traces += 1
        loss, gradients = self._gradients(*share)
        return weight * loss, [weight * gradient for gradient in gradients]

    def _outputs(self, x: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        own = [()] * len(self.sizes) if lengths is None else [(each,) for each in tf.split(lengths, self.sizes)]
        xs = tf.split(x, self.sizes, axis=1 if self.time_first else 0)
        outputs = [self.part_outputs(each, *more) for each, more in zip(xs, own, strict=True)]
        return tf.concat(outputs, axis=1 if self.time_first and self.job.model.readout == "every" else 0)


def _sum(found: list[Found]) -> Found:
    """Losses and gradients of several parts, always in the same order."""
    losses, gradients = zip(*found, strict=True)
    return tf.add_n(losses), [tf.add_n(each) for each in zip(*gradients, strict=True)]
