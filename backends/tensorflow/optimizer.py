"""The update rules of ``OptimizerSpec`` as TensorFlow operators. Keras's optimizers add epsilon elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from backends.job import Array, OptimizerSpec

Update = Callable[[list[tf.Tensor]], None]
"""Takes the gradients, one per variable, and updates the variables."""
Step = Callable[[list[tf.Tensor], Any], None]
"""The same with the learning rate: a number, or a tensor in float64."""


class Rates:
    """The learning rates of the coming updates, which the compiled step reads one after the other."""

    def __init__(self, count: int) -> None:
        self.values = tf.Variable(tf.zeros(count, tf.float64))
        self.index = tf.Variable(0, dtype=tf.int64)  # an int32 would stay on the host

    def put(self, rates: Array) -> None:
        """Have these ones read from now on, shape (count,)."""
        self.values.assign(rates)
        self.index.assign(0)

    def next(self) -> tf.Tensor:
        """In a step: its own rate."""
        rate = tf.gather(self.values, self.index)
        self.index.assign_add(1)
        return rate


def update_rule(spec: OptimizerSpec, variables: list[tf.Variable], rates: Rates | None) -> Update:
    """The rule that ``spec`` names, with its moments at zero.

    Args:
        rates: where the learning rate changes; None where it is ``spec.lr``.
    """
    step = _step(spec, variables)

    def update(gradients: list[tf.Tensor]) -> None:
        lr = spec.lr if rates is None else rates.next()
        if spec.decoupled:
            for p in variables:
                p.assign(p * _typed(1 - lr * spec.decoupled, p))
        elif spec.l2:
            gradients = [g + spec.l2 * p for p, g in zip(variables, gradients, strict=True)]
        step(gradients, lr)

    return update


def clipped(spec: OptimizerSpec, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
    """Clipped by their global norm or by value, as ``spec`` says."""
    if spec.clip_value:
        return [tf.clip_by_value(g, -spec.clip_value, spec.clip_value) for g in gradients]
    if not spec.clip:
        return gradients
    scale = tf.minimum(spec.clip / tf.linalg.global_norm(gradients), 1.0)
    return [g * scale for g in gradients]


def _typed(number: Any, variable: tf.Variable) -> Any:
    """A tensor in the variable's type; a Python number as it is, which every type takes."""
    return tf.cast(number, variable.dtype) if tf.is_tensor(number) else number


def _step(spec: OptimizerSpec, variables: list[tf.Variable]) -> Step:

    def zeros() -> list[tf.Variable]:
        return [tf.Variable(tf.zeros_like(p)) for p in variables]

    if spec.rule == "adam":
        return _adam(spec, variables, zeros(), zeros(), tf.Variable(0.0, dtype=tf.float64))
    if spec.rule == "rmsprop":
        return _rmsprop(spec, variables, zeros())
    return _sgd(variables)


def _sgd(variables: list[Any]) -> Step:
    def update(gradients: list[tf.Tensor], lr: Any) -> None:
        for p, g in zip(variables, gradients, strict=True):
            p.assign_sub(_typed(lr, p) * g)

    return update


def _adam(spec: OptimizerSpec, variables: list[Any], ms: list[Any], vs: list[Any], t: Any) -> Step:
    """The fused operator computes p ← p − lr · m / (√v + ε), so the bias corrections are part of lr and ε.

    With s = √(1−β₂ᵗ), lr·s/(1−β₁ᵗ) · m / (√v + ε·s) is lr · m̂ / (√v̂ + ε). The betas are rounded as the operator
    rounds them, since 1 − 0.999 in float32 is off by 1e-5 and v has the same error; their powers are float64.
    """
    dtype = variables[0].dtype
    beta1, beta2 = (float(dtype.as_numpy_dtype(beta)) for beta in (spec.beta1, spec.beta2))

    def update(gradients: list[tf.Tensor], lr: Any) -> None:
        t.assign_add(1.0)
        s = tf.sqrt(1 - tf.pow(tf.constant(beta2, tf.float64), t))
        lr = tf.cast(lr * s / (1 - tf.pow(tf.constant(beta1, tf.float64), t)), dtype)
        epsilon = tf.cast(spec.epsilon * s, dtype)
        for p, m, v, g in zip(variables, ms, vs, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=p.handle, m=m.handle, v=v.handle, beta1_power=tf.zeros((), dtype), beta2_power=tf.zeros((), dtype),
                lr=lr, beta1=tf.constant(beta1, dtype), beta2=tf.constant(beta2, dtype), epsilon=epsilon, grad=g,
            )  # fmt: skip

    return update


def _rmsprop(spec: OptimizerSpec, variables: list[Any], vs: list[Any]) -> Step:
    def update(gradients: list[tf.Tensor], lr: Any) -> None:
        for p, v, g in zip(variables, vs, gradients, strict=True):
            v.assign(spec.alpha * v + (1 - spec.alpha) * g**2)
            p.assign_sub(_typed(lr, p) * g / (tf.sqrt(v) + spec.epsilon))

    return update
