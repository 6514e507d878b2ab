"""A contest in words: which shape, what its contestants share, how those without figures ended."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import get_args

from backends.base import Tier
from harness.analysis.scaling import Line, Scaling
from harness.records.speed import Contest, Roof, Row, SpeedRecord
from harness.specs.speed import Measure
from harness.text import gpu_text, machine_text, number, printable

TIERS: tuple[Tier, ...] = get_args(Tier)
#: What stands before the model in a title: of training, which is the usual, nothing.
MEASURED: dict[Measure, str] = {
    "train": "", "predict": "prediction, host to host, ", "predict-resident": "prediction on the device, ",
}  # fmt: skip


def title(contest: Contest, without: Collection[str] = (), brief: bool = False) -> str:
    """As in "B: lstm 128, 64×100×10".

    Args:
        without: sizes that vary; each stands there by its name.
        brief: only say that a named shape was reduced or changed, not in what: for figures, where room is short.
    """
    spec, model = contest.rows[0].spec, contest.rows[0].spec.model
    sizes = {"batch": spec.batch, "length": spec.length, "features": spec.features, "hidden": model.hidden}
    shown = {name: name if name in without else str(value) for name, value in sizes.items()}
    name = f"{named(contest, brief)}: " if contest.name and not without else ""
    layers = f" ×{'layers' if 'layers' in without else model.layers}" if model.layers > 1 or "layers" in without else ""
    ways = " bidirectional" if model.bidirectional else ""
    shape = "×".join(shown[size] for size in ("batch", "length", "features"))
    return f"{name}{MEASURED[spec.measure]}{model.cell} {shown['hidden']}{layers}{ways}, {shape}"


def named(contest: Contest, brief: bool = False) -> str:
    """The shape's name and how the contest departs from it: "D, reduced: length 100"; in brief, "D, reduced"."""
    parts = [contest.name or "", departure(contest)]
    return ", ".join(filter(None, parts)) + (f": {changed(contest)}" if contest.changed and not brief else "")


def departure(contest: Contest) -> str:
    """Whether a contest departs from its named shape: "reduced" where each change is to less, else "changed", or ""."""
    if not contest.changed:
        return ""
    smaller = all(type(was) is type(now) is int and now < was for was, now in contest.changed.values())
    return "reduced" if smaller else "changed"


def changed(contest: Contest) -> str:
    """The fields that differ from the named shape, with the values that they have here."""
    return ", ".join(f"{name} {now}" for name, (_, now) in contest.changed.items())


def about(contest: Contest) -> str:
    """Everything else that all contestants share."""
    spec = contest.rows[0].spec
    gpus = sorted({row.device_name for row in contest.rows if row.device_name})
    where = " and ".join(contest.devices) + (f" ({', '.join(gpus)})" if gpus else "")
    labels = f" of {_counted(spec.labels, 'label')}" if spec.labels else ""
    lengths = f"lengths {spec.shortest} to {spec.length} · " if spec.shortest else ""
    micro = f"in {spec.accumulate} micro-batches · " if spec.accumulate > 1 else ""
    updated = "" if spec.predicts else f"{spec.optimizer.name} · "
    return (
        f"batch×length×features · {_counted(spec.outputs, 'output')}, {spec.readout} step, {spec.loss}{labels} · "
        f"{lengths}{micro}{updated}{spec.precision} on {where} · {_counted(spec.threads, 'thread')} · "
        f"denormals {'flushed' if spec.denormals == 'flush' else 'kept'}"
    )


def machine(record: SpeedRecord) -> str:
    """Where the contests of a call were held."""
    place = record.environment
    gpu = f"; {text}" if (text := gpu_text(place.gpu)) else ""
    return printable(f"{machine_text(place.cpu, place.logical_cpus)}; {place.os}, Python {place.python}{gpu}")


def step(contests: Iterable[Contest]) -> str:
    """What a step is in these contests, as in "ms/step": an update, a prediction, or either."""
    words = {"prediction" if contest.predicts else "update" for contest in contests}
    return words.pop() if len(words) == 1 else "step"


def a_step(contests: Iterable[Contest]) -> str:
    """The same with its article."""
    word = step(contests)
    return f"{'an' if word == 'update' else 'a'} {word}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def ranked(rows: Iterable[Row]) -> list[Row]:
    """The rows that have figures: tier by tier, the fastest first."""
    timed = [row for row in rows if row.figures]
    return sorted(timed, key=lambda r: (_tier(r), r.figures.step_ms.median if r.figures else 0.0))


def line_name(record: SpeedRecord, line: Line) -> str:
    """Who a line over several sizes is in a call: as ``SpeedRecord.name_of``; ``auto`` where that changes with size."""
    first = line.rows[0]
    name = record.name_of(first)
    return name if len(line.stages) == 1 else name.replace(first.name, f"{first.spec.backend} {line.asked}")


def limit_words(scaling: Scaling) -> Iterator[str]:
    """What the faint lines of a figure of scaling stand for: the rates that were measured in the same call."""
    for threads, roofs in sorted(scaling.roofs.items()):
        for device, roof in sorted(roofs.items()):
            parts = [
                roof.gemm_gflops and f"matrix products at {number(roof.gemm_gflops)} GFLOP/s",
                roof.copy_gb_per_s and f"its fewest bytes at {number(roof.copy_gb_per_s)} GB/s",
                roof.us_per_step and f"dependent steps, in a backend's colour: {latencies(roof)}",
            ]
            if found := [part for part in parts if part]:
                several = len(scaling.roofs) > 1 or len(roofs) > 1
                where = f" ({device}, {_counted(threads, 'thread')})" if several else ""
                yield printable(f"Faint: {a_step(scaling.contests)} of nothing but {'; '.join(found)}{where}")


def ordered(lines: Iterable[Line]) -> list[Line]:
    """Lines by backend, the stock layer first."""
    return sorted(lines, key=lambda line: (*line.place, _tier(line.rows[0]), line.asked))


def _tier(row: Row) -> int:
    return TIERS.index(row.tier) if row.tier else len(TIERS)


def outcome(contest: Contest, row: Row) -> str:
    """How a row that is not ok ended, and why."""
    return printable(f"{contest.name_of(row)}: {row.status}{f': {row.reason}' if row.reason else ''}")


def latencies(roof: Roof) -> str:
    """For each backend, microseconds per dependent step."""
    return ", ".join(f"{backend} {number(us)} µs" for backend, us in sorted(roof.us_per_step.items()))
