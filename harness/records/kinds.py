"""The kinds of records: the one place where a word in a document leads to a model, its migrations and its schema.

A new kind is a model with ``KIND``, a line here, and one in ``harness.presentation.kinds``, which says how it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from harness.records.base import Sealed
from harness.records.claim import ClaimRecord
from harness.records.migrations import (
    CLAIM_CURRENT,
    CLAIM_STEPS,
    CURRENT,
    SPEED_CURRENT,
    SPEED_STEPS,
    STEPS,
    VERDICT_CURRENT,
    VERDICT_STEPS,
    NotMigrated,
    Step,
    check_seal,
)
from harness.records.run import Record
from harness.records.speed import SpeedRecord
from harness.records.verdict import VerdictRecord


class Kind(NamedTuple):
    """What is known of a kind of record.

    Attributes:
        model: of its present schema; its ``KIND`` is what the document's field ``kind`` says.
        current: the version of that; steps: from each version to the next.
        sealed_since: the first version whose records have a digest.
        schema: of its published JSON Schemas, the file's name before the version.
        what: such a record is, in words; plural: what several are of.
        held: the attribute of ``Found`` that holds them.
    """

    model: type[Sealed]
    current: int
    steps: Mapping[int, Step]
    sealed_since: int
    schema: str
    what: str
    plural: str
    held: str


#: Of records without the field ``kind``.
_RUN: Final = Record.KIND
KINDS: Final[Mapping[str, Kind]] = {
    kind.model.KIND: kind
    for kind in (
        Kind(Record, CURRENT, STEPS, 2, "record", "the record of a run", "runs", "records"),
        Kind(
            SpeedRecord, SPEED_CURRENT, SPEED_STEPS, 2, "speed", "the record of a speed contest", "speed contests",
            "speeds",
        ),
        Kind(VerdictRecord, VERDICT_CURRENT, VERDICT_STEPS, 1, "verdict", "a verdict on a run", "verdicts", "verdicts"),
        Kind(ClaimRecord, CLAIM_CURRENT, CLAIM_STEPS, 1, "claim", "the record of a claim", "claims", "claims"),
    )
}  # fmt: skip


def kind_of(document: Mapping[str, Any]) -> Kind:
    """The kind of a record from its JSON, of whatever version.

    Raises:
        NotMigrated: there is none of that name, or not yet; Altered where it was changed.
    """
    word = document.get("kind", _RUN)
    kind = KINDS.get(word) if isinstance(word, str) else None
    if kind is None:
        if "digest" in document:
            check_seal(document)
        known = ", ".join(KINDS)
        raise NotMigrated(f"kind: {str(word)[:40]!r} is none that this harness reads ({known}); upgrade harness")
    return kind


def about(record: Sealed) -> Kind:
    """The kind of a record."""
    return KINDS[record.KIND]
