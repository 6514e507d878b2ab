"""What was measured, with its interval and what was wanted: lines of a Markdown table, and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

RESAMPLES = 4000


@dataclass(frozen=True)
class Estimate:
    """A median, or a geometric mean of medians, with its 95 % bootstrap interval."""

    median: float
    low: float
    high: float


def estimate(*samples: Sequence[float]) -> Estimate:
    """The geometric mean of the samples' medians: of one sample, its median. Each is resampled by itself."""
    rng = np.random.default_rng(0)
    drawn = [np.median(rng.choice(sample, (RESAMPLES, len(sample))), axis=1) for sample in samples]
    means = np.exp(np.mean(np.log(drawn), axis=0))
    low, high = np.percentile(means, (2.5, 97.5))
    return Estimate(float(np.exp(np.mean(np.log([np.median(s) for s in samples])))), float(low), float(high))


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        measure: what was measured, in words.
        wanted: the figure to reach; None where there is none.
        got: None where there is a ``reason`` instead.
        count: pairs, or starts, behind the estimate.
        at_most: whether ``wanted`` is an upper bound: seconds have one, ratios a lower one.
        surely: whether the whole interval must reach it, and not its better end alone.
    """

    measure: str
    wanted: float | None
    got: Estimate | None
    count: int = 0
    reason: str | None = None
    at_most: bool = False
    surely: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the interval reaches what is wanted, or all of it does; None where nothing is."""
        if self.wanted is None:
            return None
        if self.got is None:
            return False
        if self.at_most:
            return (self.got.high if self.surely else self.got.low) <= self.wanted
        return (self.got.low if self.surely else self.got.high) >= self.wanted

    def markdown(self) -> str:
        """A line of the table."""
        got = f"{self.got.median:.3f} ({self.got.low:.3f}–{self.got.high:.3f})" if self.got else self.reason or ""
        wanted = "" if self.wanted is None else f"{'≤' if self.at_most else '≥'} {self.wanted:g}"
        met = {None: "", True: "yes", False: "no"}[self.met]
        return f"| {self.measure} | {wanted} | {got} | {self.count or ''} | {met} |"


def show(rows: Iterable[Row], counted: str, file: Path | None) -> None:
    """Print each row as it comes, and keep all so far in ``file``: a call that is broken off loses nothing.

    Args:
        counted: the heading over ``count``.
    """
    kept = []
    print(f"| measure | wanted | got (95 % interval) | {counted} | met |\n|---|---|---|---|---|", flush=True)
    for row in rows:
        print(row.markdown(), flush=True)
        kept.append({**asdict(row), "met": row.met})
        if file:
            file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
