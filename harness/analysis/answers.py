"""Answers of all records, one for each question: see ``harness.analysis.answer`` for the rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from harness.analysis.answer import Answer, Question
from harness.analysis.answers_of_contests import of_contests
from harness.analysis.answers_of_runs import Figure, of_runs
from harness.records.kept import Run
from harness.records.speed import SpeedRecord


def answers(runs: Iterable[Run], speeds: Iterable[SpeedRecord], figure: Figure) -> list[Answer]:
    """One answer for each question that these records can be asked: of several sources of this project the newest
    under which at least two backends were measured.

    Args:
        figure: gives columns of runs, by the names that tables have for them; and as ``seconds_to`` by levels of the
            main score the seconds until it passed them, None where it never did.
    """
    found: dict[Question, list[Answer]] = {}
    for answer in (*of_contests(speeds), *of_runs(runs, figure)):
        found.setdefault(replace(answer.question, project=""), []).append(answer)
    chosen = []
    for same in found.values():
        newest = max(same, key=lambda answer: (len(answer.backends) > 1, answer.last))
        chosen.append(replace(newest, earlier=len(same) - 1))
    return chosen
