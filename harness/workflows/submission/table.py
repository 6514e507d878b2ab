"""What a submission comes to, for whoever decides on it: a line per check, and what each found."""

from __future__ import annotations

from collections.abc import Sequence

from harness.presentation.table import Cell, Column, Table
from harness.text import counted
from harness.workflows.submission.checks import Result
from harness.workflows.submission.given import Submission

_STYLES = {"passed": "green", "stated": "yellow", "refused": "red"}
#: Findings of one check that are written out.
_SHOWN = 10
#: What a reader must know of every submission.
LIMITS = (
    "These checks find mistakes and what was left out. They cannot tell a made-up figure, as the seal is no signature: "
    "only running a record again can (harness verify)."
)


def table(of: Submission, results: Sequence[Result]) -> Table:
    """A row per check, what was found below it."""
    refused = sum(result.verdict == "refused" for result in results)
    verdict = f"refused by {counted(refused, 'check')}" if refused else "nothing stands against it"
    columns: list[Column[Result]] = [
        Column("check", lambda each: each.check.name, whole=True),
        Column("result", lambda each: each.verdict, style=lambda each: _STYLES[each.verdict], whole=True),
        Column("makes sure that", lambda each: each.check.about.replace("`", ""), prose=True),
        Column("found", _found, prose=True),
    ]
    return Table.of(
        columns, results, layout="airy", title=f"{of.folder.name}: {verdict}", about=_content(of),
        notes=[*_notes(results), Cell(LIMITS)],
    )  # fmt: skip


def _found(result: Result) -> str:
    return counted(len(result.findings), "line") if result.findings else ""


def _content(of: Submission) -> str:
    kinds = [(len(of.runs), "run"), (len(of.contests), "speed contest")]
    kinds.append((len(of.read) - len(of.runs) - len(of.contests), "other record"))
    said = [counted(count, name) for count, name in kinds if count]
    unread = len(of.handed) - len(of.read)
    return ", ".join([*said, *([counted(unread, "file") + " that cannot be read"] if unread else [])]) or "no records"


def _notes(results: Sequence[Result]) -> list[Cell]:
    found = []
    for result in sorted(results, key=lambda each: each.verdict != "refused"):
        ordered = sorted(result.findings, key=lambda each: each.level != "refused")
        for each in ordered[:_SHOWN]:
            found.append(Cell(f"{result.check.name}, {each.level}: {each.what}", _STYLES[each.level]))
        if len(ordered) > _SHOWN:
            found.append(Cell(f"{result.check.name}: {len(ordered) - _SHOWN:,} more"))
    return found
