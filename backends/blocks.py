"""How many steps of a layer a prediction computes at a time, so that what it works on stays in a core's own cache.

A prediction keeps nothing for a backward pass. Computed in blocks of steps, each of which starts at the end of the one
before, it writes the same few buffers again and again, and memory sees only what is asked for.
"""

from __future__ import annotations

#: Bytes of a block: what a core's second-level cache holds beside the recurrent weights.
CACHE_BYTES = 512 * 1024
#: Arrays (B, H) that a step of the widest cell writes: four gates, two states and what lies between them.
ARRAYS_PER_STEP = 8


def steps(batch: int, hidden: int, item: int) -> int:
    """Steps in a block of a layer, at least one; ``item`` is the size of a number in bytes."""
    return max(1, CACHE_BYTES // (ARRAYS_PER_STEP * batch * hidden * item))
