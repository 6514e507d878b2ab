"""The compiled training step: forward pass, backward pass, clipping and update in one program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backends.base import DeviceMemory, Trainer
from backends.jax.cells import Tensor, Tensors
from backends.jax.hlo import described
from backends.jax.layers import forward_only, within
from backends.jax.network import network
from backends.jax.optimizer import OptimizerState, clipped, coming, initial_state, updated
from backends.job import Array, Job, Parameters, checked_lengths, checked_masks, kept_scale, time_major
from backends.parameters import shapes
from backends.variants import Entry
from tasks.base import Batch

Arrays = tuple[Tensor, Tensor, Tensor | None, Tensor | None]
"""x, y, lengths where they vary, and the masks of dropout."""
Staged = list[Arrays]
Found = tuple[Tensor, Tensors]
"""A loss and the gradients, of a batch or of some of it."""


class JaxTrainer(Trainer):
    """Trains with one compiled program per update. Sequences on the device are time-major.

    Programs are compiled ahead of the call, one per shape: nothing is traced again unseen, and ``executed`` reads the
    very program that trains.
    """

    def __init__(self, job: Job, parameters: Parameters, entry: Entry) -> None:
        self.job = job
        self.layers: Any = entry.load_layers() if entry.layers else None
        self.device = jax.devices(job.device)[0]
        self.tensors: Tensors = {name: self._tensor(p.copy()) for name, p in parameters.items()}
        self.state = jax.tree.map(self._tensor, initial_state(job.optimizer, parameters, job.chunk))
        self.updates = 0
        self.compiled: dict[tuple[Any, ...], Any] = {}

    def stage(self, batches: Sequence[Batch]) -> Staged:
        """Batches as arrays on the device."""
        staged = [self._staged(batch) for batch in batches]
        jax.block_until_ready(staged)
        return staged

    def train(self, staged: Staged) -> Array:
        """One call of the compiled step per batch."""
        losses = []
        for batch in self._rated(staged):
            self.tensors, self.state, loss = self._program(batch)(self.tensors, self.state, *batch)
            losses.append(loss)
        jax.block_until_ready((self.tensors, self.state))  # a loss can be ready before its update
        return np.array(jax.device_get(losses))

    def train_accumulated(self, staged: Sequence[Any]) -> Array:
        """One call of the compiled gradients per micro-batch, and one of the update per batch."""
        losses = []
        for micros in self._rated(staged):
            for micro in micros:
                self.total = self._added_to(self.total, micro)
            arguments = self.tensors, self.state, self.total, np.array(len(micros), self.job.dtype)
            finish = self._compiled(("finish",), self._finish, arguments, donate=(0, 1, 2))
            self.tensors, self.state, self.total, loss = finish(*arguments)
            losses.append(loss)
        jax.block_until_ready((self.tensors, self.state))
        return np.array(jax.device_get(losses))

    def _added_to(self, total: Found, micro: Any) -> Found:
        found: Found = self._program(micro)(total, self.tensors, *micro)
        return found

    @cached_property
    def total(self) -> Found:
        """Loss and gradients added up over the micro-batches of one update; zero between updates."""
        dtype = self.job.dtype
        gradients = {name: self._tensor(np.zeros(p.shape, dtype)) for name, p in self.tensors.items()}
        return self._tensor(np.zeros((), dtype)), gradients

    def stage_inputs(self, x: Array, lengths: Array | None = None) -> Any:
        """x in the layout of training, and lengths where they vary."""
        staged = self._tensor(self._layout(x)), self._lengths(lengths)
        jax.block_until_ready(staged)
        return staged

    def predict_staged(self, staged: Any) -> Any:
        """Batch-major, whatever the layout of the inputs."""
        return jax.block_until_ready(self._predictor(staged)(self.tensors, *staged))

    def fetch(self, outputs: Any) -> Array:
        """A copy on the host."""
        return np.array(outputs)

    def _predictor(self, staged: tuple[Tensor, Tensor | None]) -> Any:
        """The compiled forward pass for inputs of this shape."""
        return self._compiled(("predict", staged[0].shape), self._predict, (self.tensors, *staged))

    def parameters(self) -> Parameters:
        """They are kept in the canonical layout."""
        return {name: np.array(self.tensors[name]) for name in self._names()}  # a jit sorts the keys

    def executed(self, batch: Batch) -> str:
        """Read from the compiled training step."""
        [staged] = self.stage([batch])
        return described(self._program(staged).as_text())

    def _names(self) -> Iterable[str]:
        """Of the parameters, in order."""
        return shapes(self.job.model)

    def _program(self, batch: Arrays) -> Any:
        """The compiled training step for a batch of this shape."""
        key = "step", batch[0].shape
        return self.compiled.get(key) or self._compiled(key, *self._training(batch))

    def _training(self, batch: Arrays) -> tuple[Callable[..., Any], Any, tuple[int, ...]]:
        """What is compiled for a batch, its arguments, and which of them it may overwrite.

        It is the whole step; where gradients are accumulated, that part of it which adds a micro-batch's own.
        """
        if self.accumulating:
            return self._added, (self.total, self.tensors, *batch), (0,)
        return self._step, (self.tensors, self.state, *batch), (0, 1)

    def compilations(self) -> int:
        """How many programs were compiled."""
        return len(self.compiled)

    def memory(self) -> DeviceMemory:
        """Of JAX's allocator on the GPU; it keeps no count on the CPU."""
        stats = self.device.memory_stats()  # None on the CPU
        return DeviceMemory(stats["bytes_in_use"], stats["peak_bytes_in_use"]) if stats else DeviceMemory()

    def _compiled(
        self, key: tuple[Any, ...], function: Callable[..., Any], arguments: Any, donate: tuple[int, ...] = ()
    ) -> Any:
        """``function`` compiled for arguments of these shapes, once per ``key``: its name and the shapes that vary."""
        if key not in self.compiled:
            self.compiled[key] = self._lowered(function, arguments, donate).compile(self._options())
        return self.compiled[key]

    def _lowered(self, function: Callable[..., Any], arguments: Any, donate: tuple[int, ...]) -> Any:
        return jax.jit(function, donate_argnums=donate).lower(*arguments)

    def _options(self) -> dict[str, Any]:
        """XLA's options for the programs of this job."""
        if self.job.deterministic and self.job.device == "cuda":
            return {"xla_gpu_deterministic_ops": True}
        return {}

    def _step(
        self,
        tensors: Tensors,
        state: OptimizerState,
        x: Tensor,
        y: Tensor,
        lengths: Tensor | None,
        masks: Tensor | None,
    ) -> tuple[Tensors, OptimizerState, Tensor]:
        loss, gradients = jax.value_and_grad(self._loss)(tensors, x, y, lengths, masks)
        return *self._updated(tensors, state, gradients), loss

    def _added(self, total: Found, tensors: Tensors, *batch: Tensor | None) -> Found:
        added: Found = jax.tree.map(jnp.add, total, jax.value_and_grad(self._loss)(tensors, *batch))
        return added

    def _finish(
        self, tensors: Tensors, state: OptimizerState, total: Found, number: Tensor
    ) -> tuple[Tensors, OptimizerState, Found, Tensor]:
        loss, gradients = jax.tree.map(lambda each: each / number, total)
        return *self._updated(tensors, state, gradients), jax.tree.map(jnp.zeros_like, total), loss

    def _rated(self, staged: Sequence[Any]) -> Iterable[Any]:
        """What was staged, update by update, with the rates of ``job.chunk`` updates put in place at a time."""
        return staged if not self.job.optimizer.scheduled else self._with_rates(staged)

    def _with_rates(self, staged: Sequence[Any]) -> Iterator[Any]:
        for index, batch in enumerate(staged):
            if index % self.job.chunk == 0:
                self._put_rates()
            yield batch
            self.updates += 1

    def _put_rates(self) -> None:
        """Put the rates of the next updates, as many as a chunk has, where the program reads them one by one."""
        rates = self.job.optimizer.rates(self.updates, self.job.chunk)
        self.state |= {name: self._tensor(array) for name, array in coming(rates.astype(self.job.dtype)).items()}

    def _updated(self, tensors: Tensors, state: OptimizerState, gradients: Tensors) -> tuple[Tensors, OptimizerState]:
        rule = self.job.optimizer
        return updated(rule, tensors, clipped(rule, gradients), state)

    def _loss(self, tensors: Tensors, x: Tensor, y: Tensor, lengths: Tensor | None, masks: Tensor | None) -> Tensor:
        out = self._network(tensors, x, lengths, masks)
        if self.job.loss == "ctc":
            return _ctc(out, y, lengths)
        counted = None if lengths is None or out.ndim == 2 else within(out, lengths)[:, :, None]
        if self.job.loss == "mse":
            return jnp.mean((out - y) ** 2, where=counted)
        log_p, smoothing = jax.nn.log_softmax(out), self.job.label_smoothing
        expected = jnp.take_along_axis(log_p, y[..., None], axis=-1)
        if smoothing:
            expected = (1 - smoothing) * expected + smoothing * jnp.mean(log_p, axis=-1, keepdims=True)
        return -jnp.mean(expected, where=counted)

    def _network(self, tensors: Tensors, x: Tensor, lengths: Tensor | None, masks: Tensor | None = None) -> Tensor:
        scale = kept_scale(self.job)
        between = None if masks is None else lambda index, hs: hs * masks[index] * scale
        return network(self.layers, self.job.model, tensors, x.astype(self.job.layer_dtype), lengths, between)

    def _forward_only(self, tensors: Tensors, x: Tensor, lengths: Tensor | None) -> Tensor:
        """What ``_network`` gives; layers that have one compute it by a loop that keeps nothing else."""
        if self.layers is None:
            return self._network(tensors, x, lengths)
        return network(forward_only(self.layers), self.job.model, tensors, x.astype(self.job.layer_dtype), lengths)

    def _predict(self, tensors: Tensors, x: Tensor, lengths: Tensor | None) -> Tensor:
        out = self._forward_only(tensors, x, lengths)
        return out.swapaxes(0, 1) if out.ndim == 3 else out

    def _staged(self, batch: Batch) -> Arrays:
        x = self._tensor(_owned(self._layout(batch.x), batch.x))
        return x, self._tensor(self._target(batch)), self._lengths(batch.lengths), self._masks(batch.masks)

    def _layout(self, x: Array) -> Array:
        """A batch's inputs as the network takes them."""
        return time_major(x)

    def _lengths(self, given: Array | None) -> Tensor | None:
        lengths = checked_lengths(self.job, given)
        return None if lengths is None else self._tensor(lengths.copy())

    def _masks(self, given: Array | None) -> Tensor | None:
        masks = checked_masks(self.job, given)
        return None if masks is None or given is None else self._tensor(_owned(masks, given))

    def _target(self, batch: Batch) -> Array:
        if self.job.loss == "ctc":
            return batch.y.copy()
        return _owned(time_major(batch.y) if self.job.model.readout == "every" else batch.y, batch.y)

    def _tensor(self, array: Array) -> Tensor:
        return jax.device_put(array, self.device)


def _ctc(out: Tensor, y: Tensor, lengths: Tensor | None) -> Tensor:
    """optax's CTC loss, the mean over sequences."""
    import optax

    paddings = jnp.zeros(out.shape[:2], out.dtype) if lengths is None else (~within(out, lengths)).astype(out.dtype)
    no_label = (y < 0).astype(out.dtype)
    # optax's own constants have JAX's widest type: with float64 switched on, they would widen float32 to it
    with jax.enable_x64(out.dtype == jnp.float64):
        losses = optax.ctc_loss(out.swapaxes(0, 1), paddings.T, y, no_label, blank_id=0)
        return jnp.mean(losses)


def _owned(array: Array, source: Array) -> Array:
    """``array``, or a copy where it shares memory with ``source``: on the CPU JAX uses the caller's memory in place."""
    return array.copy() if np.may_share_memory(array, source) else array
