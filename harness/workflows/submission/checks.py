"""What is checked of records that are handed in: each check once, by name, in the order of the table.

What a check finds is either refused, so that the records cannot be taken, or stated, so that whoever takes them knows.
No check runs anything that a record names, and none can tell a made-up figure: the seal is no signature. Only running
a record again can, which ``harness verify`` does.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from harness.workflows.submission import of_claims, of_code, of_figures, of_files, of_people
from harness.workflows.submission.findings import Check, Finding
from harness.workflows.submission.given import Submission

#: Every check, in the order of the table. Stated here once; docs/submitting.md is held to it by a test.
CHECKS: Final = tuple(map(Check.of, (
    of_files.schema, of_files.seal, of_files.machine, of_files.kept,
    of_code.gate, of_code.source, of_code.clean, of_code.spec,
    of_figures.figures, of_figures.noise, of_figures.seeds, of_figures.statuses, of_claims.claims,
    of_people.personal,
)))  # fmt: skip


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
