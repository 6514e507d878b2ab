"""Whether a study's runs are all there, whatever became of them: who leaves out what failed states a better result."""

from __future__ import annotations

import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from harness.errors import UsageError
from harness.planning.studies import Planned, runs_of
from harness.records.run import Record
from harness.records.store import StoreError, contents
from harness.specs import claim_file
from harness.specs.claim_file import CLAIMS
from harness.specs.run import RunSpec
from harness.specs.study import LARGEST_BYTES, Study, flat, read, toml
from harness.text import counted
from harness.workflows.submission.given import STUDIES, STUDY_ENDING, Submission

#: Runs that are named of those that are missing.
_NAMED = 3
#: Of a stranger's study: far more than anybody publishes, and planned in a second.
_MOST_RUNS = 20_000


def missing_runs(of: Submission) -> Iterator[tuple[str, str]]:
    """For each study that records name: its name, and in a line what is missing of it; nothing where all is there."""
    by_name: dict[str, list[Record]] = defaultdict(list)
    for _, record in of.runs:
        if record.study is not None:
            by_name[record.study.name].append(record)
    for name, records in by_name.items():
        marks = {record.study.sha256 for record in records if record.study}
        with tempfile.TemporaryDirectory() as scratch:
            found = _studies_of(of, marks, Path(scratch))
            if unknown := sorted(marks - found.keys()):
                which = ", ".join(f"{mark[:12]}…" for mark in unknown)
                yield (
                    name,
                    (
                        f"no file of SHA-256 {which} is in {STUDIES}, in {CLAIMS} or beside the records; put it beside "
                        "them, as it was when the runs were made"
                    ),
                )
            for planning in found.values():
                yield from ((name, line) for line in _missing(planning, records))


Planning = Callable[[], tuple[Study, list[Planned]]]
"""Reads a study and plans its runs. Raises UsageError."""


def _studies_of(of: Submission, marks: set[str], scratch: Path) -> dict[str, Planning]:
    """What plans the study of each of these digests that is known: a study's own file, or a claim's, which says one."""
    found: dict[str, Planning] = {}
    for name, content, planned in _candidates(of):
        mark = hashlib.sha256(content).hexdigest()
        if mark in marks and mark not in found:
            folder = scratch / mark
            folder.mkdir()
            (folder / name).write_bytes(content)
            found[mark] = partial(planned, folder / name)
        if len(found) == len(marks):
            break
    return found


def _candidates(of: Submission) -> Iterator[tuple[str, bytes, Callable[[Path], tuple[Study, list[Planned]]]]]:
    """What may say a study: beside the records, in those on claims, in the repository, and in its history."""
    for path in of.studies:
        with suppress(OSError, StoreError):
            yield path.name, contents(path, "study", LARGEST_BYTES), _planned
    for _, record in of.claims:
        yield f"{record.claim}{STUDY_ENDING}", record.text.encode(), _planned_of_claim
    if of.history:
        for name, content in of.history.versions(STUDIES, STUDY_ENDING):
            yield name, content, _planned
        for name, content in of.history.versions(CLAIMS.as_posix(), claim_file.ENDING):
            yield name, content, _planned_of_claim


def _planned(file: Path) -> tuple[Study, list[Planned]]:
    study = read(file)
    return study, runs_of(study, _MOST_RUNS, anywhere=True)


def _planned_of_claim(file: Path) -> tuple[Study, list[Planned]]:
    _, _, document = toml(file, "claim file")
    given = document.get("study")
    if not isinstance(given, dict) or "file" in given:  # which would be opened, wherever it is
        raise UsageError(f"{file.name} is a claim whose study has another file, or none")
    claim = claim_file.read(file, file.parent)
    assert claim.study is not None
    studies = [claim.study, *([claim.also] if claim.also else [])]
    return studies[-1], [run for study in studies for run in runs_of(study, _MOST_RUNS, anywhere=True)]


def _missing(planning: Planning, records: Sequence[Record]) -> Iterator[str]:
    try:
        study, planned = planning()
    except UsageError as error:
        yield f"its file cannot be planned here: {error}"
        return
    key = _key(study)
    there: dict[str, list[str | None]] = defaultdict(list)
    for record in records:
        there[key(record.spec)].append(record.framework_version)
    left = [each for each in planned if not _is_there(there.get(key(each.spec), []), each.version)]
    if left:
        named = ", ".join(_words(each.spec) for each in left[:_NAMED])
        yield (
            f"{len(left):,} of its {counted(len(planned), 'run')} {'is' if len(left) == 1 else 'are'} missing "
            f"({named}{', …' if len(left) > _NAMED else ''}); hand in every run, whatever became of it"
        )


def _key(study: Study) -> Callable[[RunSpec], str]:
    """What tells a study's runs apart, wherever it is planned: what the machine decided is left out."""
    said = {name for axes in (study.fixed, study.axes, *study.zipped) for name, _ in flat(_lists(axes))}
    left_open: dict[str, object] = {} if "threads" in said else {"threads": 1}
    variants = [value for axes in (study.fixed, study.axes, *study.zipped) for value in _values(axes.get("variant"))]
    if "all" in variants:
        left_open["variant"] = "auto"
    return lambda spec: spec.model_copy(update=left_open).digest


def _lists(axes: dict[str, object]) -> dict[str, object]:
    return {name: each if isinstance(each, list | dict | range) else [each] for name, each in axes.items()}


def _values(given: object) -> list[object]:
    return list(given) if isinstance(given, list) else [given]


def _is_there(versions: Sequence[str | None], asked: str | None) -> bool:
    """Whether a run is among those of its spec, by their frameworks' versions."""
    if asked is None:
        return bool(versions)
    return any(each is None or _public(each) == _public(asked) for each in versions)


def _public(version: str) -> str:
    """Without what follows a +, which says how it was built."""
    return version.partition("+")[0]


def _words(spec: RunSpec) -> str:
    return f"{spec.task} {spec.backend} {spec.model.name} seed {spec.seed}"
