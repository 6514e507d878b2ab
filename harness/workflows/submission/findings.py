"""What a check is, and what it finds."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final, Literal, NamedTuple

from harness.records.base import Execution
from harness.text import printable
from harness.workflows.submission.given import Handed, Submission

#: Whether the records cannot be taken for it, or it is only said.
Level = Literal["refused", "stated"]
#: By how much the clocks of two machines may differ.
CLOCKS: Final = timedelta(days=1)
#: A record's id: when it was made, and what it is of.
NAMED: Final = re.compile(r"(?P<when>\d{8}T\d{6}Z)-(?P<what>.+)-[0-9a-f]{8}")


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

    @classmethod
    def of(cls, find: Callable[[Submission], Findings]) -> Check:
        """The check that a function makes: of its name, and about what its docstring says."""
        about = inspect.getdoc(find) or ""
        return cls(find.__name__, f"{about[:1].lower()}{about[1:].rstrip('.')}", find)


def refused(handed: Handed | None, what: str) -> Finding:
    """Why the records cannot be taken."""
    return Finding("refused", printable(f"{handed.name}: {what}" if handed else what))


def stated(handed: Handed | None, what: str) -> Finding:
    """What whoever takes them should know."""
    return Finding("stated", printable(f"{handed.name}: {what}" if handed else what))


def executions(of: Submission) -> Iterator[tuple[Handed, Execution]]:
    """Each execution in the records, with the file that it is in: runs, and contestants."""
    for each, record in of.runs:
        yield each, record
    for each, speed in of.contests:
        yield from ((each, row) for contest in speed.contests for row in contest.rows)
