"""What is checked of verdicts on claims: that they follow from their figures, which others can look up."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from typing import Any

from harness.analysis.claims import Interval, decide, together
from harness.records.claim import ClaimFigure, ClaimRecord
from harness.workflows.submission.findings import Findings, refused
from harness.workflows.submission.given import Submission

#: Records that are named of those that are missing.
_NAMED = 3


def claims(of: Submission) -> Findings:
    """A claim's verdict follows from its intervals and its file's bounds, and what it was measured by is there."""
    there = {each.digest for each, _ in of.read}
    for each, record in of.claims:
        for what in _contradictions(record):
            yield refused(each, f"{what}; hand in what harness claims run has written")
        if missing := [one.id for one in record.evidence if one.digest not in there]:
            named = ", ".join(missing[:_NAMED]) + (", …" if len(missing) > _NAMED else "")
            what = "record that is" if len(missing) == 1 else "records that are"
            many = f"{len(missing):,} {what} not here"
            yield refused(each, f"its figures come from {many} ({named}); hand in all of them")


def _contradictions(record: ClaimRecord) -> Iterator[str]:
    said = _document(record.text)
    if said.get("statement") != record.statement:
        yield "its statement is not that of the claim's file"
    given = said.get("rule")
    rules = [each if isinstance(each, dict) else {} for each in given] if isinstance(given, list) else []
    for figure in record.figures:
        rule = rules[figure.rule] if figure.rule < len(rules) else {}
        if (figure.above, figure.below) != (rule.get("above"), rule.get("below")):
            yield f"the bounds of {figure.what} are not those of rule {figure.rule + 1} of the claim's file"
        if decide(_interval(figure), figure.above, figure.below) != figure.verdict:
            yield f"the verdict on {figure.what} does not follow from its interval"
    if left := sorted(set(range(len(rules))) - {figure.rule for figure in record.figures}) if record.figures else []:
        yield f"rule {left[0] + 1} of the claim's file has no figure"
    if record.figures and together(each.verdict for each in record.figures) != record.verdict:
        yield "its verdict does not follow from those on its figures"


def _document(text: str) -> dict[str, Any]:
    """What the claim's file says, whatever that is; nothing where it is not TOML."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}


def _interval(figure: ClaimFigure) -> Interval:
    value = math.nan if figure.value is None else figure.value
    low = -math.inf if figure.low is None else figure.low
    return Interval(value, low, math.inf if figure.high is None else figure.high)
