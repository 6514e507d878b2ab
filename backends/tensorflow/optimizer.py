"""The update rules of ``OptimizerSpec`` as TensorFlow operators. Keras's optimizers add epsilon elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from backends.job import OptimizerSpec

Update = Callable[[list[tf.Tensor]], None]
"""Takes the gradients, one per variable, and updates the variables."""


def update_rule(spec: OptimizerSpec, variables: list[tf.Variable]) -> Update:
    """The rule that ``spec`` names, with its moments at zero."""
    step = _step(spec, variables)

    def decayed(gradients: list[tf.Tensor]) -> None:
        if spec.decoupled:
            for p in variables:
                p.assign(p * (1 - spec.lr * spec.decoupled))
        else:
            gradients = [g + spec.l2 * p for p, g in zip(variables, gradients, strict=True)]
        step(gradients)

    return decayed if spec.weight_decay else step


def clipped(spec: OptimizerSpec, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
    """Clipped by their global norm or by value, as ``spec`` says."""
    if spec.clip_value:
        return [tf.clip_by_value(g, -spec.clip_value, spec.clip_value) for g in gradients]
    if not spec.clip:
        return gradients
    scale = tf.minimum(spec.clip / tf.linalg.global_norm(gradients), 1.0)
    return [g * scale for g in gradients]


def _step(spec: OptimizerSpec, variables: list[tf.Variable]) -> Update:

    def zeros() -> list[tf.Variable]:
        return [tf.Variable(tf.zeros_like(p)) for p in variables]

    if spec.rule == "adam":
        return _adam(spec, variables, zeros(), zeros(), tf.Variable(0.0, dtype=tf.float64))
    if spec.rule == "rmsprop":
        return _rmsprop(spec, variables, zeros())
    return _sgd(spec, variables)


def _sgd(spec: OptimizerSpec, variables: list[Any]) -> Update:
    def update(gradients: list[tf.Tensor]) -> None:
        for p, g in zip(variables, gradients, strict=True):
            p.assign_sub(spec.lr * g)

    return update


def _adam(spec: OptimizerSpec, variables: list[Any], ms: list[Any], vs: list[Any], t: Any) -> Update:
    """The fused operator computes p ← p − lr · m / (√v + ε), so the bias corrections are part of lr and ε.

    With s = √(1−β₂ᵗ), lr·s/(1−β₁ᵗ) · m / (√v + ε·s) is lr · m̂ / (√v̂ + ε). The betas are rounded as the operator
    rounds them, since 1 − 0.999 in float32 is off by 1e-5 and v has the same error; their powers are float64.
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


def _rmsprop(spec: OptimizerSpec, variables: list[Any], vs: list[Any]) -> Update:
    def update(gradients: list[tf.Tensor]) -> None:
        for p, v, g in zip(variables, vs, gradients, strict=True):
            v.assign(spec.alpha * v + (1 - spec.alpha) * g**2)
            p.assign_sub(spec.lr * g / (tf.sqrt(v) + spec.epsilon))

    return update
