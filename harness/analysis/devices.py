"""Both devices of one call side by side: at which batch and hidden size the GPU wins, and by how much."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.analysis.ratios import ratio
from harness.records.base import Ratio
from harness.records.speed import Contest, Row, SpeedRecord

#: Tiers that are ranked: a fused program does several updates per dispatch.
RANKED = ("default", "best")


@dataclass(frozen=True)
class Grid:
    """Contests that were held on both devices and differ only in batch and hidden size.

    Attributes:
        contests: at least two.
        gains: by backend, hidden size and batch, how many times as fast as the CPU the GPU is, each with its fastest
            variant of tier ``default`` or ``best``, pair by pair.
    """

    contests: list[Contest]
    gains: dict[tuple[str, int, int], Ratio]

    @property
    def backends(self) -> list[str]:
        """Those measured on both devices, by name."""
        return sorted({backend for backend, _, _ in self.gains})

    @property
    def hiddens(self) -> list[int]:
        """Hidden sizes, ascending."""
        return sorted({hidden for _, hidden, _ in self.gains})

    @property
    def batches(self) -> list[int]:
        """Batch sizes, ascending."""
        return sorted({batch for _, _, batch in self.gains})

    @property
    def machine(self) -> str:
        """The GPU's name, or names."""
        names = {row.device_name for contest in self.contests for row in contest.rows if row.spec.device == "cuda"}
        return ", ".join(sorted(name for name in names if name)) or "GPU"

    def wins(self) -> Iterator[str]:
        """For each backend, from which batch on the GPU wins at each hidden size, in words."""
        for backend in self.backends:
            parts = [f"hidden {hidden} {self._from(backend, hidden)}" for hidden in self.hiddens]
            yield f"{backend}: the GPU wins at {', '.join(parts)}"

    def _from(self, backend: str, hidden: int) -> str:
        """The smallest batch from which on the GPU wins at every batch measured."""
        measured = [batch for batch in self.batches if (backend, hidden, batch) in self.gains]
        if not measured:
            return "not measured"
        winning: list[int] = []
        for batch in reversed(measured):
            if self.gains[backend, hidden, batch].median <= 1:
                break
            winning.append(batch)
        if not winning:
            return f"at no batch up to {measured[-1]}"
        return "at every batch" if len(winning) == len(measured) else f"from batch {winning[-1]} on"


def grids(record: SpeedRecord) -> list[Grid]:
    """The contests of a call that were held on both devices at several sizes, grouped by all else that they share."""
    sets: dict[str, list[Contest]] = {}
    for contest in record.contests:
        shape = contest.rows[0].spec.shape()
        shape["batch"] = shape["model"]["hidden"] = None
        sets.setdefault(json.dumps(shape, sort_keys=True), []).append(contest)
    found = [Grid(contests, dict(_gains(contests))) for contests in sets.values()]
    return [grid for grid in found if len({key[1:] for key in grid.gains}) > 1]


def _gains(contests: Iterable[Contest]) -> Iterator[tuple[tuple[str, int, int], Ratio]]:
    for contest in contests:
        for backend in sorted({row.spec.backend for row in contest.rows}):
            cpu, cuda = (_fastest(contest.rows, backend, device) for device in ("cpu", "cuda"))
            if cpu and cuda and (found := ratio(cpu.by_round, cuda.by_round)):
                yield (backend, cpu.spec.model.hidden, cpu.spec.batch), found


def _fastest(rows: Iterable[Row], backend: str, device: str) -> Row | None:
    timed = [
        (row.figures.step_ms.median, i, row)
        for i, row in enumerate(rows)
        if row.place == (backend, device) and row.figures and row.tier in RANKED
    ]
    return min(timed)[2] if timed else None
