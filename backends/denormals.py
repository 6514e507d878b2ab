"""Whether denormal numbers are flushed to zero, found by computing some in every thread."""

from __future__ import annotations

import numpy as np

from backends.base import Unsupported
from backends.job import Array

#: Side of the square matrices: enough work that every framework shares it out among its threads.
SIDE = 512


def operands() -> tuple[Array, Array]:
    """A matrix of the smallest normal float32, and half the identity: products and halves of them are denormal."""
    return np.full((SIDE, SIDE), np.finfo(np.float32).tiny), np.float32(0.5) * np.eye(SIDE, dtype=np.float32)


def flushed(*found: Array) -> bool:
    """Whether the results ``found``, all of which should be denormal, are all zero.

    Raises:
        Unsupported: some are and others are not, so the threads do not follow one policy.
    """
    # compare bits: in a thread that flushes, a denormal equals zero
    zero = np.concatenate([array.ravel().view(np.uint32) == 0 for array in found])
    if zero.any() and not zero.all():
        raise Unsupported("some of its threads flush denormals to zero and others keep them")
    return bool(zero.all())
