"""The update rules of ``OptimizerSpec``, as printed there, as pure functions."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from backends.jax.cells import Tensor, Tensors
from backends.job import Array, OptimizerSpec, Parameters

OptimizerState = dict[str, Any]
"""The moments, each by the parameters' names, and for Adam the number of updates ``t``. Where the learning rate
changes, also what ``coming`` gives."""


def initial_state(spec: OptimizerSpec, parameters: Parameters, chunk: int) -> OptimizerState:
    """Moments of zero, on the host; room for the learning rates of ``chunk`` updates where they change."""
    dtype = next(iter(parameters.values())).dtype
    return _moments(spec, parameters) | (coming(np.zeros(chunk, dtype)) if spec.scheduled else {})


def coming(rates: Array) -> OptimizerState:
    """The learning rates of the coming updates, and which of them is next: one program reads them in turn."""
    return {"rates": rates, "next": np.zeros((), np.int32)}


def _moments(spec: OptimizerSpec, parameters: Parameters) -> OptimizerState:
    moments = {"adam": ("m", "v"), "rmsprop": ("v",), "sgd": ()}[spec.rule]
    state: OptimizerState = {name: {k: np.zeros_like(p) for k, p in parameters.items()} for name in moments}
    return state | {"t": np.zeros((), next(iter(parameters.values())).dtype)} if spec.rule == "adam" else state


def updated(
    spec: OptimizerSpec, tensors: Tensors, gradients: Tensors, state: OptimizerState
) -> tuple[Tensors, OptimizerState]:
    """Parameters and state after one update."""
    lr, rates = _rate(spec, state)
    if spec.l2:
        gradients = {k: g + spec.l2 * tensors[k] for k, g in gradients.items()}
    elif spec.decoupled:
        tensors = {k: p * (1 - lr * spec.decoupled) for k, p in tensors.items()}
    if spec.rule == "adam":
        t = state["t"] + 1
        m = _average(spec.beta1, state["m"], gradients)
        v = _average(spec.beta2, state["v"], {k: g**2 for k, g in gradients.items()})
        one_minus_1, one_minus_2 = _one_minus_power(spec.beta1, t), _one_minus_power(spec.beta2, t)
        return {
            k: p - lr * (m[k] / one_minus_1) / (jnp.sqrt(v[k] / one_minus_2) + spec.epsilon) for k, p in tensors.items()
        }, {"m": m, "v": v, "t": t} | rates
    if spec.rule == "rmsprop":
        v = _average(spec.alpha, state["v"], {k: g**2 for k, g in gradients.items()})
        after = {k: p - lr * gradients[k] / (jnp.sqrt(v[k]) + spec.epsilon) for k, p in tensors.items()}
        return after, {"v": v} | rates
    return {k: p - lr * gradients[k] for k, p in tensors.items()}, rates


def _rate(spec: OptimizerSpec, state: OptimizerState) -> tuple[Any, OptimizerState]:
    """The rate of this update, and what is left of the coming ones; the number ``lr`` and nothing if it is constant."""
    if not spec.scheduled:
        return spec.lr, {}
    rates, index = state["rates"], state["next"]
    return lax.dynamic_index_in_dim(rates, index, keepdims=False), {"rates": rates, "next": index + 1}


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
