"""Stop watches: how many seconds a worker spent on what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Clock = Callable[[], float]


@dataclass
class Clocks:
    """Named stop watches: ``with clocks("train"): …`` adds to ``clocks["train"]``."""

    clock: Clock
    spent: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add the seconds of the block to ``name``."""
        start = self.clock()
        try:
            yield
        finally:
            self.spent[name] = self.spent.get(name, 0.0) + self.clock() - start

    def __getitem__(self, name: str) -> float:
        return self.spent.get(name, 0.0)
