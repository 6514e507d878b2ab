"""One spec on one machine under several versions of its framework or of this project: what changed between them.

What changed is judged by the rules of ``harness compare BEFORE AFTER``: see ``harness.analysis.regression``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from packaging.version import InvalidVersion
from packaging.version import Version as Number

from harness.analysis import regression
from harness.analysis.groups import finished, seedless, shares, trait
from harness.records.kept import Run
from harness.records.naming import run_name
from harness.records.run import Record
from harness.text import machine_text

#: Share by which time or memory, or of what was learned the score, may change beyond its interval.
TOLERANCE: Final = 0.05


@dataclass(frozen=True)
class Version:
    """The runs of a spec under one version.

    Attributes:
        words: the framework's version, or this project's and its commit, whatever differs along the line.
        runs: in the order of their making.
        change: from the version before it; None of the first.
    """

    words: str
    runs: list[Run]
    change: regression.Row | None


@dataclass(frozen=True)
class Line:
    """A spec, seed aside, on one machine, over at least two versions.

    Attributes:
        name: of the run.
        machine: where.
        versions: by their numbers, then by when they were first used.
    """

    name: str
    machine: str
    versions: list[Version]

    @property
    def changed(self) -> bool:
        """Whether anything changed beyond noise."""
        changes = [change for version in self.versions if version.change for change in version.change.changes]
        return any(change.state in ("worse", "better") for change in changes)


def lines(runs: Iterable[Run]) -> list[Line]:
    """Where the same spec was run under several versions, those lines first that have changes beyond noise."""
    by_spec: dict[tuple[str, str, int], list[Run]] = {}
    for run in runs:
        if finished(run) and not shares(run):
            by_spec.setdefault((seedless(run), trait(run, "machine"), trait(run, "logical_cpus")), []).append(run)
    found = [
        _line(machine, cpus, same) for (_, machine, cpus), same in by_spec.items() if len(set(map(_key, same))) > 1
    ]
    return sorted(found, key=lambda line: (not line.changed, line.name, line.machine))


def _key(run: Run) -> tuple[str | None, ...]:
    return trait(run, "version"), trait(run, "harness"), trait(run, "git_commit")


def _line(machine: str, cpus: int, runs: list[Run]) -> Line:
    by_version: dict[tuple[str | None, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda run: (trait(run, "created"), run.id)):
        by_version.setdefault(_key(run), []).append(run)
    # a stable sort: versions of one number stay in the order of their first runs
    keys = sorted(by_version, key=lambda key: (_number(key[0]), _number(key[1])))
    whole: list[list[Record]] = [[_record(run) for run in by_version[key]] for key in keys]
    changes = [None, *(regression.row(a, b, TOLERANCE) for a, b in pairwise(whole))]
    several = [len({key[place] for key in keys}) > 1 for place in range(3)]
    versions = [
        Version(_words(key, several, trait(by_version[key][0], "backend")), by_version[key], change)
        for key, change in zip(keys, changes, strict=True)
    ]
    return Line(run_name(runs[0]), machine_text(machine, cpus), versions)


def _words(key: tuple[str | None, ...], several: list[bool], backend: str) -> str:
    framework, harness, commit = key
    parts = [
        f"{backend} {framework or 'unknown'}" if several[0] else "",
        f"harness {harness or 'unknown'}" if several[1] else "",
        f"commit {commit[:8] if commit else 'unknown'}" if several[2] else "",
    ]
    return ", ".join(filter(None, parts))


def _number(text: str | None) -> Number:
    try:
        return Number(text or "0")
    except InvalidVersion:
        return Number("0")


def _record(run: Run) -> Record:
    return run if isinstance(run, Record) else run.record
