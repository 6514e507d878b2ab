"""When a measurement counts as disturbed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.records.base import Noise
from harness.records.speed import Row

#: From here on a run counts as disturbed: forced context switches per second, shares of the worker's CPU time.
SWITCHES_PER_S, STEAL_SHARE, OUTSIDE_SHARE = 100.0, 0.02, 0.10
#: Seconds of pauses. The two clocks whose difference counts suspension are read one after the other.
PAUSED_S = 0.1
#: Share of the CPUs used by others below which nobody can have forced the worker away. In short turns, on a machine
#: where others used 0.004 by their own clocks, the kernel's ticks came to as much as 0.046.
OTHERS = 0.05
#: A contestant counts as disturbed where its slow rounds (p90) took more than so many times as long as its quick ones.
ROUNDS_APART = 2.0


def flags(noise: Noise | None) -> list[str]:
    """The names of what disturbed the run, as tables show them; empty where nothing did."""
    if noise is None:
        return []
    found: Mapping[str, bool] = {
        "drift": noise.drift is not None,
        "bimodal": bool(noise.bimodal),
        # a BLAS's spinning threads yield their CPU, which the kernel counts as a forced switch
        "preempted": (noise.involuntary_switches_per_s or 0) > SWITCHES_PER_S and (noise.outside_share or 0) > OTHERS,
        "steal": (noise.steal_share or 0) > STEAL_SHARE,
        "load": (noise.outside_share or 0) > OUTSIDE_SHARE,
        "throttled": bool(noise.throttled),
        "paused": (noise.paused_s or 0) > PAUSED_S,
    }
    return [name for name, present in found.items() if present]


def contestant_flags(row: Row) -> list[str]:
    """The same of a contestant in its turns, and whether these were far apart; nothing of one without figures."""
    steps = row.figures.step_ms if row.figures else None
    if steps is None:
        return []
    return [*flags(row.noise), *(["spread"] if steps.p90 > ROUNDS_APART * steps.p10 else [])]


#: What each flag says, in a clause for a sentence below a table.
MEANINGS: Mapping[str, str] = {
    "drift": "the last third of the blocks was more than 5 % slower or faster than the first",
    "bimodal": "the blocks fall into two groups",
    "preempted": "forced off its CPUs by others",
    "steal": f"the hypervisor took more than {100 * STEAL_SHARE:.0f} % of its CPUs",
    "load": f"others used more than {100 * OUTSIDE_SHARE:.0f} % of its CPUs",
    "throttled": "slowed for heat, or by a quota",
    "paused": "stopped or suspended for a while",
    "spread": "slow rounds (p90) took more than twice as long as quick ones (p10)",
}


def meanings(found: Iterable[str]) -> str | None:
    """What these flags say, in one sentence; None where there are none."""
    present = set(found)
    said = "; ".join(f"{name}: {meaning}" for name, meaning in MEANINGS.items() if name in present)
    return f"noise: {said}." if said else None
