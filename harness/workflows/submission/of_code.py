"""What is checked of what ran: the gate, the source, the tree, the spec."""

from __future__ import annotations

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import backends
import tasks
from harness.errors import UsageError
from harness.machine.history import COMMIT
from harness.records.base import Execution
from harness.records.run import Record
from harness.specs.run import RunSpec
from harness.text import counted
from harness.workflows.submission.findings import CLOCKS, NAMED, Finding, Findings, Level, executions, refused, stated
from harness.workflows.submission.given import Handed, Submission
from tasks.base import TaskError
from tasks.registry import UnknownName

_NUMBER: Final = re.compile(r"-[0-9.].*")


def gate(of: Submission) -> Findings:
    """What is `ok` passed the gate: the same mathematics as the float64 reference."""
    own: dict[str, Handed] = {}
    for each, ran in executions(of):
        if ran.status != "ok":
            continue
        if ran.gate == "own":
            own.setdefault(each.name, each)
        elif ran.gate is None:
            yield refused(each, f"{ran.name}: ok without the gate, which no run passes by")
        elif ran.compared and not (ran.compared.passed and _within_tolerance(ran)):
            yield refused(each, f"{ran.name}: ok, but not within the gate's tolerance of the reference")
    for each in own.values():
        yield stated(each, "of a model of its author's own, which was compared with nothing")


def _within_tolerance(ran: Execution) -> bool:
    gate = ran.compared
    assert gate is not None
    distances = (gate.loss_distance, gate.parameter_distance, gate.prediction_distance, gate.gradient_distance)
    return all(each is None or abs(each) <= gate.tolerance for each in distances)


def source(of: Submission) -> Findings:
    """The digests of the source are those of a commit of the project, made before the record."""
    if of.history is None:
        # whoever hands it in need not have one; whoever takes it must
        level: Level = "stated" if of.here else "refused"
        yield Finding(level, "no clone of the project is here to look its code up in; name one with --repository")
        return
    by_source: dict[tuple[str | None, tuple[tuple[str, str], ...]], list[Handed]] = defaultdict(list)
    for each, record in of.read:
        if (environment := getattr(record, "environment", None)) is not None:
            by_source[environment.git_commit, tuple(sorted(environment.sources.items()))].append(each)
    for (commit, pairs), found in by_source.items():
        for finding in _known(of, commit, dict(pairs)):
            more = f" (and {counted(len(found) - 1, 'more record')})" if len(found) > 1 else ""
            yield finding._replace(what=f"{found[0].name}{more}: {finding.what}")
        if commit is not None and COMMIT.fullmatch(commit) and of.history.has(commit):
            made = of.history.made(commit)
            for each in found:
                if each.record is not None and each.record.created < made - CLOCKS:
                    yield refused(each, f"made before the commit that it names, {commit[:12]} of {made:%Y-%m-%d}")


def _known(of: Submission, commit: str | None, sources: Mapping[str, str]) -> Findings:
    assert of.history is not None
    if commit is not None and not COMMIT.fullmatch(commit):
        yield refused(None, f"its commit is none: {commit[:40]!r}")
        return
    known = commit is not None and of.history.has(commit)
    if not sources:
        level: Level = "stated" if known else "refused"
        name = commit[:12] if commit else "no commit"
        yield Finding(level, f"has no digests of its source, and names {name}: nothing shows that this ran")
    elif commit is not None and known:
        digests = of.history.digests(commit)
        for floor in sorted(sources):
            if sources[floor] != digests.get(floor):
                then, now = digests.get(floor, "")[:12], sources[floor][:12]
                what = f"its {floor}/ has SHA-256 {now}…, that of commit {commit[:12]} is {then}…"
                yield refused(None, f"{what}; measure with unchanged code")
                return
    elif (holder := of.history.holder(sources)) is not None:
        name = f"commit {commit[:12]}, which the project does not have" if commit else "no commit"
        yield stated(None, f"names {name}; its source is that of {holder[:12]}")
    else:
        where = " (this clone is shallow: git fetch --unshallow)" if of.history.shallow else ""
        name = f"commit {commit[:12]}" if commit else "no commit"
        yield refused(None, f"made by code that the project does not have ({name}){where}; "
                       "measure with a commit of its main branch, or have yours taken first")  # fmt: skip


def clean(of: Submission) -> Findings:
    """The checkout had no changes of its own."""
    for each, record in of.read:
        environment = getattr(record, "environment", None)
        if environment is not None and environment.git_dirty:
            yield refused(each, "made in a checkout with changes that no commit has; run it again without them")


def spec(of: Submission) -> Findings:
    """The command that a record prints asks for exactly its spec."""
    for each, record in of.runs:
        spec = record.spec
        words = f"-{spec.task}-{spec.backend}-{spec.model.cell}-"
        if NAMED.fullmatch(record.id) and words not in record.id:
            yield refused(each, f"its id does not say{words.replace('-', ' ')[:-1]}, which its spec does")
        if why := _unreadable(record):
            yield stated(each, f"its command was not read: {why}")
            continue
        if said := _said_twice(record.command or ""):
            yield refused(each, f"its command gives {said} twice, and would make several runs; hand it in unchanged")
            continue
        try:
            found = of.specs_of(record.command or "")
        except UsageError as error:
            yield refused(each, f"its command asks for nothing that runs: {error}")
            continue
        if [_present(one) for one in found] != [_present(spec)]:
            yield refused(each, f"its command does not ask for what its spec says{_difference(found, spec)}")


def _said_twice(command: str) -> str | None:
    """An option that multiplies runs; None where each is given once. Some words would make more than can be planned."""
    words = shlex.split(command)
    given = Counter(
        f"-P {value.partition('=')[0]}" if flag == "-P" else flag
        for flag, value in pairwise([*words, ""]) if flag.startswith("-")
    )  # fmt: skip
    return next((flag for flag, count in given.items() if count > 1 and not _NUMBER.fullmatch(flag)), None)


def _present(spec: RunSpec) -> str:
    """The digest with the variant's present name: an older command has a former one."""
    return spec.model_copy(update={"variant": backends.current_variant(spec.backend, spec.variant)}).digest


def _unreadable(record: Record) -> str | None:
    """Why a command leads to no spec here; None where it does. Code of a stranger's is never run to find out."""
    spec = record.spec
    if record.command is None:
        return "it has none"
    if spec.model.source is not None:
        return f"it trains a model of its author's own, {spec.model.source}"
    if spec.start is not None:
        return "it starts from saved parameters"
    try:
        backends.registry.check(spec.backend)
        tasks.load(spec.task, spec.parameters, spec.seed)
    except (UnknownName, TaskError, ImportError) as error:
        return str(error)
    return None


def _difference(found: Sequence[RunSpec], spec: RunSpec) -> str:
    if len(found) != 1:
        return f": it makes {counted(len(found), 'run')}"
    one, other = found[0].model_dump(), spec.model_dump()
    names = [name for name in other if one[name] != other[name] and name != "variant"]
    return f": {', '.join(names)}" if names else ""
