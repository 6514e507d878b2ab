"""Parameters in one flat vector, a cell's in the canonical layout, in which NumPy computes itself."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from backends.job import Array, Parameters


def views_of(flat: Array, shapes: Mapping[str, tuple[int, ...]]) -> Parameters:
    """Each parameter by its name, of its shape and in this order, as a view into ``flat``."""
    views, start = {}, 0
    for name, shape in shapes.items():
        size = prod(shape)
        views[name] = flat[start : start + size].reshape(shape)
        start += size
    return views
