"""A user's own functions, or module of Equinox or Flax NNX, on the training step of ``backends.jax.trainer``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backends import own_cell
from backends.jax import is_module
from backends.jax.cells import Tensor, Tensors
from backends.jax.trainer import JaxTrainer
from backends.job import Array, Job, ModelSpec, Parameters
from backends.own import OwnModel, OwnModelError, takes_lengths
from backends.variants import Entry

XP = own_cell.namespace(
    jnp, sigmoid=jax.nn.sigmoid, relu=jax.nn.relu, mean=lambda a: jnp.mean(a, axis=-1, keepdims=True)
)


class OwnTrainer(JaxTrainer):
    """Trains a user's parameters, any tree of arrays, each by the names on the way to it. Inputs stay batch-major."""

    def __init__(self, job: Job, parameters: Parameters, entry: Entry) -> None:
        assert job.own is not None
        self.own = job.own
        made, self.apply, self.takes_lengths = _made(self.own, job.model)
        leaves, self.tree = jax.tree_util.tree_flatten_with_path(made)
        drawn = {_name(path): np.asarray(leaf) for path, leaf in leaves}  # a dict's are in the order of their names
        if not drawn:
            raise OwnModelError(f"{self.own.name} trains nothing: init returned no arrays")
        for name, array in drawn.items():
            if not np.issubdtype(array.dtype, np.floating):
                raise OwnModelError(
                    f"init of {self.own.name} returned {name} of type {array.dtype}, which has no gradient"
                )
        self.ordered = list(drawn)
        super().__init__(job, parameters or {name: p.astype(job.dtype) for name, p in drawn.items()}, entry)

    def _names(self) -> Iterable[str]:
        return self.ordered

    def _layout(self, x: Array) -> Array:
        return np.ascontiguousarray(x)

    def _network(self, tensors: Tensors, x: Tensor, lengths: Tensor | None, masks: Tensor | None = None) -> Tensor:
        """The outputs for x (B, T, D) as the trainer expects them: (B, outputs) or (T, B, outputs)."""
        assert masks is None  # a spec has no dropout between the layers of a model of a user's own
        parameters = jax.tree_util.tree_unflatten(self.tree, [tensors[name] for name in self.ordered])
        more = (lengths,) if self.takes_lengths else ()
        out = self.apply(parameters, x, *more)
        if not isinstance(out, jax.Array):
            raise OwnModelError(f"{self.own.name} returned a {type(out).__name__}; wanted is an array of its outputs")
        if self.own.last_of(out.shape, self.job, self.takes_lengths):
            out = out[:, -1] if lengths is None else out[jnp.arange(len(out)), lengths - 1]
        return out.swapaxes(0, 1) if out.ndim == 3 else out


Made = tuple[Any, Callable[..., Any], bool]
"""A tree of parameters, what computes the outputs from such a tree and x, and whether that takes lengths."""


def _made(own: OwnModel, model: ModelSpec) -> Made:
    definition, key = own.definition, jax.random.key(own.seed)
    if own_cell.is_cell(definition):
        return own_cell.parameters(own, model), partial(_cell, own, model), False
    if is_module(definition, "equinox"):
        return _of_equinox(own.made(definition, model, key=key))
    if is_module(definition, "flax.nnx"):
        return _of_nnx(own, model)
    return own.made(definition.init, model, key), definition.apply, takes_lengths(definition.apply)


def _cell(own: OwnModel, model: ModelSpec, p: Tensors, x: Tensor) -> Tensor:
    """The outputs of every step for x (B, T, D), by a cell in a scan over time."""

    def step(state: Any, x_t: Tensor) -> tuple[Any, Tensor]:
        state = own_cell.stepped(own, XP, p, x_t, state)
        return state, own_cell.read(state)

    start = own_cell.start(own, lambda: jnp.zeros((len(x), model.hidden), x.dtype))
    _, hs = jax.lax.scan(step, start, x.swapaxes(0, 1))
    return hs.swapaxes(0, 1) @ p["head.W"] + p["head.b"]


def _of_equinox(module: Any) -> Made:
    import equinox

    parameters, rest = equinox.partition(module, equinox.is_inexact_array)

    def apply(parameters: Any, *arguments: Any) -> Any:
        return equinox.combine(parameters, rest)(*arguments)

    return parameters, apply, takes_lengths(type(module).__call__)


def _of_nnx(own: OwnModel, model: ModelSpec) -> Made:
    from flax import nnx

    module = own.made(own.definition, model, rngs=nnx.Rngs(own.seed))
    for _, each in nnx.iter_modules(module):
        if isinstance(each, nnx.Dropout | nnx.BatchNorm):
            raise OwnModelError(
                f"{own.name} has a {type(each).__name__}, which changes more than parameters: that is not trained yet"
            )
    graph, parameters, rest = nnx.split(module, nnx.Param, ...)

    def apply(parameters: Any, *arguments: Any) -> Any:
        return nnx.merge(graph, parameters, rest, copy=True)(*arguments)

    return parameters, apply, takes_lengths(own.definition.__call__)


def _name(path: tuple[object, ...]) -> str:
    """As in "cell.W"; a tree that is one array has a name, too."""
    return jax.tree_util.keystr(path, simple=True, separator=".") or "parameters"
