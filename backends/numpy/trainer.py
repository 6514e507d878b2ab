"""The training step: forward, backward, clip, update, all in place on two flat vectors."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from backends.base import Array, DeviceMemory, Job, OptimizerSpec, Parameters, Trainer, checked_lengths, time_major
from backends.numpy.network import Network
from backends.numpy.runtime import blas_name
from backends.parameters import shapes
from tasks.base import Batch

Staged = list[tuple[Array, Array, Array | None]]


class NumpyTrainer(Trainer):
    """Parameters and gradients are views into one vector each, so that an update is a few passes."""

    def __init__(self, job: Job, parameters: Parameters) -> None:
        self.job = job
        self.xp = array_module(job.device)
        size = sum(p.size for p in parameters.values())
        self.flat, self.flat_grads = (self.xp.zeros(size, job.precision) for _ in range(2))
        self.views, grads = _views(self.flat, job), _views(self.flat_grads, job)
        for name, view in self.views.items():
            view[:] = self.xp.asarray(parameters[name])
        self.network = Network(self.xp, job, self.views, grads)
        self.optimizer = Optimizer(self.xp, job.optimizer, self.flat)

    def stage(self, batches: Sequence[Batch]) -> Staged:
        staged = [(self.xp.asarray(time_major(b.x)), self._target(b), self._lengths(b.lengths)) for b in batches]
        self._synchronize()
        return staged

    def train(self, staged: Staged) -> Array:
        losses = [self._step(*batch) for batch in staged]
        self._synchronize()
        return self._host(self.xp.stack(losses))

    def predict(self, x: Array, lengths: Array | None = None) -> Array:
        out = self.network.forward(self.xp.asarray(time_major(x)), self._lengths(lengths))
        return self._host(out.swapaxes(0, 1) if out.ndim == 3 else out)

    def parameters(self) -> Parameters:
        return {name: self._host(view).copy() for name, view in self.views.items()}

    def executed(self, batch: Batch) -> str:
        library = blas_name() if self.xp is np else "cuBLAS"
        return f"Python loop of {self.xp.__name__}.matmul ({library})"

    def memory(self) -> DeviceMemory:
        if self.xp is np:
            return DeviceMemory()
        pool = self.xp.get_default_memory_pool()
        # CuPy's pool keeps no peak of its own; it never shrinks, so what it holds is the peak.
        return DeviceMemory(pool.used_bytes(), pool.total_bytes())

    def _step(self, x: Array, y: Array, lengths: Array | None) -> Array:
        loss = self.network.loss_and_gradients(x, y, lengths)
        if self.job.optimizer.clip:
            self._clip(self.job.optimizer.clip)
        self.optimizer.update(self.flat, self.flat_grads)
        return loss

    def _clip(self, clip: float) -> None:
        norm = self.xp.sqrt(self.flat_grads @ self.flat_grads)
        self.flat_grads *= self.xp.minimum(clip / self.xp.maximum(norm, 1e-30), 1)

    def _target(self, batch: Batch) -> Array:
        by_step = self.job.model.readout == "every" and self.job.loss != "ctc"
        array: Array = self.xp.asarray(time_major(batch.y) if by_step else batch.y)
        return array

    def _lengths(self, given: Array | None) -> Array | None:
        lengths = checked_lengths(self.job, given)
        return None if lengths is None else self.xp.asarray(lengths)

    def _host(self, array: Array) -> Array:
        return np.asarray(array) if self.xp is np else array.get()  # type: ignore[attr-defined]

    def _synchronize(self) -> None:
        if self.xp is not np:
            self.xp.cuda.get_current_stream().synchronize()


class Optimizer:
    """The update rules of ``OptimizerSpec``, in place."""

    def __init__(self, xp: Any, spec: OptimizerSpec, flat: Array) -> None:
        self.xp, self.spec, self.t = xp, spec, 0
        self.m, self.v, self.step = (xp.zeros_like(flat) for _ in range(3))

    def update(self, p: Array, g: Array) -> None:
        xp, s, step = self.xp, self.spec, self.step
        self.t += 1
        if s.name == "adam":
            _blend(xp, self.m, g, s.beta1, step)
            xp.multiply(g, g, out=g)
            _blend(xp, self.v, g, s.beta2, step)
            xp.multiply(self.v, 1 / (1 - s.beta2**self.t), out=step)
            xp.sqrt(step, out=step)
            step += s.epsilon
            xp.divide(self.m, step, out=step)
            step *= s.lr / (1 - s.beta1**self.t)
        elif s.name == "rmsprop":
            xp.multiply(g, g, out=step)
            self.v *= s.alpha
            step *= 1 - s.alpha
            self.v += step
            xp.sqrt(self.v, out=step)
            step += s.epsilon
            xp.divide(g, step, out=step)
            step *= s.lr
        else:
            xp.multiply(g, s.lr, out=step)
        p -= step


def _blend(xp: Any, mean: Array, value: Array, beta: float, scratch: Array) -> None:
    """mean ← β·mean + (1−β)·value."""
    mean *= beta
    xp.multiply(value, 1 - beta, out=scratch)
    mean += scratch


def array_module(device: str) -> ModuleType:
    """``numpy``, or ``cupy`` with the same interface for CUDA."""
    if device == "cpu":
        return np
    import cupy

    module: ModuleType = cupy
    return module


def _views(flat: Array, job: Job) -> Parameters:
    views, start = {}, 0
    for name, shape in shapes(job.model).items():
        size = int(np.prod(shape))
        views[name] = flat[start : start + size].reshape(shape)
        start += size
    return views
