"""One verdict, readable in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from harness.presentation.renderers import facts as lines_of
from harness.presentation.show import Section
from harness.records.base import Environment, Spread
from harness.records.figures import mib
from harness.records.verdict import Figures, VerdictRecord, Word
from harness.text import number, printable, score_text

Facts = list[tuple[str, str]]
#: How a verdict is coloured.
STYLES: Final[Mapping[Word, str]] = {
    "bit-identical": "green", "same result": "green", "bit-identical so far": "green", "same so far": "green",
    "different": "red", "other task": "yellow", "cannot run": "yellow", "altered": "red",
}  # fmt: skip
#: Where the code and the libraries of the second run came from.
CODE: Final = {"current": "of the one who judged", "recorded": "the record's own commit"}
PACKAGES: Final = {
    "here": "those that were installed",
    "versions": "installed at the record's versions, whatever files an index gave for them",
    "hashes": "installed as the files whose hashes the record has",
}


def show(record: VerdictRecord) -> Group:
    """What came out, of which record, where and by which code."""
    return Group(*_parts(record))


def _parts(record: VerdictRecord) -> Iterator[RenderableType]:
    head = Text(printable(f"{record.judged.name}, seed {record.judged.seed}"), style="bold")
    head.append(f"  {record.verdict}", style=STYLES[record.verdict])
    yield head
    yield Text(f"  {printable(record.why)}")
    yield Text(f"{record.id}, {record.created:%Y-%m-%d %H:%M:%S %Z}", style="dim")
    for section in sections(record):
        yield from lines_of(section.heading, section.lines)


def sections(record: VerdictRecord) -> Iterator[Section]:
    """All that is told of a verdict but its word and why; no section is empty."""
    found = [
        Section("The record judged", [("id", record.judged.id), ("digest", record.judged.digest)]),
        Section("Made again", _again(record)),
        Section("Figures, recorded and found", _figures(record.recorded, record.found)),
        Section("What differs, the likeliest cause first", [("", each) for each in record.differences]),
        Section("Recorded on", machine(record.environment_recorded)),
        Section("Made again on", machine(record.environment) if record.environment is not None else []),
        Section("By", _by(record)),
    ]
    return (section for section in found if section.lines)


def _again(record: VerdictRecord) -> Facts:
    facts = [("updates", extent(record))]
    if record.again is not None:
        facts += [("record", record.again.id), ("", record.again.digest)]
    facts += [("code", CODE[record.code]), ("packages", PACKAGES[record.packages])]
    remarks = {"speed": record.speed, "memory": record.memory}
    return facts + [(name, remark) for name, remark in remarks.items() if remark]


def extent(record: VerdictRecord) -> str:
    """How much of the run was made again."""
    if record.updates is None:
        return "no"
    if record.is_whole:
        return f"all {record.updates:,}"
    return f"the first {record.updates:,} of {record.updates_recorded:,}"


def _figures(then: Figures, now: Figures) -> Facts:
    pairs: list[tuple[str, float | None, float | None, Callable[[float], str]]]
    pairs = [(name, then.score.get(name), now.score.get(name), score_text) for name in {**then.score, **now.score}]
    pairs += [
        ("test loss", then.final_loss, now.final_loss, number),
        ("ms per update", _median(then.step_ms), _median(now.step_ms), number),
        ("memory growth, MiB", mib(then.host_growth_bytes), mib(now.host_growth_bytes), number),
        ("device memory, MiB", mib(then.device_peak_bytes), mib(now.device_peak_bytes), number),
    ]
    return [
        (name, ", ".join("not measured" if value is None else text(value) for value in (recorded, found)))
        for name, recorded, found, text in pairs
        if recorded is not None or found is not None
    ]


def _median(spread: Spread | None) -> float | None:
    return None if spread is None else spread.median


def machine(where: Environment) -> Facts:
    """A machine in a few lines."""
    memory = "" if where.memory_bytes is None else f", {number(where.memory_bytes / 2**30)} GiB"
    facts = [("cpu", f"{where.cpu}, {where.logical_cpus} logical{memory}")]
    if where.device_name:
        facts.append(("GPU", where.device_name))
    facts.append(("system", f"{where.os}, Python {where.python}"))
    facts.append(("versions", ", ".join(f"{name} {version}" for name, version in sorted(where.versions.items()))))
    return facts


def _by(record: VerdictRecord) -> Facts:
    by = record.harness
    facts = [("harness", by.version or "of no known version")]
    if by.commit:
        facts.append(("commit", by.commit[:12] + (", with changes" if by.dirty else "")))
    return facts + [(f"source of {floor}", digest) for floor, digest in by.sources.items()]
