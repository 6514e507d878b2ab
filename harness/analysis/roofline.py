"""The highest rates that a device reached in a call, and each contestant's share of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from backends.job import Device
from harness.records.speed import Contest, Roof, Row


def roofs_of(contests: Sequence[Contest]) -> dict[Device, Roof]:
    """For each device, the highest median rates of any contestant and the fastest dependent step of each backend."""
    rows: dict[Device, list[Row]] = {}
    for contest in contests:
        for row in contest.rows:
            if row.limits:
                rows.setdefault(row.spec.device, []).append(row)
    return {device: _roof(found) for device, found in rows.items()}


def _roof(rows: Sequence[Row]) -> Roof:
    limits = [row.limits for row in rows if row.limits]
    steps: dict[str, float] = {}
    for row in rows:
        # a disturbance makes a step longer, never shorter: the fastest reading is the floor
        for reading in row.limits.us_per_step if row.limits else ():
            steps[row.spec.backend] = min(reading, steps.get(row.spec.backend, reading))
    return Roof(
        gemm_gflops=max((statistics.median(found.gflops) for found in limits if found.gflops), default=None),
        copy_gb_per_s=max((statistics.median(found.gb_per_s) for found in limits if found.gb_per_s), default=None),
        us_per_step=steps,
    )


def by_threads(contests: Sequence[Contest]) -> dict[int, list[Contest]]:
    """The contests by their number of threads: with fewer, a machine gives less."""
    found: dict[int, list[Contest]] = {}
    for contest in contests:
        found.setdefault(contest.rows[0].spec.threads, []).append(contest)
    return found


def with_shares(row: Row, roof: Roof | None) -> Row:
    """The row with its shares of its device's rates, as far as both were measured."""
    if row.figures is None or row.ready is None or roof is None:
        return row
    shares: dict[str, float] = {}
    if roof.gemm_gflops is not None:
        shares["gemm_share"] = row.figures.gflops / roof.gemm_gflops
    if roof.copy_gb_per_s is not None and row.ready.bytes_per_step is not None:
        shares["copy_share"] = row.ready.bytes_per_step / row.figures.step_ms.median / 1e6 / roof.copy_gb_per_s
    us, steps = roof.us_per_step.get(row.spec.backend), row.ready.dependent_steps
    if us is not None and steps is not None:
        shares["floor_ms"] = us * steps / 1e3
        shares["floor_share"] = shares["floor_ms"] / row.figures.step_ms.median
    return row.model_copy(update={"figures": row.figures.model_copy(update=shares)})
