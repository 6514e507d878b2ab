"""What is checked of records that are handed in: each check once, by name, in the order of the table.

What a check finds is either refused, so that the records cannot be taken, or stated, so that whoever takes them knows.
No check runs anything that a record names, and none can tell a made-up figure: the seal is no signature. Only running
a record again can, which ``harness verify`` does.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

import backends
import tasks
from harness.analysis.disturbance import contestant_flags, flags
from harness.errors import UsageError
from harness.machine.history import COMMIT, blob_of
from harness.machine.personal import ALIAS, GENERIC, told, told_here
from harness.records import figures
from harness.records.base import Execution, Spread
from harness.records.kinds import about
from harness.records.machines import slug
from harness.records.run import Record
from harness.specs.run import RunSpec
from harness.text import counted, printable
from harness.workflows.quiet import LOUD
from harness.workflows.submission.given import Handed, Submission
from harness.workflows.submission.studies import missing_runs
from tasks.base import TaskError
from tasks.registry import UnknownName

#: Whether the records cannot be taken for it, or it is only said.
Level = Literal["refused", "stated"]
#: How far figures may be from what follows from the blocks: what rounding does.
_ROUNDING: Final = 1e-6
#: Letters of a field's name in a finding.
_LONGEST_PATH: Final = 100
#: Clocks of two machines differ.
_CLOCKS: Final = timedelta(days=1)
_NUMBER: Final = re.compile(r"-[0-9.].*")
_TIMES: Final = re.compile(r"(?P<when>\d{8}T\d{6}Z)-(?P<what>.+)-[0-9a-f]{8}")


class Finding(NamedTuple):
    """What a check has found: in one line, what is wrong and what would be right."""

    level: Level
    what: str


Findings = Iterator[Finding]


class Check(NamedTuple):
    """A check: its name, what it makes sure of, and how."""

    name: str
    about: str
    find: Callable[[Submission], Findings]


def _refused(handed: Handed | None, what: str) -> Finding:
    return Finding("refused", printable(f"{handed.name}: {what}" if handed else what))


def _stated(handed: Handed | None, what: str) -> Finding:
    return Finding("stated", printable(f"{handed.name}: {what}" if handed else what))


# -- the files ----------------------------------------------------------------------------------------
def _schema(of: Submission) -> Findings:
    now = datetime.now(UTC)
    for each in of.handed:
        if each.record is None:
            if not each.altered:
                yield _refused(each, f"{each.problem}; hand in the file as harness wrote it")
            continue
        if each.path.stem != each.record.id:
            yield _refused(each, f"its id is {each.record.id}; name the file {each.record.id}.json, as harness did")
        if each.record.created > now + _CLOCKS:
            yield _refused(each, f"made on {each.record.created:%Y-%m-%d}, which is yet to come")
        if (found := _TIMES.fullmatch(each.record.id)) and found["when"] != f"{each.record.created:%Y%m%dT%H%M%SZ}":
            yield _refused(
                each, f"its id says {found['when']}, but it was made at {each.record.created:%Y%m%dT%H%M%SZ}"
            )
    for path in of.others:
        yield _refused(None, f"{path.name}: neither a record nor a study's file; leave it out")
    ids = Counter(record.id for _, record in of.read)
    for identity, count in ids.items():
        if count > 1:
            yield _refused(None, f"{counted(count, 'file')} have the id {identity}; hand in one of them")


def _seal(of: Submission) -> Findings:
    for each in of.handed:
        if each.altered:
            yield _refused(each, f"{each.problem}; hand in the file as harness wrote it")
        elif each.record is not None and about(each.record).sealed_since > _version(each):
            yield _stated(each, "of a schema without a seal: nothing shows whether it was changed")


def _version(handed: Handed) -> int:
    """The schema version that the file has, not the one that it is read as."""
    found = json.loads(handed.content).get("schema_version", 1)
    return found if isinstance(found, int) else 1


def _machine(of: Submission) -> Findings:
    by_slug: dict[str, list[Handed]] = defaultdict(list)
    for each, record in of.read:
        if (environment := getattr(record, "environment", None)) is not None:
            by_slug[slug(environment)].append(each)
    for name, found in by_slug.items():
        if name != of.folder.name:
            more = f" and {counted(len(found) - 1, 'more record')}" if len(found) > 1 else ""
            yield _refused(found[0], f"made on {name}{more}, not on {of.folder.name}; it belongs into a folder {name}")


def _kept(of: Submission) -> Findings:
    if of.history is None or of.within is None:
        return
    here = {each.name: each for each in of.handed}
    for name, number in of.history.files(of.within).items():
        if not name.endswith(".json") or "/" in name:
            continue
        if name not in here:
            yield _refused(None, f"{name}: published, and not here any more; published records stay")
        elif blob_of(here[name].content) != number:
            yield _refused(here[name], "published with other contents; published records are never changed")


# -- what ran -----------------------------------------------------------------------------------------
def _executions(of: Submission) -> Iterator[tuple[Handed, Execution]]:
    for each, record in of.runs:
        yield each, record
    for each, speed in of.contests:
        yield from ((each, row) for contest in speed.contests for row in contest.rows)


def _gate(of: Submission) -> Findings:
    own: dict[str, Handed] = {}
    for each, ran in _executions(of):
        if ran.status != "ok":
            continue
        if ran.gate == "own":
            own.setdefault(each.name, each)
        elif ran.gate is None:
            yield _refused(each, f"{ran.name}: ok without the gate, which no run passes by")
        elif ran.compared and not (ran.compared.passed and _within_tolerance(ran)):
            yield _refused(each, f"{ran.name}: ok, but not within the gate's tolerance of the reference")
    for each in own.values():
        yield _stated(each, "of a model of its author's own, which was compared with nothing")


def _within_tolerance(ran: Execution) -> bool:
    gate = ran.compared
    assert gate is not None
    distances = (gate.loss_distance, gate.parameter_distance, gate.prediction_distance, gate.gradient_distance)
    return all(each is None or abs(each) <= gate.tolerance for each in distances)


def _source(of: Submission) -> Findings:
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
                if each.record is not None and each.record.created < made - _CLOCKS:
                    yield _refused(each, f"made before the commit that it names, {commit[:12]} of {made:%Y-%m-%d}")


def _known(of: Submission, commit: str | None, sources: Mapping[str, str]) -> Findings:
    assert of.history is not None
    if commit is not None and not COMMIT.fullmatch(commit):
        yield _refused(None, f"its commit is none: {commit[:40]!r}")
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
                yield _refused(None, f"{what}; measure with unchanged code")
                return
    elif (holder := of.history.holder(sources)) is not None:
        name = f"commit {commit[:12]}, which the project does not have" if commit else "no commit"
        yield _stated(None, f"names {name}; its source is that of {holder[:12]}")
    else:
        where = " (this clone is shallow: git fetch --unshallow)" if of.history.shallow else ""
        name = f"commit {commit[:12]}" if commit else "no commit"
        yield _refused(None, f"made by code that the project does not have ({name}){where}; "
                       "measure with a commit of its main branch, or have yours taken first")  # fmt: skip


def _clean(of: Submission) -> Findings:
    for each, record in of.read:
        environment = getattr(record, "environment", None)
        if environment is not None and environment.git_dirty:
            yield _refused(each, "made in a checkout with changes that no commit has; run it again without them")


def _spec(of: Submission) -> Findings:
    for each, record in of.runs:
        spec = record.spec
        words = f"-{spec.task}-{spec.backend}-{spec.model.cell}-"
        if _TIMES.fullmatch(record.id) and words not in record.id:
            yield _refused(each, f"its id does not say{words.replace('-', ' ')[:-1]}, which its spec does")
        if why := _unreadable(record):
            yield _stated(each, f"its command was not read: {why}")
            continue
        if said := _said_twice(record.command or ""):
            yield _refused(each, f"its command gives {said} twice, and would make several runs; hand it in unchanged")
            continue
        try:
            found = of.specs_of(record.command or "")
        except UsageError as error:
            yield _refused(each, f"its command asks for nothing that runs: {error}")
            continue
        if [_present(one) for one in found] != [_present(spec)]:
            yield _refused(each, f"its command does not ask for what its spec says{_difference(found, spec)}")


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


# -- what was measured --------------------------------------------------------------------------------
def _figures(of: Submission) -> Findings:
    for each, record in of.runs:
        for what in _contradictions(record):
            yield _refused(each, f"{what}; hand in what was measured")
    for each, speed in of.contests:
        for row in (row for contest in speed.contests for row in contest.rows if row.figures):
            if row.figures and not _alike(row.figures.step_ms, figures.step_ms(row.blocks)):
                yield _refused(each, f"{row.name}: its time per update does not follow from its blocks; hand in what "
                               "was measured")  # fmt: skip


def _contradictions(record: Record) -> Iterator[str]:
    metrics, spec = record.metrics, record.spec
    if metrics is None:
        return
    if record.status != "ok":
        yield f"it has figures and is {record.status}"
    follows: tuple[tuple[str, Spread | None, Sequence[figures.Block] | None, Callable[..., Spread | None]], ...] = (
        ("time per update", metrics.step_ms, metrics.train_blocks, figures.step_ms),
        ("training rate", metrics.train_sequences_per_second, metrics.train_blocks,
         lambda blocks: figures.rates(blocks, spec.batch)),
        ("prediction rate", metrics.predict_sequences_per_second, metrics.predict_blocks,
         lambda blocks: figures.rates(blocks, 1)),
    )  # fmt: skip
    for name, figure, blocks, rule in follows:
        if blocks is not None and not _alike(figure, rule(blocks)):
            yield f"its {name} does not follow from its blocks"
    slack = 1 + _ROUNDING
    blocks_s = sum(block.seconds for block in metrics.train_blocks or ())
    if blocks_s > metrics.train_s * slack:
        yield f"its blocks took {blocks_s:.3g} s, more than all training, {metrics.train_s:.3g} s"
    if metrics.train_s > metrics.wall_s * slack:
        yield f"training took {metrics.train_s:.3g} s, more than the whole run, {metrics.wall_s:.3g} s"
    if sum(block.steps for block in metrics.train_blocks or ()) > spec.steps:
        yield f"its blocks have more updates than the {spec.steps:,} that were asked for"
    steps = [point.step for point in record.curve]
    if any(b <= a for a, b in pairwise(steps)) or max([*steps, metrics.score_step]) > spec.steps:
        yield "the updates of its curve are in no order, or beyond the last one"
    if any(b.seconds < a.seconds for a, b in pairwise(record.curve)):
        yield "the seconds of its curve run backwards"
    if metrics.stopped_at is None and spec.patience is None and steps and steps[-1] != spec.steps:
        yield f"its curve ends after {steps[-1]:,} of {spec.steps:,} updates"
    try:
        solved = tasks.load(spec.task, spec.parameters, spec.seed).solved(metrics.score)
    except Exception:  # of a task that is not here, or of data; a third party's may raise anything
        return
    if solved != metrics.solved:
        yield f"its scores {'solve' if solved else 'do not solve'} the task, and it says otherwise"


def _alike(stated: Spread | None, found: Spread | None) -> bool:
    if stated is None or found is None:
        return stated is None and found is None
    pairs = zip(vars(stated).values(), vars(found).values(), strict=True)
    return all(math.isclose(a, b, rel_tol=_ROUNDING) for a, b in pairs)


def _noise(of: Submission) -> Findings:
    found: dict[str, list[Handed]] = defaultdict(list)
    for each, record in of.runs:
        loud = record.before is not None and (record.before.share or 0) > LOUD
        for flag in [*flags(record.noise), *["others were busy before it began"] * loud]:
            found[flag].append(each)
    for each, speed in of.contests:
        rows = (row for contest in speed.contests for row in contest.rows)
        for flag in sorted({flag for row in rows for flag in contestant_flags(row)}):
            found[flag].append(each)
    for flag, records in found.items():
        yield _stated(None, f"{flag}: {counted(len(records), 'record')}, such as {records[0].name}")


def _seeds(of: Submission) -> Findings:
    again = Counter((record.spec.digest, record.framework_version) for _, record in of.runs if record.metrics)
    twice = {key: count for key, count in again.items() if count > 1}
    for each, record in of.runs:
        if count := twice.pop((record.spec.digest, record.framework_version), 0) if record.metrics else 0:
            yield _stated(each, f"its spec was run {count} times here, seed {record.spec.seed} included: its mean "
                          "counts that seed as often")  # fmt: skip
    yield from _copies(of, "losses", _losses, "of one seed only; a record's seed may not be changed")
    yield from _copies(of, "seconds of every block", _blocks, "one is a copy of the other")


def _copies(of: Submission, name: str, key: Callable[[Record], Hashable], why: str) -> Findings:
    """Records that have in common what two runs cannot."""
    seen: dict[Hashable, Handed] = {}
    for each, record in of.runs:
        if (found := key(record)) is None:
            continue
        first = seen.setdefault((name, found), each)
        other = first.record
        if first is each or not isinstance(other, Record):
            continue
        if name != "losses" or other.spec.seed != record.spec.seed:
            yield _refused(each, f"it has the {name} of {first.name}, {why}")


def _losses(record: Record) -> Hashable:
    """What no two seeds share; None of a run that learned nothing worth comparing."""
    losses = tuple(point.train_loss for point in record.curve if point.train_loss is not None)
    return (record.spec.task, losses) if len(losses) > 1 else None


def _blocks(record: Record) -> Hashable:
    blocks = record.metrics.train_blocks if record.metrics else None
    return tuple(block.seconds for block in blocks) if blocks and len(blocks) > 2 else None


def _statuses(of: Submission) -> Findings:
    for study, what in missing_runs(of):
        yield _refused(None, f"study {study}: {what}")
    not_ok = Counter(record.status for _, record in of.runs if record.status != "ok")
    for status, count in not_ok.items():
        yield _stated(None, f"{counted(count, 'run')} {status}, as published")


# -- who measured it ----------------------------------------------------------------------------------
def _personal(of: Submission) -> Findings:
    find = told_here if of.here else told
    for each in of.handed:
        try:
            document = json.loads(each.content)
        except (ValueError, RecursionError):
            continue
        tells = {f"{where}: {what}" for where, text in _texts(document) for what in find(text)}
        tells |= {f"{where}: the machine's name, {name}" for where, name in _nodes(document) if _names_a_machine(name)}
        if tells:
            more = f" (and {len(tells) - 1} more)" if len(tells) > 1 else ""
            yield _refused(each, f"tells {min(tells)}{more}; run it again with this version, which leaves that out")


def _texts(document: Any) -> Iterator[tuple[str, str]]:
    """Every text in a document, names of fields included, with where it stands; however deep that is."""
    left: list[tuple[str, Any]] = [("", document)]
    while left:
        where, value = left.pop()
        if isinstance(value, str):
            yield where, value
        elif isinstance(value, dict):
            for name, each in value.items():
                inner = f"{where}.{name}".removeprefix(".")[:_LONGEST_PATH]
                yield inner, str(name)
                left.append((inner, each))
        elif isinstance(value, list):
            left += [(where, each) for each in value]


def _nodes(document: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(document, dict):
        return
    tries = document.get("tries")
    tried = [("tries", one) for one in (tries if isinstance(tries, list) else [])]
    for where, each in [("place", document.get("place")), *tried]:
        if isinstance(each, dict) and isinstance(each.get("node"), str):
            yield f"{where}.node", each["node"]


def _names_a_machine(name: str) -> bool:
    return not ALIAS.fullmatch(name) and name.lower() not in GENERIC


#: Every check, in the order of the table. Stated here once; docs/submitting.md is held to it by a test.
CHECKS: Final = (
    Check("schema", "each file is a record that reads today, under its own id; nothing else lies beside it", _schema),
    Check("seal", "each record is as it was written: its contents match its own digest", _seal),
    Check("machine", "all were made on the machine that the folder names", _machine),
    Check("kept", "what is published already is still there, byte by byte", _kept),
    Check("gate", "what is `ok` passed the gate: the same mathematics as the float64 reference", _gate),
    Check("source", "the digests of the source are those of a commit of the project, made before the record", _source),
    Check("clean", "the checkout had no changes of its own", _clean),
    Check("spec", "the command that a record prints asks for exactly its spec", _spec),
    Check("figures", "rates follow from the timed blocks, times add up, `solved` follows from the scores", _figures),
    Check("noise", "what disturbed a measurement is said", _noise),
    Check("seeds", "no run is another's copy, or has its losses under another seed; what ran twice is said", _seeds),
    Check("statuses", "of a study every run is there, whatever became of it", _statuses),
    Check("personal", "no host, user, home folder or mail address is in a record", _personal),
)  # fmt: skip


class Result(NamedTuple):
    """What a check came to."""

    check: Check
    findings: list[Finding]

    @property
    def verdict(self) -> Literal["passed", "stated", "refused"]:
        """The worst that was found."""
        levels = {each.level for each in self.findings}
        return "refused" if "refused" in levels else "stated" if "stated" in levels else "passed"


def check(of: Submission) -> list[Result]:
    """What each check finds."""
    return [Result(each, list(each.find(of))) for each in CHECKS]
