"""The compiled training step: forward, backward, clip, update in one ``tf.function``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from backends.base import DeviceMemory, Trainer
from backends.job import Array, Job, OptimizerSpec, Parameters, checked_lengths, time_major
from backends.parameters import layer, layer_names
from backends.tensorflow.cells import Network
from backends.tensorflow.convert import from_own, to_own
from tasks.base import Batch

Staged = list[tuple[tf.Tensor, ...]]
"""x, y and, where the job is variable, lengths."""

#: Operators that compute a recurrence, most specific first.
RECURRENCES = ("CudnnRNNV3", "BlockLSTM", "While")

#: Variants whose training step XLA compiles.
COMPILED = ("xla", "chunk")


class TensorflowTrainer(Trainer):
    """Inside, sequences are time-major, but for Keras's layers, which want batches first."""

    def __init__(self, job: Job, parameters: Parameters) -> None:
        self.job, model = job, job.model
        self.time_first = not job.variant.startswith("keras")
        self.device = "/GPU:0" if job.device == "cuda" else "/CPU:0"
        own = {prefix: to_own(model.cell, layer(parameters, prefix)) for _, _, prefix in layer_names(model)}
        own["head"] = [parameters["head.W"].T, parameters["head.b"]]
        with tf.device(self.device):
            self.network = Network(model, job.variant, own, job.layer_dtype)
            self.update = _optimizer(job.optimizer, self.network.variables)
        self.traces = 0

    # A concrete function has its shapes fixed: traced once, on first use, it can never be retraced,
    # and a batch of another shape is an error.

    @cached_property
    def step(self) -> Any:
        """x, y and lengths, where they vary, to the loss before the update that it makes."""
        return self._compiled(self._step, self._input_spec(), self._target_spec(), *self._length_specs())

    @cached_property
    def outputs(self) -> Any:
        return self._compiled(self._outputs, self._input_spec(), *self._length_specs())

    def stage(self, batches: Sequence[Batch]) -> Staged:
        staged = [(self._sequence(b.x), self._target(b), *self._lengths(b.lengths)) for b in batches]
        self._synchronize()
        return staged

    def train(self, staged: Staged) -> Array:
        with tf.device(self.device):
            losses = tf.stack([self.step(*batch) for batch in staged])
        self._synchronize()
        values: Array = losses.numpy()
        return values

    def predict(self, x: Array, lengths: Array | None = None) -> Array:
        with tf.device(self.device):
            out: Array = self.outputs(self._sequence(x), *self._lengths(lengths)).numpy()
        return time_major(out) if out.ndim == 3 and self.time_first else out

    def parameters(self) -> Parameters:
        found: Parameters = {}
        for _, _, prefix in layer_names(self.job.model):
            own = [variable.numpy() for variable in self.network.layers[prefix].variables]
            found |= {f"{prefix}.{name}": array for name, array in from_own(self.job.model.cell, own).items()}
        W, b = (variable.numpy() for variable in self.network.head)
        return found | {"head.W": np.ascontiguousarray(W.T), "head.b": b}

    def executed(self, batch: Batch) -> str:
        """Read from the graph of the training step, its loops' and branches' functions included."""
        graph = self.step.graph.as_graph_def()
        within = Counter(_kind(node) for function in graph.library.function for node in function.node_def)
        ran = within + Counter(map(_kind, graph.node))
        found = next((op for op in RECURRENCES if op in ran), None)
        model = self.job.model
        if found is None:
            unrolled = ran["MatMul"] >= 3 * model.layers * model.directions * self.job.length  # one there, two back
            return "MatMul, unrolled" if unrolled else "no recurrence known by name"
        if self.step.function_def.attr["_XlaMustCompile"].b:
            return f"XLA updates in a loop, {found}" if "While" in within else f"XLA {found}"
        loops = 2 if found == "While" else 1  # a loop there, and one back
        parts = ran[found] // (loops * model.layers * model.directions)
        return f"{found}, {parts} parts" if parts > 1 else found

    def compilations(self) -> int:
        return self.traces

    def memory(self) -> DeviceMemory:
        if self.job.device == "cpu":
            return DeviceMemory()
        info = tf.config.experimental.get_memory_info("GPU:0")
        return DeviceMemory(info["current"], info["peak"])

    def _compiled(self, body: Callable[..., tf.Tensor], *specs: tf.TensorSpec) -> Any:
        xla = self.job.variant in COMPILED or None
        with tf.device(self.device):
            return tf.function(body, jit_compile=xla, autograph=False).get_concrete_function(*specs)

    def _step(self, x: tf.Tensor, y: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        self.traces += 1  # this body runs only while it is traced
        variables = self.network.variables
        with tf.GradientTape() as tape:
            loss = self._loss(self.network(x, lengths), y, lengths)
        gradients = tape.gradient(loss, variables)
        if self.job.optimizer.clip:
            gradients = _clip(gradients, self.job.optimizer.clip)
        self.update(gradients)
        return loss

    def _outputs(self, x: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        self.traces += 1
        return self.network(x, lengths)

    def _loss(self, out: tf.Tensor, y: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
        if self.job.loss == "ctc":
            return self._ctc(out, y, lengths)
        if self.job.loss == "mse":
            losses = tf.reduce_mean(tf.math.squared_difference(out, y), axis=-1)
        else:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, out)
        if lengths is None or self.job.model.readout == "last":
            return tf.reduce_mean(losses)
        within = tf.sequence_mask(lengths, self.job.length, losses.dtype)
        within = tf.transpose(within) if self.time_first else within
        return tf.reduce_sum(losses * within) / tf.reduce_sum(within)

    def _ctc(self, out: tf.Tensor, y: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
        """The mean over sequences. Sparse labels choose a fused operator, dense ones a loop, which XLA compiles."""
        if lengths is None:
            lengths = tf.fill((self.job.batch,), self.job.length)
        labels, counts = tf.maximum(y, 0), tf.reduce_sum(tf.cast(y >= 0, tf.int32), axis=1)
        if self.job.variant not in COMPILED:
            labels, counts = tf.sparse.from_dense(labels), None
        return tf.reduce_mean(tf.nn.ctc_loss(labels, out, counts, lengths, self.time_first, blank_index=0))

    def _steps(self, *shape: int) -> tuple[int, ...]:
        """(batch, …) with the length where this variant has its time axis."""
        return (self.job.length, *shape) if self.time_first else (shape[0], self.job.length, *shape[1:])

    def _input_spec(self) -> tf.TensorSpec:
        return tf.TensorSpec(self._steps(self.job.batch, self.job.model.inputs), self.job.dtype)

    def _target_spec(self) -> tf.TensorSpec:
        model, mse = self.job.model, self.job.loss == "mse"
        if self.job.loss == "ctc":
            return tf.TensorSpec((self.job.batch, self.job.labels), "int32")
        shape = (self.job.batch, model.outputs) if mse else (self.job.batch,)
        return tf.TensorSpec(
            self._steps(*shape) if model.readout == "every" else shape, self.job.dtype if mse else "int32"
        )

    def _length_specs(self) -> list[tf.TensorSpec]:
        return [tf.TensorSpec((self.job.batch,), "int32")] if self.job.variable else []

    def _lengths(self, given: Array | None) -> list[tf.Tensor]:
        """None or one, to be handed on as the last argument."""
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
        """Wait for the device. On CPU a call of a ``tf.function`` returns with its updates done."""
        if self.job.device == "cuda":
            tf.test.experimental.sync_devices()


def _optimizer(spec: OptimizerSpec, variables: list[tf.Variable]) -> Callable[[list[tf.Tensor]], None]:
    """The rules of ``OptimizerSpec``. Keras's optimizers put epsilon elsewhere."""

    def zeros() -> list[tf.Variable]:
        return [tf.Variable(tf.zeros_like(p)) for p in variables]

    if spec.name == "adam":
        return _adam(spec, variables, zeros(), zeros(), tf.Variable(0.0, dtype=tf.float64))
    if spec.name == "rmsprop":
        return _rmsprop(spec, variables, zeros())

    def sgd(gradients: list[tf.Tensor]) -> None:
        for p, g in zip(variables, gradients, strict=True):
            p.assign_sub(spec.lr * g)

    return sgd


def _adam(spec: OptimizerSpec, variables: list[Any], ms: list[Any], vs: list[Any], t: Any) -> Callable[..., None]:
    """The fused operator computes p ← p − lr · m / (√v + ε): the bias corrections go into lr and ε.

    With s = √(1−β₂ᵗ), lr·s/(1−β₁ᵗ) · m / (√v + ε·s) is lr · m̂ / (√v̂ + ε). The powers are taken in
    float64 of the betas as the operator rounds them: 1 − 0.999 in float32 is off by 1e-5, in v as here.
    """
    dtype = variables[0].dtype
    beta1, beta2 = (float(dtype.as_numpy_dtype(beta)) for beta in (spec.beta1, spec.beta2))

    def update(gradients: list[tf.Tensor]) -> None:
        t.assign_add(1.0)
        s = tf.sqrt(1 - tf.pow(tf.constant(beta2, tf.float64), t))
        lr = tf.cast(spec.lr * s / (1 - tf.pow(tf.constant(beta1, tf.float64), t)), dtype)
        epsilon = tf.cast(spec.epsilon * s, dtype)
        for p, m, v, g in zip(variables, ms, vs, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=p.handle, m=m.handle, v=v.handle, beta1_power=tf.zeros((), dtype), beta2_power=tf.zeros((), dtype),
                lr=lr, beta1=tf.constant(beta1, dtype), beta2=tf.constant(beta2, dtype), epsilon=epsilon, grad=g,
            )  # fmt: skip

    return update


def _rmsprop(spec: OptimizerSpec, variables: list[Any], vs: list[Any]) -> Callable[..., None]:
    def update(gradients: list[tf.Tensor]) -> None:
        for p, v, g in zip(variables, vs, gradients, strict=True):
            v.assign(spec.alpha * v + (1 - spec.alpha) * g**2)
            p.assign_sub(spec.lr * g / (tf.sqrt(v) + spec.epsilon))

    return update


def _kind(node: Any) -> str:
    """An operator's name; a loop is one whether or not it has state."""
    return str(node.op).removeprefix("Stateless")


def _clip(gradients: list[tf.Tensor], clip: float) -> list[tf.Tensor]:
    """Scale to the global norm ``clip`` where theirs is larger."""
    scale = tf.minimum(clip / tf.linalg.global_norm(gradients), 1.0)
    return [g * scale for g in gradients]
