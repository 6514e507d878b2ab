"""The compiled training step: forward, backward, clip and update in one programme."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backends.base import DeviceMemory, Trainer
from backends.jax import graphs
from backends.jax.cells import Tensor, Tensors
from backends.jax.network import network, within
from backends.job import Array, Job, OptimizerSpec, Parameters, checked_lengths, time_major
from backends.parameters import shapes
from tasks.base import Batch

OptimizerState = dict[str, Any]
Staged = list[tuple[Tensor, Tensor, Tensor | None]]


class JaxTrainer(Trainer):
    """Inside, sequences are time-major.

    Programmes are compiled ahead of the call, one per shape: nothing is traced again unseen,
    and ``executed`` reads the very programme that trains.
    """

    def __init__(self, job: Job, parameters: Parameters) -> None:
        self.job = job
        self.device = jax.devices(job.device)[0]
        self.tensors: Tensors = {name: self._tensor(p.copy()) for name, p in parameters.items()}
        self.state = jax.tree.map(self._tensor, _initial_state(job.optimizer, parameters))
        self.compiled: dict[tuple[Any, ...], Any] = {}

    def stage(self, batches: Sequence[Batch]) -> Staged:
        staged = [self._staged(batch) for batch in batches]
        jax.block_until_ready(staged)
        return staged

    def train(self, staged: Staged) -> Array:
        losses = []
        for batch in staged:
            self.tensors, self.state, loss = self._programme(batch)(self.tensors, self.state, *batch)
            losses.append(loss)
        jax.block_until_ready((self.tensors, self.state))  # a loss can be ready before its update
        return np.array(jax.device_get(losses))

    def predict(self, x: Array, lengths: Array | None = None) -> Array:
        arguments = self.tensors, self._tensor(time_major(x)), self._lengths(lengths)
        return np.array(self._compiled(("predict", x.shape), self._predict, arguments)(*arguments))

    def parameters(self) -> Parameters:
        return {name: np.array(self.tensors[name]) for name in shapes(self.job.model)}  # a jit sorts the keys

    def executed(self, batch: Batch) -> str:
        [staged] = self.stage([batch])
        found = described(self._programme(staged).as_text())
        if self.job.variant != "late-dw-graph":
            return found
        lowered = self._lowered(self._step, (self.tensors, self.state, *staged), donate=(0, 1))
        inside, loops = graphs.loops_in_graphs(lowered, self._options())
        return f"{found}, {inside} of {loops} loops in command buffers"

    def _programme(self, batch: tuple[Tensor, Tensor, Tensor | None]) -> Any:
        """The compiled training step for a batch of this shape."""
        return self._compiled(("step", batch[0].shape), self._step, (self.tensors, self.state, *batch), donate=(0, 1))

    def compilations(self) -> int:
        return len(self.compiled)

    def memory(self) -> DeviceMemory:
        stats = self.device.memory_stats()  # None on the CPU
        return DeviceMemory(stats["bytes_in_use"], stats["peak_bytes_in_use"]) if stats else DeviceMemory()

    def _compiled(
        self, key: tuple[Any, ...], function: Callable[..., Any], arguments: Any, donate: tuple[int, ...] = ()
    ) -> Any:
        """``function`` compiled for arguments of these shapes, once for each ``key``: its name, and what can change."""
        if key not in self.compiled:
            self.compiled[key] = self._lowered(function, arguments, donate).compile(self._options())
        return self.compiled[key]

    def _lowered(self, function: Callable[..., Any], arguments: Any, donate: tuple[int, ...]) -> Any:
        return jax.jit(function, donate_argnums=donate).lower(*arguments)

    def _options(self) -> dict[str, Any]:
        """XLA's options for the programmes of this job."""
        options: dict[str, Any] = {}
        if self.job.deterministic and self.job.device == "cuda":
            options["xla_gpu_deterministic_ops"] = True
        return options | (graphs.OPTIONS if self.job.variant == "late-dw-graph" else {})

    def _step(
        self, tensors: Tensors, state: OptimizerState, x: Tensor, y: Tensor, lengths: Tensor | None
    ) -> tuple[Tensors, OptimizerState, Tensor]:
        loss, gradients = jax.value_and_grad(self._loss)(tensors, x, y, lengths)
        return *self._updated(tensors, state, gradients), loss

    def _updated(self, tensors: Tensors, state: OptimizerState, gradients: Tensors) -> tuple[Tensors, OptimizerState]:
        if self.job.optimizer.clip:
            gradients = _clip(gradients, self.job.optimizer.clip)
        return _update(self.job.optimizer, tensors, gradients, state)

    def _loss(self, tensors: Tensors, x: Tensor, y: Tensor, lengths: Tensor | None) -> Tensor:
        out = self._network(tensors, x, lengths)
        if self.job.loss == "ctc":
            return _ctc(out, y, lengths)
        counted = None if lengths is None or out.ndim == 2 else within(out, lengths)[:, :, None]
        if self.job.loss == "mse":
            return jnp.mean((out - y) ** 2, where=counted)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(out), y[..., None], axis=-1), where=counted)

    def _network(self, tensors: Tensors, x: Tensor, lengths: Tensor | None) -> Tensor:
        return network(self.job.model, self.job.variant, tensors, x.astype(self.job.layer_dtype), lengths)

    def _predict(self, tensors: Tensors, x: Tensor, lengths: Tensor | None) -> Tensor:
        out = self._network(tensors, x, lengths)
        return out.swapaxes(0, 1) if out.ndim == 3 else out

    def _staged(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        x = self._tensor(_owned(time_major(batch.x), batch.x))
        return x, self._tensor(self._target(batch)), self._lengths(batch.lengths)

    def _lengths(self, given: Array | None) -> Tensor | None:
        lengths = checked_lengths(self.job, given)
        return None if lengths is None else self._tensor(lengths.copy())

    def _target(self, batch: Batch) -> Array:
        if self.job.loss == "ctc":
            return batch.y.copy()
        return _owned(time_major(batch.y) if self.job.model.readout == "every" else batch.y, batch.y)

    def _tensor(self, array: Array) -> Tensor:
        return jax.device_put(array, self.device)


def described(text: str) -> str:
    """What the compiled programme ``text`` is: its loop, the products in it there and back, and foreign kernels."""
    products = re.findall(r' (?:dot|custom-call)\(.*op_name="([^"]*jvp\([^"]*while/body/[^"]*dot_general)"', text)
    back = sum("transpose(jvp" in name for name in products)
    updates = "updates in a loop, " if re.search(r'while/body/[^"]*jvp\(', text) else ""
    calls = sorted(set(re.findall(r'custom_call_target="([^"]+)"', text)))
    if any(call.startswith("cudnn_rnn") for call in calls):
        return ", ".join(["XLA", *calls])
    loop = "while" if " while(" in text else "unrolled"  # XLA unrolls some loops by itself
    return ", ".join([f"XLA {updates}{loop}, {len(products) - back} + {back} products in it", *calls])


def _ctc(out: Tensor, y: Tensor, lengths: Tensor | None) -> Tensor:
    """optax's CTC loss, the mean over sequences."""
    import optax

    paddings = jnp.zeros(out.shape[:2], out.dtype) if lengths is None else (~within(out, lengths)).astype(out.dtype)
    no_label = (y < 0).astype(out.dtype)
    # optax's own constants are of JAX's widest type: with float64 switched on, they would lift float32 to it
    with jax.enable_x64(out.dtype == jnp.float64):
        losses = optax.ctc_loss(out.swapaxes(0, 1), paddings.T, y, no_label, blank_id=0)
        return jnp.mean(losses)


def _owned(array: Array, source: Array) -> Array:
    """``array``, or a copy where it is ``source``'s own memory: on the CPU JAX computes from it in place."""
    return array.copy() if np.may_share_memory(array, source) else array


def _initial_state(spec: OptimizerSpec, parameters: Parameters) -> OptimizerState:
    moments = {"adam": ("m", "v"), "rmsprop": ("v",), "sgd": ()}[spec.name]
    state: OptimizerState = {name: {k: np.zeros_like(p) for k, p in parameters.items()} for name in moments}
    return state | {"t": np.zeros((), next(iter(parameters.values())).dtype)} if spec.name == "adam" else state


def _update(
    spec: OptimizerSpec, tensors: Tensors, gradients: Tensors, state: OptimizerState
) -> tuple[Tensors, OptimizerState]:
    """The rules of ``OptimizerSpec``, as printed there."""
    if spec.name == "adam":
        t = state["t"] + 1
        m = _average(spec.beta1, state["m"], gradients)
        v = _average(spec.beta2, state["v"], {k: g**2 for k, g in gradients.items()})
        one_minus_1, one_minus_2 = _one_minus_power(spec.beta1, t), _one_minus_power(spec.beta2, t)
        return {
            k: p - spec.lr * (m[k] / one_minus_1) / (jnp.sqrt(v[k] / one_minus_2) + spec.epsilon)
            for k, p in tensors.items()
        }, {"m": m, "v": v, "t": t}
    if spec.name == "rmsprop":
        v = _average(spec.alpha, state["v"], {k: g**2 for k, g in gradients.items()})
        return {k: p - spec.lr * gradients[k] / (jnp.sqrt(v[k]) + spec.epsilon) for k, p in tensors.items()}, {"v": v}
    return {k: p - spec.lr * gradients[k] for k, p in tensors.items()}, state


def _average(decay: float, old: Tensors, new: Tensors) -> Tensors:
    return {k: decay * old[k] + (1 - decay) * new[k] for k in old}


def _one_minus_power(beta: float, t: Tensor) -> Tensor:
    """1 − βᵗ; the subtraction as printed would lose four of float32's seven digits at β = 0.999, t = 1."""
    return -jnp.expm1(t * (math.log(beta) if beta else -math.inf))


def _clip(gradients: Tensors, clip: float) -> Tensors:
    """Scale to the global norm ``clip`` where the gradients' is larger."""
    norm = jnp.sqrt(sum(jnp.sum(g**2) for g in gradients.values()))
    scale = jnp.where(norm > clip, clip / norm, 1)
    return {k: g * scale for k, g in gradients.items()}
