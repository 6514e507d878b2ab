"""The update rules of ``OptimizerSpec``, as printed there, as pure functions."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from backends.jax.cells import Tensor, Tensors
from backends.job import OptimizerSpec, Parameters

OptimizerState = dict[str, Any]
"""The moments, each by the parameters' names, and for Adam the number of updates ``t``."""


def initial_state(spec: OptimizerSpec, parameters: Parameters) -> OptimizerState:
    """Moments of zero, on the host."""
    moments = {"adam": ("m", "v"), "rmsprop": ("v",), "sgd": ()}[spec.rule]
    state: OptimizerState = {name: {k: np.zeros_like(p) for k, p in parameters.items()} for name in moments}
    return state | {"t": np.zeros((), next(iter(parameters.values())).dtype)} if spec.rule == "adam" else state


def updated(
    spec: OptimizerSpec, tensors: Tensors, gradients: Tensors, state: OptimizerState
) -> tuple[Tensors, OptimizerState]:
    """Parameters and state after one update."""
    if spec.l2:
        gradients = {k: g + spec.l2 * tensors[k] for k, g in gradients.items()}
    elif spec.decoupled:
        tensors = {k: p * (1 - spec.lr * spec.decoupled) for k, p in tensors.items()}
    if spec.rule == "adam":
        t = state["t"] + 1
        m = _average(spec.beta1, state["m"], gradients)
        v = _average(spec.beta2, state["v"], {k: g**2 for k, g in gradients.items()})
        one_minus_1, one_minus_2 = _one_minus_power(spec.beta1, t), _one_minus_power(spec.beta2, t)
        return {
            k: p - spec.lr * (m[k] / one_minus_1) / (jnp.sqrt(v[k] / one_minus_2) + spec.epsilon)
            for k, p in tensors.items()
        }, {"m": m, "v": v, "t": t}
    if spec.rule == "rmsprop":
        v = _average(spec.alpha, state["v"], {k: g**2 for k, g in gradients.items()})
        return {k: p - spec.lr * gradients[k] / (jnp.sqrt(v[k]) + spec.epsilon) for k, p in tensors.items()}, {"v": v}
    return {k: p - spec.lr * gradients[k] for k, p in tensors.items()}, state


def _average(decay: float, old: Tensors, new: Tensors) -> Tensors:
    return {k: decay * old[k] + (1 - decay) * new[k] for k in old}


def _one_minus_power(beta: float, t: Tensor) -> Tensor:
    """1 − βᵗ without cancellation: subtracting would lose four of float32's seven digits at β = 0.999, t = 1."""
    return -jnp.expm1(t * (math.log(beta) if beta else -math.inf))


def clipped(spec: OptimizerSpec, gradients: Tensors) -> Tensors:
    """Clipped by their global norm or by value, as ``spec`` says."""
    if spec.clip_value:
        return {k: jnp.clip(g, -spec.clip_value, spec.clip_value) for k, g in gradients.items()}
    if not spec.clip:
        return gradients
    norm = jnp.sqrt(sum(jnp.sum(g**2) for g in gradients.values()))
    scale = jnp.where(norm > spec.clip, spec.clip / norm, 1)
    return {k: g * scale for k, g in gradients.items()}
