"""The compiled training step: forward pass, backward pass, clipping and update in one ``tf.function``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from backends.base import DeviceMemory, Trainer
from backends.job import Array, Job, Parameters, checked_lengths, checked_masks, time_major
from backends.keras_layout import from_keras, to_keras
from backends.parameters import layer, layer_names
from backends.tensorflow.network import Network
from backends.tensorflow.optimizer import Rates, clipped, update_rule
from backends.variants import Entry
from tasks.base import Batch

Staged = list[tuple[tf.Tensor, ...]]
"""x, y, lengths where the job is variable, and masks where it has dropout."""

Found = tuple[tf.Tensor, list[tf.Tensor]]
"""A loss and the gradients, of a batch or of some of it."""

#: Operators that compute a recurrence, most specific first.
RECURRENCES = ("CudnnRNNV3", "BlockLSTM", "While")


class TensorflowTrainer(Trainer):
    """Sequences on the device are time-major where the layers want them so, and batch-major for Keras's."""

    #: What the gradient of a variable is that has no part in the loss: ``none`` at all, or ``zero``.
    unconnected: ClassVar[str] = "none"

    def __init__(self, job: Job, parameters: Parameters, entry: Entry) -> None:
        self.job = job
        self.device = "/GPU:0" if job.device == "cuda" else "/CPU:0"
        with tf.device(self.device):
            self.network = self._built(parameters, entry)
            self.rates = Rates(job.chunk) if job.optimizer.scheduled else None
            self.update = update_rule(job.optimizer, self.network.variables, self.rates)
        self.updates = 0
        self.time_first, self.traces = self.network.time_first, 0

    def _built(self, parameters: Parameters, entry: Entry) -> Any:
        """What maps inputs and lengths to outputs, a ``Network`` or like one."""
        model = self.job.model
        own = {prefix: to_keras(model.cell, layer(parameters, prefix)) for _, _, prefix in layer_names(model)}
        own["head"] = [parameters["head.W"].T, parameters["head.b"]]
        return Network(self.job, entry, own)

    # A concrete function has fixed shapes. It is traced once, on first use, and never again; a batch of another shape
    # is an error.

    @cached_property
    def step(self) -> Any:
        """One update: maps a staged batch to the loss before it.

        Where gradients are accumulated, no update: they are added to ``self.totals``, until ``finish``.
        """
        body = self._add if self.accumulating and self.totals else self._step
        return self._compiled(body, *self._batch_specs(self.job.batch))

    @cached_property
    def finish(self) -> Any:
        """One update with the mean of the gradients that ``step`` has added up: maps their number to nothing."""
        return self._compiled(self._finish, tf.TensorSpec((), self.job.dtype))

    @cached_property
    def totals(self) -> list[tf.Variable]:
        """Gradients added up over the micro-batches of one update. First asked for before what uses them is traced."""
        with tf.device(self.device):
            return [tf.Variable(tf.zeros_like(p)) for p in self.network.variables]

    @cached_property
    def outputs(self) -> Any:
        """The forward pass: maps x and, where they vary, lengths to the outputs."""
        return self._compiled(self._outputs, self._input_spec(self.job.batch), *self._length_specs(self.job.batch))

    def stage(self, batches: Sequence[Batch]) -> Staged:
        """As tensors on the device."""
        staged = [
            (self._sequence(b.x), self._target(b), *self._lengths(b.lengths), *self._masks(b.masks)) for b in batches
        ]
        self._synchronize()
        return staged

    def train(self, staged: Staged) -> Array:
        """One call of ``step`` per batch."""
        with tf.device(self.device):
            losses = tf.stack([self.step(*batch) for batch in self._rated(staged)])
        self._synchronize()
        values: Array = losses.numpy()
        return values

    def train_accumulated(self, staged: Sequence[Staged]) -> Array:
        """One call of ``step`` per micro-batch, and one of ``finish`` per batch."""
        with tf.device(self.device):
            losses = tf.stack([self._accumulated(micros) for micros in self._rated(staged)])
        self._synchronize()
        values: Array = losses.numpy()
        return values

    def _accumulated(self, micros: Staged) -> tf.Tensor:
        loss = tf.reduce_mean(tf.stack([self.step(*micro) for micro in micros]))
        self.finish(tf.constant(len(micros), self.job.dtype))
        return loss

    def stage_inputs(self, x: Array, lengths: Array | None = None) -> tuple[tf.Tensor, ...]:
        """As tensors on the device, in the layout of training."""
        staged = self._sequence(x), *self._lengths(lengths)
        self._synchronize()
        return staged

    def predict_staged(self, staged: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """One call of ``outputs``, in the layout of the layers."""
        with tf.device(self.device):
            out = self.outputs(*staged)
        self._synchronize()
        return out

    def fetch(self, outputs: tf.Tensor) -> Array:
        """Batch-major, whatever the layout on the device."""
        out: Array = outputs.numpy()
        return time_major(out) if out.ndim == 3 and self.time_first else out

    def parameters(self) -> Parameters:
        """From each layer's own layout."""
        found: Parameters = {}
        for _, _, prefix in layer_names(self.job.model):
            own = [variable.numpy() for variable in self.network.layers[prefix].variables]
            found |= {f"{prefix}.{name}": array for name, array in from_keras(self.job.model.cell, own).items()}
        W, b = (variable.numpy() for variable in self.network.head)
        return found | {"head.W": np.ascontiguousarray(W.T), "head.b": b}

    def executed(self, batch: Batch) -> str:
        """Read from the graph of the training step, the functions of its loops and branches included."""
        del batch  # its shapes are the job's
        inner, operators = self._operators()
        recurrence = next((kind for kind in RECURRENCES if kind in operators), None)
        layers = self.job.model.layers * self.job.model.directions
        if recurrence is None:
            products_per_step = 3  # one in the forward pass, two in the backward pass
            unrolled = operators["MatMul"] >= products_per_step * layers * self.job.length
            return "MatMul, unrolled" if unrolled else "no recurrence known by name"
        if self.step.function_def.attr["_XlaMustCompile"].b:
            return f"XLA updates in a loop, {recurrence}" if "While" in inner else f"XLA {recurrence}"
        loops = 2 if recurrence == "While" else 1  # one in the forward pass, one in the backward pass
        parts = operators[recurrence] // (loops * layers)
        return f"{recurrence}, {parts} parts" if parts > 1 else recurrence

    def compilations(self) -> int:
        """How many functions were traced."""
        return self.traces

    def memory(self) -> DeviceMemory:
        """Of TensorFlow's allocator on the GPU; it keeps no count on the CPU."""
        if self.job.device == "cpu":
            return DeviceMemory()
        info = tf.config.experimental.get_memory_info("GPU:0")
        return DeviceMemory(info["current"], info["peak"])

    def _operators(self) -> tuple[Counter[str], Counter[str]]:
        """How many operators of each kind the training step has: those in functions of loops and branches, and all."""
        graph = self.step.graph.as_graph_def()
        inner = Counter(kind_of(node) for function in graph.library.function for node in function.node_def)
        return inner, inner + Counter(map(kind_of, graph.node))

    def _compiled(self, body: Callable[..., tf.Tensor], *specs: tf.TensorSpec) -> Any:
        with tf.device(self.device):
            return self._program(body).get_concrete_function(*specs)

    def _program(self, body: Callable[..., Any]) -> Any:
        """``body`` as one function, which XLA compiles where the layers are made for it."""
        xla = self.network.xla or None  # None: TensorFlow decides
        return tf.function(body, jit_compile=xla, autograph=False)

    def _step(self, x: tf.Tensor, y: tf.Tensor, *others: tf.Tensor) -> tf.Tensor:
        self.traces += 1  # this body runs only while it is traced
        return self._updated(*self._gradients(x, y, *others))

    def _add(self, x: tf.Tensor, y: tf.Tensor, *others: tf.Tensor) -> tf.Tensor:
        self.traces += 1
        return self._added(*self._gradients(x, y, *others))

    def _updated(self, loss: tf.Tensor, gradients: list[tf.Tensor]) -> tf.Tensor:
        self.update(clipped(self.job.optimizer, gradients))
        return loss

    def _added(self, loss: tf.Tensor, gradients: list[tf.Tensor]) -> tf.Tensor:
        for total, gradient in zip(self.totals, gradients, strict=True):
            total.assign_add(gradient)
        return loss

    def _finish(self, number: tf.Tensor) -> None:
        self.traces += 1
        self.update(clipped(self.job.optimizer, [total / number for total in self.totals]))
        for total in self.totals:
            total.assign(tf.zeros_like(total))

    def _gradients(self, x: tf.Tensor, y: tf.Tensor, *others: tf.Tensor) -> Found:
        variables = self.network.variables
        lengths = others[0] if self.job.variable else None
        masks = others[-1] if self.job.dropout else None
        with tf.GradientTape() as tape:
            loss = self._loss(self.network(x, lengths, masks), y, lengths)
        return loss, tape.gradient(loss, variables, unconnected_gradients=self.unconnected)

    def _rated(self, staged: Sequence[Any]) -> Iterable[Any]:
        """What was staged, update by update, with the rates of ``job.chunk`` updates put in place at a time."""
        return staged if self.rates is None else self._with_rates(staged, self.rates)

    def _with_rates(self, staged: Sequence[Any], rates: Rates) -> Iterator[Any]:
        for index, batch in enumerate(staged):
            if index % self.job.chunk == 0:
                rates.put(self.job.optimizer.rates(self.updates, self.job.chunk))
            yield batch
            self.updates += 1

    def _outputs(self, x: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        self.traces += 1
        return self.network(x, lengths, predicting=True)

    def _loss(self, out: tf.Tensor, y: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
        if self.job.loss == "ctc":
            return self._ctc(out, y, lengths)
        if self.job.loss == "mse":
            losses = tf.reduce_mean(tf.math.squared_difference(out, y), axis=-1)
        elif smoothing := self.job.label_smoothing:
            classes = self.job.model.outputs
            target = (1 - smoothing) * tf.one_hot(y, classes, dtype=out.dtype) + smoothing / classes
            losses = tf.nn.softmax_cross_entropy_with_logits(target, out)
        else:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, out)
        if lengths is None or self.job.model.readout == "last":
            return tf.reduce_mean(losses)
        within = tf.sequence_mask(lengths, self.job.length, losses.dtype)
        within = tf.transpose(within) if self.time_first else within
        return tf.reduce_sum(losses * within) / tf.reduce_sum(within)

    def _ctc(self, out: tf.Tensor, y: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
        """The mean over sequences. Sparse labels make TensorFlow use a fused operator, which XLA cannot compile; dense
        ones a loop, which it can."""
        if lengths is None:
            lengths = tf.fill((y.shape[0],), self.job.length)
        labels, counts = tf.maximum(y, 0), tf.reduce_sum(tf.cast(y >= 0, tf.int32), axis=1)
        if not self.network.xla:
            labels, counts = tf.sparse.from_dense(labels), None
        return tf.reduce_mean(tf.nn.ctc_loss(labels, out, counts, lengths, self.time_first, blank_index=0))

    def _steps(self, *shape: int) -> tuple[int, ...]:
        """(batch, …) with the length inserted where the layers have their time axis."""
        return (self.job.length, *shape) if self.time_first else (shape[0], self.job.length, *shape[1:])

    def _input_spec(self, batch: int) -> tf.TensorSpec:
        return tf.TensorSpec(self._steps(batch, self.job.model.inputs), self.job.dtype)

    def _target_spec(self, batch: int) -> tf.TensorSpec:
        model, mse = self.job.model, self.job.loss == "mse"
        if self.job.loss == "ctc":
            return tf.TensorSpec((batch, self.job.labels), "int32")
        shape = (batch, model.outputs) if mse else (batch,)
        return tf.TensorSpec(
            self._steps(*shape) if model.readout == "every" else shape, self.job.dtype if mse else "int32"
        )

    def _length_specs(self, batch: int) -> list[tf.TensorSpec]:
        return [tf.TensorSpec((batch,), "int32")] if self.job.variable else []

    def _mask_specs(self, batch: int) -> list[tf.TensorSpec]:
        model = self.job.model
        shape = model.layers - 1, *self._steps(batch, model.features)
        return [tf.TensorSpec(shape, "bool")] if self.job.dropout else []

    def _batch_specs(self, batch: int) -> list[tf.TensorSpec]:
        """Of a staged batch of so many sequences."""
        of_each = self._input_spec(batch), self._target_spec(batch)
        return [*of_each, *self._length_specs(batch), *self._mask_specs(batch)]

    def _masks(self, given: Array | None) -> list[tf.Tensor]:
        """One tensor (layers - 1, …) in the layout of the layers, or none where nothing is dropped."""
        masks = checked_masks(self.job, given, self.time_first)
        return [] if masks is None else [self._tensor(masks)]

    def _lengths(self, given: Array | None) -> list[tf.Tensor]:
        """The last argument of ``step`` and ``outputs``: one tensor, or none where lengths do not vary."""
        lengths = checked_lengths(self.job, given)
        return [] if lengths is None else [self._tensor(lengths)]

    def _sequence(self, x: Array) -> tf.Tensor:
        return self._tensor(time_major(x) if self.time_first else x)

    def _target(self, batch: Batch) -> tf.Tensor:
        y = batch.y if self.job.loss == "mse" else batch.y.astype("int32")
        by_step = self.job.model.readout == "every" and self.job.loss != "ctc"
        return self._sequence(y) if by_step else self._tensor(y)

    def _tensor(self, array: Array) -> tf.Tensor:
        with tf.device(self.device):
            return tf.constant(array)

    def _synchronize(self) -> None:
        """Wait for the device. On the CPU a call of a ``tf.function`` returns when its updates are done."""
        if self.job.device == "cuda":
            tf.test.experimental.sync_devices()


def kind_of(node: Any) -> str:
    """An operator's name, the same for a loop with state and one without."""
    return str(node.op).removeprefix("Stateless")
