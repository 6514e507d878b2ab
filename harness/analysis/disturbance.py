"""When a measurement counts as disturbed."""

from __future__ import annotations

from collections.abc import Mapping

from harness.records.base import Noise

#: Per second of wall time: switches that the worker did not ask for, and shares of all its CPUs' time.
SWITCHES_PER_S, STEAL_SHARE, OUTSIDE_SHARE = 100.0, 0.02, 0.10


#: Of the CPUs, used by others: below it there is nobody to be forced away by.
OTHERS = 0.03


def flags(noise: Noise | None) -> list[str]:
    """What was wrong, in the words that tables show; none where nothing was."""
    if noise is None:
        return []
    found: Mapping[str, bool] = {
        "drift": noise.drift is not None,
        "bimodal": bool(noise.bimodal),
        # the spinning threads of a BLAS give their CPU away by themselves, which the kernel counts as forced
        "preempted": (noise.involuntary_switches_per_s or 0) > SWITCHES_PER_S and (noise.outside_share or 0) > OTHERS,
        "steal": (noise.steal_share or 0) > STEAL_SHARE,
        "load": (noise.outside_share or 0) > OUTSIDE_SHARE,
        "throttled": bool(noise.throttled),
    }
    return [name for name, there in found.items() if there]
