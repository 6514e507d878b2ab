"""Clipping and the update, in place on the flat vectors of all parameters and of all gradients."""

from __future__ import annotations

from typing import Any

from backends.job import Array, OptimizerSpec


def clip(xp: Any, spec: OptimizerSpec, grads: Array) -> None:
    """Clip the gradients by their global norm or by value, as ``spec`` says."""
    if spec.clip:
        norm = xp.sqrt(grads @ grads)
        grads *= xp.minimum(spec.clip / xp.maximum(norm, 1e-30), 1)
    elif spec.clip_value:
        xp.minimum(grads, spec.clip_value, out=grads)
        xp.maximum(grads, -spec.clip_value, out=grads)


class Optimizer:
    """The update rules of ``OptimizerSpec``, with as few passes over the vectors as possible."""

    def __init__(self, xp: Any, spec: OptimizerSpec, flat: Array) -> None:
        self.xp, self.spec, self.t = xp, spec, 0
        self.m, self.v, self.step = (xp.zeros_like(flat) for _ in range(3))

    def update(self, p: Array, g: Array) -> None:
        """One update of the parameters p in place; g, the gradient after clipping, is overwritten."""
        xp, s, step = self.xp, self.spec, self.step
        self.t += 1
        lr = s.rate(self.t)
        if s.l2:
            xp.multiply(p, s.l2, out=step)
            g += step
        elif s.decoupled:
            p *= 1 - lr * s.decoupled
        if s.rule == "adam":
            _blend(xp, self.m, g, s.beta1, step)
            xp.multiply(g, g, out=g)
            _blend(xp, self.v, g, s.beta2, step)
            xp.multiply(self.v, 1 / (1 - s.beta2**self.t), out=step)
            xp.sqrt(step, out=step)
            step += s.epsilon
            xp.divide(self.m, step, out=step)
            step *= lr / (1 - s.beta1**self.t)
        elif s.rule == "rmsprop":
            xp.multiply(g, g, out=step)
            self.v *= s.alpha
            step *= 1 - s.alpha
            self.v += step
            xp.sqrt(self.v, out=step)
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
