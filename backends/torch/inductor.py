"""What ``torch.compile`` did in this process."""

from __future__ import annotations

from collections.abc import Iterable


def compilations() -> int:
    """How many graphs have been compiled, shapes and precisions counted apart."""
    import torch._dynamo.utils  # takes seconds, which only those pay who compile

    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])


def in_compiled(ran: Iterable[str]) -> bool:
    """Whether a compiled graph is among what a profiler saw run."""
    return any(key.startswith("Torch-Compiled Region") for key in ran)
