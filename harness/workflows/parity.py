"""Whether backends and variants agree with the float64 reference, and which quantity is the first to differ."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from harness.errors import UsageError
from harness.machine.topology import Choice
from harness.presentation.progress import line
from harness.presentation.screen import Screen
from harness.presentation.table import Column, Table
from harness.processes import supervise
from harness.processes.channel import TimedOut, WorkerDied
from harness.specs.run import RunSpec, differing

#: Sequences per update unless asked for: the reference computes every step in Python.
BATCH = 8
#: Relative distances for each of which the first update that passes it is named.
LEVELS = (1e-4, 1e-3, 1e-2)


@dataclass(frozen=True)
class Agreement:
    """One variant in one precision.

    Attributes:
        name: task and cell, backend and variant.
        distances: relative, from the reference, by quantity, in the order in which they are computed.
        tolerance: the largest that counts as agreement.
        curve, expected_curve: losses before each update, here and in the float64 reference; ``curve`` of float32 alone.
        unavailable: why it cannot compute this; failed: what it died of.
    """

    name: str
    variant: str
    precision: str
    tolerance: float = 0.0
    distances: dict[str, float] = field(default_factory=dict)
    curve: list[float] = field(default_factory=list)
    expected_curve: list[float] = field(default_factory=list)
    unavailable: str | None = None
    failed: str | None = None

    def first_apart(self) -> str | None:
        """The first quantity that is farther from the reference than allowed; None where all agree."""
        # not <=: NaN does not agree
        return next((name for name, apart in self.distances.items() if not apart <= self.tolerance), None)

    @property
    def agrees(self) -> bool:
        """Whether distances were measured, and all are within the tolerance."""
        return bool(self.distances) and self.first_apart() is None

    def largest(self, kind: str) -> float | None:
        """The largest distance of the quantities whose name starts with ``kind``."""
        return max((apart for name, apart in self.distances.items() if name.startswith(kind)), default=None)

    def drift(self) -> list[float]:
        """Relative distance of the losses from the reference's, update by update."""
        return [
            abs(ours - expected) / max(abs(expected), 1e-6) if math.isfinite(ours) else math.inf
            for ours, expected in zip(self.curve, self.expected_curve, strict=False)
        ]

    def drift_text(self) -> str:
        """ "at most 3.1e-05, at update 88; 1e-4 never" and so on, for people."""
        drift = self.drift()
        if not drift:
            return ""
        most = max(range(len(drift)), key=drift.__getitem__)
        words = [f"at most {drift[most]:.1e}, at update {most + 1}"]
        for level in LEVELS:
            at = next((number for number, apart in enumerate(drift, 1) if apart > level), None)
            if at is not None:
                words.append(f"past {level:.0e} at {at}")
        return "; ".join(words)


def questions(specs: Sequence[RunSpec]) -> list[RunSpec]:
    """The specs to compare with the reference; precisions are compared within each.

    Raises:
        UsageError: two of one task, cell, backend, device and variant, which rows could not tell apart.
    """
    if specs[0].model.source:
        raise UsageError("--model: parity compares with the reference of each cell; a model of your own has none")
    once = list(dict.fromkeys(spec.model_copy(update={"precision": specs[0].precision}) for spec in specs))
    asked: dict[tuple[str, ...], RunSpec] = {}
    for spec in once:
        first = asked.setdefault((spec.task, spec.model.cell, spec.backend, spec.device, spec.variant), spec)
        if apart := differing([first, spec]):
            which = "parity compares one spec of each task, cell, backend, device and variant"
            raise UsageError(f"{which}; these differ in {', '.join(apart[:4])}")
    return once


def with_small_batch(specs: Iterable[RunSpec], batch: Sequence[int] | None) -> list[RunSpec]:
    """The specs with a batch small enough for the reference, unless a batch was asked for."""
    return [spec if batch else spec.model_copy(update={"batch": min(spec.batch, BATCH)}) for spec in specs]


def measure(
    specs: Sequence[RunSpec],
    updates: int,
    drift: int,
    precisions: Sequence[str],
    timeout: float | None,
    json_lines: bool,
    cpus: Sequence[int] | None = None,
) -> list[Agreement]:
    """Compare each spec's backend with the reference, in a process of its own; what cannot run has its reason.

    Where the user stops it, what was measured so far is returned, with a row that says so.

    Args:
        cpus: those that the user named; None for all that this process may use.
    """
    question = {"updates": updates, "drift": drift, "precisions": list(precisions)}
    found: list[Agreement] = []

    def keep(name: str, variant: str = "", precision: str = "", **fields: Any) -> None:
        found.append(Agreement(name, variant, precision, **fields))
        if json_lines:
            last = found[-1]
            print(json.dumps(asdict(last) | {"agrees": last.agrees, "first_apart": last.first_apart()}), flush=True)

    with line(Screen(stderr=True)) as tell:
        for spec in specs:
            name = f"{spec.task} {spec.model.cell} {spec.backend}"
            tell(name)
            begun = len(found)
            try:
                for heard in supervise.parity(spec, question, timeout, Choice(cpus)):
                    keep(name, **vars(heard))
            except WorkerDied as death:
                how = "failed" if len(found) > begun else "unavailable"  # with some rows already, it worked at first
                keep(name, spec.variant, **{how: str(death)})
            except TimedOut:
                keep(name, spec.variant, failed=f"not finished after {timeout:g} s (--timeout)")
            except KeyboardInterrupt:
                keep(name, spec.variant, failed="stopped by the user")
                break
    return found


def agree(found: Sequence[Agreement]) -> bool:
    """Whether something was compared and nothing disagreed or failed. What cannot run does not count."""
    return any(each.agrees for each in found) and not any(_is_wrong(each) for each in found)


def _is_wrong(each: Agreement) -> bool:
    return each.failed is not None or (each.unavailable is None and not each.agrees)


def table(found: Sequence[Agreement]) -> Table:
    """A row per variant and precision: the largest distance of each kind of quantity."""
    columns: list[Column[Agreement]] = [
        Column("run", lambda each: each.name),
        Column("variant", lambda each: each.variant),
        Column("precision", lambda each: each.precision),
        Column("agrees", _verdict, style=_style),
        _largest("loss", "loss"),
        _largest("gradients", "gradient"),
        _largest("parameters", "parameter"),
        Column(
            "float32 losses over training",
            lambda each: each.failed or each.unavailable or each.drift_text() or None,
            prose=True,
        ),
    ]
    return Table.of(columns, found, title="Relative distance from float64", layout="airy")


def _largest(heading: str, kind: str) -> Column[Agreement]:
    return Column(heading, lambda each: each.largest(kind), kind="float64", write="{:.1e}".format)


def _verdict(each: Agreement) -> str:
    return "yes" if each.agrees else "cannot run" if each.unavailable else "NO"


def _style(each: Agreement) -> str:
    return "green" if each.agrees else "yellow" if each.unavailable else "red"


def closing(found: Sequence[Agreement]) -> list[str]:
    """For each variant the first quantity that disagrees, how far curves are from each other, and the counts."""
    lines = []
    for each in found:
        if (first := each.first_apart()) is not None:
            apart = f"{each.distances[first]:.1e} from the reference, {each.tolerance:.0e} is allowed"
            lines.append(f"{each.name} {each.variant} {each.precision}: first apart is {first}: {apart}")
    lines += apart_from_each_other(found)
    agreeing, wrong = sum(each.agrees for each in found), sum(map(_is_wrong, found))
    rest = len(found) - agreeing - wrong
    return [*lines, f"{agreeing} agree, {wrong} do not" + (f", {rest} cannot run" if rest else "")]


def _loss_at(update: int, each: Agreement) -> float:
    return each.curve[update]


def apart_from_each_other(found: Sequence[Agreement]) -> list[str]:
    """For each task and cell, the update at which two float32 curves are the farthest apart, and whose they are."""
    by_job: dict[str, list[Agreement]] = {}
    for each in found:
        if each.curve:
            by_job.setdefault(each.name.rpartition(" ")[0], []).append(each)
    lines = []
    for job, several in by_job.items():
        if len(several) < 2:
            continue
        curves = zip(*(each.curve for each in several), strict=False)
        gaps = [(max(losses) - min(losses)) / max(abs(losses[0]), 1e-6) for losses in curves]
        at = max(range(len(gaps)), key=gaps.__getitem__)
        in_order = sorted(several, key=partial(_loss_at, at))
        names = " and ".join(f"{e.name.rpartition(' ')[2]} {e.variant}" for e in (in_order[0], in_order[-1]))
        lines.append(f"{job}: float32 curves are farthest apart at update {at + 1}: {gaps[at]:.1e} ({names})")
    return lines
