"""When a measurement counts as disturbed."""

from __future__ import annotations

from collections.abc import Mapping

from harness.records.base import Noise
from harness.records.speed import Row

#: From here on a run counts as disturbed: forced context switches per second, shares of the worker's CPU time.
SWITCHES_PER_S, STEAL_SHARE, OUTSIDE_SHARE = 100.0, 0.02, 0.10
#: Seconds of pauses. The two clocks whose difference counts suspension are read one after the other.
PAUSED_S = 0.1
#: Share of the CPUs used by others below which nobody can have forced the worker away.
OTHERS = 0.03
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
    """The same of a contestant, judged from its rounds: a contest reads no counters of the kernel."""
    steps = row.figures.step_ms if row.figures else None
    return ["spread"] if steps and steps.p90 > ROUNDS_APART * steps.p10 else []
