"""Two specs side by side: live workers take turns, over several pairs of processes, and their difference is judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import tasks
from harness.analysis.difference import Accuracy, Difference, accuracy, difference
from harness.analysis.disturbance import flags, meanings
from harness.errors import CannotCompare, UsageError
from harness.machine.topology import Choice
from harness.presentation.progress import bar
from harness.presentation.screen import Screen
from harness.processes.contestant import Contestant
from harness.processes.heard import Heard
from harness.processes.supervise import execute
from harness.records.base import Before
from harness.records.figures import growth
from harness.records.run import Record
from harness.specs.run import RunSpec, differing
from harness.specs.speed import ContestantSpec
from harness.workflows.contest import MOST_ROUNDS, Contest, Settings, Tell, check_block
from harness.workflows.quiet import NotQuiet, Quiet

Side = Literal["A", "B"]
#: Pairs of processes, of which each takes seconds: more than any comparison needs.
MOST_RESTARTS = 1_000


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        pairs: of blocks, in all.
        restarts: pairs of processes to measure them in: the layout of memory makes processes of one spec differ.
        block_s: seconds that a block should take.
        timeout: seconds for each pair of processes; None for as long as it takes.
    """

    pairs: int = 160
    restarts: int = 8
    block_s: float = 0.1
    timeout: float | None = None

    def __post_init__(self) -> None:
        """Raises UsageError for too few pairs or restarts to show a difference, and for more than can be measured."""
        if self.restarts < 2:
            raise UsageError(f"--restarts must be at least 2, not {self.restarts}: one shows no spread")
        if self.pairs < self.restarts:
            raise UsageError(f"--pairs must be at least --restarts, {self.restarts}, not {self.pairs}")
        if self.restarts > MOST_RESTARTS or self.pairs > MOST_ROUNDS * self.restarts:
            raise UsageError(
                f"--pairs and --restarts: at most {MOST_RESTARTS:,} restarts of {MOST_ROUNDS:,} pairs, "
                f"not {self.restarts:,} of {self.pairs:,} in all"
            )
        check_block(self.block_s)

    def rounds(self) -> list[int]:
        """The number of pairs in each restart."""
        return [self.pairs // self.restarts + (i < self.pairs % self.restarts) for i in range(self.restarts)]


def shape(spec: RunSpec) -> ContestantSpec:
    """The spec of a contestant with a run's job, which computes it on random data."""
    task = tasks.load(spec.task, spec.parameters, spec.seed)
    job = spec.job(task)
    shared = ContestantSpec.model_fields.keys() & RunSpec.model_fields.keys()
    return ContestantSpec(
        **{name: getattr(spec, name) for name in shared},
        length=job.length,
        features=job.model.inputs,
        outputs=job.model.outputs,
        loss=job.loss,
        readout=job.model.readout,
        labels=job.labels,
        shortest=task.shortest,
    )


@dataclass(frozen=True)
class Comparison:
    """Time and memory of B relative to A; memory is None if it was not measured or did not grow.

    Attributes:
        noise: of A and of B, in how many of the pairs of processes each flag was seen.
        before: what others did before each pair of processes, where somebody looked.
    """

    time: Difference
    memory: Difference | None
    variants: tuple[str, str]
    noise: tuple[dict[str, int], dict[str, int]]
    before: list[Before]

    def disturbed(self) -> list[str]:
        """For each side that something disturbed, a line that says what; then what the flags mean."""
        found = [
            f"{side} noisy: {', '.join(f'{flag} ({count})' for flag, count in seen.items())}"
            for side, seen in zip("AB", self.noise, strict=True)
            if seen
        ]
        said = meanings(flag for seen in self.noise for flag in seen)
        return [*found, f"{said} In brackets: in how many pairs of processes."] if said else []

    def lines(self) -> list[str]:
        """The comparison in words: a line on memory, a line on time."""
        memory = self.memory.sentence("lighter", "starts") if self.memory else "not measured"
        return [*self.disturbed(), f"memory: {memory}", self.time.sentence("faster", "pairs")]


def compare(
    a: RunSpec, b: RunSpec, effort: Effort, tell: Tell, cpus: Choice | None = None, quiet: Quiet | None = None
) -> Comparison:
    """Compare two specs, on the same CPUs if they have as many threads.

    Args:
        cpus: those to choose from; None for all that this process may use.
        quiet: looks at what others compute before each pair of processes; None for no look.

    Raises:
        CannotCompare: a side cannot run, fails, or compiles in the steady state; or quiet was required.
        TimedOut: a pair of processes took longer than ``effort.timeout``.
    """
    sides: dict[Side, ContestantSpec] = {"A": shape(a), "B": shape(b)}
    cpus = cpus or Choice()
    times: list[list[float]] = []
    growths: list[list[float]] = []
    variants: tuple[str, str] = ("", "")
    noise: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    befores: list[Before] = []
    for restart, rounds in enumerate(effort.rounds()):
        tell(f"pair of processes {restart + 1} of {effort.restarts}")
        before = _quiet(quiet, cpus, max(a.threads, b.threads), fixed=restart > 0)
        befores += [before] if before else []
        ours, theirs = _contest(sides, Settings(rounds, effort.block_s, effort.timeout), restart, cpus)
        times.append(_ratios(ours, theirs))
        variants = (_variant(ours), _variant(theirs))
        for seen, contestant in zip(noise, (ours, theirs), strict=True):
            seen.update(flags(contestant.heard.noise))
        grown = [_growth(ours.heard), _growth(theirs.heard)]
        growths.append([grown[1] / grown[0]] if all(grown) else [])
    memory = difference(growths) if all(growths) else None
    return Comparison(difference(times), memory, variants, (dict(noise[0]), dict(noise[1])), befores)


def _quiet(quiet: Quiet | None, cpus: Choice, threads: int, fixed: bool) -> Before | None:
    """What ``Quiet.before`` finds. Raises CannotCompare where quiet was required and is not to be had."""
    if quiet is None:
        return None
    try:
        return quiet.before(cpus, threads, fixed)
    except NotQuiet as error:
        raise CannotCompare(str(error)) from None


def _contest(
    sides: dict[Side, ContestantSpec], settings: Settings, restart: int, cpus: Choice
) -> tuple[Contestant, Contestant]:
    """A contest between two new processes. Who starts first, and so gets the better memory, alternates."""
    order: tuple[Side, Side] = ("A", "B") if restart % 2 == 0 else ("B", "A")
    starts = {side: partial(Contestant, sides[side]) for side in order}
    with Contest(starts, settings, seed=restart, cpus=cpus, lost=_give_up) as contest:
        contest.get_ready()
        contest.take_turns()
        contest.finish()
    return contest.contestants["A"], contest.contestants["B"]


def _give_up(side: Side, contestant: Contestant) -> None:
    """End the comparison: the other side alone cannot be compared."""
    how = "did not end well" if contestant.blocks else "cannot run"
    raise CannotCompare(f"{side} {how}: {contestant.heard.reason}")


def _ratios(a: Contestant, b: Contestant) -> list[float]:
    """Seconds per sequence of B over A's, pair by pair."""

    def per_sequence(contestant: Contestant, number: int) -> float:
        return contestant.blocks[number].step_s / contestant.spec.batch

    return [per_sequence(b, number) / per_sequence(a, number) for number in sorted(a.blocks.keys() & b.blocks.keys())]


def _variant(contestant: Contestant) -> str:
    return contestant.heard.decided.variant if contestant.heard.decided else ""


def _growth(heard: Heard) -> int:
    """Bytes by which memory grew beyond its level after initialisation; 0 where that was not measured."""
    return growth(heard.ready.host_init_bytes if heard.ready else None, heard.peaks.host_peak_bytes) or 0


def learned(
    sides: Sequence[Sequence[RunSpec]], timeout: float | None, cpus: Choice, quiet: Quiet | None = None
) -> Accuracy:
    """Run both sides to their ends, seed by seed, and compare their scores.

    Raises:
        CannotCompare: a run has no result; or quiet was required.
    """
    stderr = Screen(stderr=True)
    runs: tuple[list[Record], list[Record]] = ([], [])
    for number, pair in enumerate(zip(*sides, strict=True), 1):
        for spec, records in zip(pair, runs, strict=True):
            _quiet(quiet, cpus, spec.threads, fixed=True)
            with bar(spec, f"[seed {number}/{len(sides[0])}]", stderr) as on_progress:
                records.append(execute(spec, timeout, on_progress, cpus=cpus))
    return accuracy(*runs)


def by_seed(side: str, specs: Sequence[RunSpec]) -> list[RunSpec]:
    """The specs of a side. Raises UsageError if they differ in more than their seed."""
    if apart := differing([spec.model_copy(update={"seed": 0}) for spec in specs]):
        raise UsageError(f"{side} names {len(specs)} runs, which differ in {', '.join(apart[:4])}; a side is one spec")
    return list(specs)


def same_seeds(a: Sequence[RunSpec], b: Sequence[RunSpec]) -> None:
    """Raises UsageError if two sides cannot be paired by seed."""
    if [spec.seed for spec in a] != [spec.seed for spec in b]:
        raise UsageError("A and B need the same seeds: name them for both, as --seeds 5")
    if len(a) > 1 and (a[0].task, a[0].parameters) != (b[0].task, b[0].parameters):
        raise UsageError(f"accuracy can be compared on one task only; A is of {a[0].task}, B of {b[0].task}")
