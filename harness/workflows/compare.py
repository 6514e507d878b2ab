"""Two specs side by side: live workers in turns, several pairs of processes, and what can be told of the difference."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tasks
from harness.analysis.difference import Difference, difference
from harness.errors import CannotCompare, Lost, UsageError
from harness.processes.live import Live, until
from harness.specs.run import RunSpec
from harness.specs.speed import SpeedSpec
from harness.workflows.contest import Lane, fit, hold
from harness.workflows.speed import SETTLE_S

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How hard to look.

    Attributes:
        pairs: of blocks, in all.
        restarts: pairs of processes that they come from: two processes of one spec differ by their memory's layout.
        block_s: seconds that a block should take.
        timeout: seconds for each pair of processes; None for as long as it takes.
    """

    pairs: int = 160
    restarts: int = 8
    block_s: float = 0.1
    timeout: float | None = None

    def __post_init__(self) -> None:
        """Raises UsageError where nothing could be told from so little."""
        if self.restarts < 2:
            raise UsageError(f"--restarts must be at least 2, not {self.restarts}: one is none to tell a spread from")
        if self.pairs < self.restarts:
            raise UsageError(f"--pairs must be at least --restarts, {self.restarts}, not {self.pairs}")
        if not 0 < self.block_s <= 60:
            raise UsageError(f"--block must be above 0 and at most 60 seconds, not {self.block_s:g}")

    def rounds(self) -> list[int]:
        """Pairs of each restart."""
        return [self.pairs // self.restarts + (i < self.pairs % self.restarts) for i in range(self.restarts)]


def shape(spec: RunSpec) -> SpeedSpec:
    """The contestant of a run's shape: same model, job and settings, on random data that is staged once."""
    task = tasks.load(spec.task, spec.parameters, spec.seed)
    job = spec.job(task)
    same = {name: getattr(spec, name) for name in ("backend", "variant", "device", "precision", "threads", "denormals",
                                                   "deterministic", "model", "optimizer", "batch", "seed")}  # fmt: skip
    return SpeedSpec(
        **same, length=job.length, features=job.model.inputs, outputs=job.model.outputs, loss=job.loss,
        readout=job.model.readout,
    )  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Time and memory of B over A; memory is None where it was not measured, or grew by nothing."""

    time: Difference
    memory: Difference | None
    variants: tuple[str, str]

    def lines(self) -> list[str]:
        """For people."""
        memory = self.memory.sentence("lighter", "starts") if self.memory else "not measured"
        return [f"memory: {memory}", self.time.sentence("faster", "pairs")]


def compare(a: RunSpec, b: RunSpec, effort: Effort, tell: Tell) -> Comparison:
    """Compare two specs.

    Raises:
        CannotCompare: a side cannot run.
        TimedOut: a pair of processes took longer than ``effort.timeout``.
    """
    sides = {"A": shape(a), "B": shape(b)}
    times: list[list[float]] = []
    growths: list[list[float]] = []
    variants: tuple[str, str] = ("", "")
    for start, rounds in enumerate(effort.rounds()):
        tell(f"pair of processes {start + 1} of {effort.restarts}")
        # who starts first, and so gets the better memory, alternates
        order = ("A", "B") if start % 2 == 0 else ("B", "A")
        lives: dict[str, Live] = {}
        try:
            for side in order:
                lives[side] = Live(sides[side], until(effort.timeout))
                _ready(side, lives[side])
            lanes = {side: Lane(lives[side]) for side in order}
            for lane in lanes.values():
                fit(lane, effort.block_s)
            hold(list(lanes.values()), rounds, start, lambda _: time.sleep(SETTLE_S))
            for side in order:
                _finish(side, lives[side])
        finally:
            for live in lives.values():
                live.stop()
        times.append(_ratios(lanes["A"], lanes["B"], a.batch, b.batch))
        heard = lives["A"].heard, lives["B"].heard
        variants = (heard[0]["variant"], heard[1]["variant"])
        growths.append([_growth(heard[1]) / _growth(heard[0])] if all(map(_growth, heard)) else [])
    return Comparison(difference(times), difference(growths) if all(growths) else None, variants)


def _ready(side: str, live: Live) -> None:
    try:
        live.get_ready()
    except Lost:
        raise CannotCompare(f"{side} cannot run: {live.heard.get('reason')}") from None


def _finish(side: str, live: Live) -> None:
    try:
        live.finish()
    except Lost:
        raise CannotCompare(f"{side} did not end well: {live.heard.get('reason')}") from None


def _ratios(a: Lane, b: Lane, batch_a: int, batch_b: int) -> list[float]:
    """Seconds per sequence of B over A's, pair by pair."""

    def seconds(lane: Lane, number: int, batch: int) -> float:
        block = lane.blocks[number]
        return block.seconds / block.steps / batch

    both = sorted(a.blocks.keys() & b.blocks.keys())
    if not both:
        raise CannotCompare("a worker was lost before both sides had a turn")
    return [seconds(b, number, batch_b) / seconds(a, number, batch_a) for number in both]


def _growth(heard: dict[str, Any]) -> int:
    return max(0, (heard.get("host_peak_bytes") or 0) - (heard.get("host_init_bytes") or 0))


def by_seed(side: str, specs: Sequence[RunSpec]) -> list[RunSpec]:
    """The specs of a side, which may differ in their seed only. Raises UsageError where they differ otherwise."""
    if len({spec.model_copy(update={"seed": 0}).model_dump_json() for spec in specs}) != 1:
        raise UsageError(f"{side} names {len(specs)} runs; name one backend, task and cell")
    return list(specs)


def same_seeds(a: Sequence[RunSpec], b: Sequence[RunSpec]) -> None:
    """Raises UsageError where two sides cannot be paired seed by seed."""
    if [spec.seed for spec in a] != [spec.seed for spec in b]:
        raise UsageError("A and B need the same seeds: name them for both, as --seeds 5")
    if len(a) > 1 and (a[0].task, a[0].parameters) != (b[0].task, b[0].parameters):
        raise UsageError(f"accuracy can be compared on one task only; A is of {a[0].task}, B of {b[0].task}")
