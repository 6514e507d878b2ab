"""The canonical parameters in one flat vector: NumPy computes in the canonical layout itself."""

from __future__ import annotations

from math import prod

from backends.job import Array, ModelSpec, Parameters
from backends.parameters import shapes


def views_of(flat: Array, model: ModelSpec) -> Parameters:
    """Each parameter of ``model``, in canonical order, as a view into ``flat``."""
    views, start = {}, 0
    for name, shape in shapes(model).items():
        size = prod(shape)
        views[name] = flat[start : start + size].reshape(shape)
        start += size
    return views
