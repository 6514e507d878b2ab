"""Clipping and the update, in place on the flat vectors of all parameters and of all gradients."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from backends.job import Array, OptimizerSpec

#: Numbers of each vector that are updated at a time on a CPU: what an update passes over a dozen times then stays in a
#: core's second cache. With a quarter of that, two threads lose more than they gain, waiting for the interpreter.
BLOCK = 65536


def clip(xp: Any, spec: OptimizerSpec, grads: Array) -> None:
    """Clip the gradients by their global norm or by value, as ``spec`` says."""
    if spec.clip:
        norm = xp.sqrt(grads @ grads)
        grads *= xp.minimum(spec.clip / xp.maximum(norm, 1e-30), 1)
    elif spec.clip_value:
        xp.minimum(grads, spec.clip_value, out=grads)
        xp.maximum(grads, -spec.clip_value, out=grads)


class Spans:
    """Long vectors cut into a span for each thread, and each span into blocks that stay in a cache.

    Args:
        xp: ``numpy`` or ``cupy``; a GPU divides work by itself, and gets vectors whole.
        size: numbers of a vector.
        threads: of the parts of a batch, and how many; None where this thread does all.
    """

    def __init__(self, xp: Any, size: int, threads: ThreadPoolExecutor | None = None, count: int = 1) -> None:
        block = BLOCK if xp is np else size
        blocks = [slice(start, min(start + block, size)) for start in range(0, size, block)]
        count = min(count, len(blocks))
        self.spans = [blocks[len(blocks) * k // count : len(blocks) * (k + 1) // count] for k in range(count)]
        self.threads = threads if count > 1 else None

    def each(self, function: Callable[[list[slice]], None]) -> None:
        """Call ``function`` with the blocks of each span, in the threads where there are several."""
        list(self.threads.map(function, self.spans) if self.threads else map(function, self.spans))


class Optimizer:
    """The update rules of ``OptimizerSpec``, with as few passes over the vectors as possible."""

    def __init__(self, xp: Any, spec: OptimizerSpec, flat: Array, spans: Spans) -> None:
        self.xp, self.spec, self.spans, self.t = xp, spec, spans, 0
        self.m, self.v = xp.zeros_like(flat), xp.zeros_like(flat)

    def update(self, p: Array, g: Array) -> None:
        """One update of the parameters p in place; g, the gradient after clipping, is overwritten."""
        self.t += 1

        def of_span(blocks: list[slice]) -> None:
            scratch = self.xp.empty_like(p[blocks[0]])  # no later block is longer
            for at in blocks:
                self._update(p[at], g[at], self.m[at], self.v[at], scratch[: at.stop - at.start])

        self.spans.each(of_span)

    def _update(self, p: Array, g: Array, m: Array, v: Array, step: Array) -> None:
        """The rule on a block of the vectors; ``step`` is scratch space."""
        xp, s = self.xp, self.spec
        lr = s.rate(self.t)
        if s.l2:
            xp.multiply(p, s.l2, out=step)
            g += step
        elif s.decoupled:
            p *= 1 - lr * s.decoupled
        if s.rule == "adam":
            _blend(xp, m, g, s.beta1, step)
            xp.multiply(g, g, out=g)
            _blend(xp, v, g, s.beta2, step)
            xp.multiply(v, 1 / (1 - s.beta2**self.t), out=step)
            xp.sqrt(step, out=step)
            step += s.epsilon
            xp.divide(m, step, out=step)
            step *= lr / (1 - s.beta1**self.t)
        elif s.rule == "rmsprop":
            xp.multiply(g, g, out=step)
            v *= s.alpha
            step *= 1 - s.alpha
            v += step
            xp.sqrt(v, out=step)
            step += s.epsilon
            xp.divide(g, step, out=step)
            step *= lr
        else:
            xp.multiply(g, lr, out=step)
        p -= step


def _blend(xp: Any, mean: Array, value: Array, beta: float, scratch: Array) -> None:
    """mean ← β·mean + (1−β)·value."""
    mean *= beta
    xp.multiply(value, 1 - beta, out=scratch)
    mean += scratch
