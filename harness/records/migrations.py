"""Records of earlier schemas brought to the present one, by a function from each version to the next.

Each kind of record has versions of its own: see ``harness.records.kinds``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from harness.records.seal import digest

#: Of run records, of speed records, of verdicts, and of claims.
CURRENT: Final = 7
SPEED_CURRENT: Final = 5
VERDICT_CURRENT: Final = 1
CLAIM_CURRENT: Final = 1
Document = dict[str, Any]
#: From one version to the next.
Step = Callable[[Document], Document]


class NotMigrated(ValueError):
    """The document's version is invalid, or newer than this harness can read; the message says which."""


class Altered(NotMigrated):
    """The contents do not match the record's own digest: it was changed after it was written."""


def to_current(document: Document, current: int, steps: Mapping[int, Step], sealed_since: int = 1) -> Document:
    """A record's JSON in the present schema of its kind, its digest checked and removed.

    Args:
        current: the version of that schema.
        steps: from each version to the next.
        sealed_since: the first version whose records have a digest.

    Raises:
        NotMigrated: the version is invalid, or newer than this harness.
        Altered: something in it was changed since it was written.
    """
    # ``kind`` is covered by the digest too: a changed one is found below, whichever steps it leads to
    version = document.get("schema_version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise NotMigrated(f"schema_version: a whole number from 1 to {current}, not {str(version)[:40]!r}")
    if version > current:
        raise NotMigrated(f"schema version {version} is newer than this harness reads ({current}): upgrade harness")
    content = document
    if version >= sealed_since:
        check_seal(document)
        content = {name: value for name, value in document.items() if name != "digest"}
    for step in range(version, current):
        content = steps[step](content)
    return content


def check_seal(document: Mapping[str, Any]) -> None:
    """Raise Altered where a document's contents do not match its digest."""
    if document.get("digest") != digest(document):
        raise Altered("altered since it was written: its contents do not match its digest")


def _from_1(document: Document) -> Document:
    _refuse(NEW_IN_2, document)
    return {**document, "schema_version": 2}


def _from_2(document: Document) -> Document:
    """Version 3 adds measurements of the device; a record of version 2 has none, and they are null."""
    return {**document, "schema_version": 3}


def _from_3(document: Document) -> Document:
    """Version 4 adds the timed blocks to the metrics; before, only their medians and percentiles were kept."""
    return {**document, "schema_version": 4}


def _from_4(document: Document) -> Document:
    """Version 5 adds epochs and a user's own data set to the metrics, the parameters that a spec starts from, digests
    of those that were saved, models of a user's own, and to the spec what people train with: dropout, label smoothing,
    the rest of the update rule, micro-batches and patience; before, there were none of them.
    """
    return {**document, "schema_version": 5}


def _from_5(document: Document) -> Document:
    """Version 6 adds the study that a run belongs to, the machine and engine that made it, and earlier tries."""
    return {**document, "schema_version": 6}


def _from_6(document: Document) -> Document:
    """Version 7 adds to the metrics what a run of only the first updates can be held to; before, there were the points
    of the curve alone.
    """
    return {**document, "schema_version": 7}


def _speed_from_1(document: Document) -> Document:
    """In version 1 a call had one device, and its limits stood directly in the record."""
    _refuse(SPEED_NEW_IN_2, document)
    roof = {name: document[name] for name in ("gemm_gflops", "copy_gb_per_s") if name in document}
    rest = {name: value for name, value in document.items() if name not in roof}
    try:
        device = str(document["contests"][0]["rows"][0]["spec"]["device"])
    except (KeyError, IndexError, TypeError):
        return {**rest, "schema_version": 2}  # no contest; or malformed, as validation will say
    return {**rest, "schema_version": 2, "roofs": {device: roof}}


def _speed_from_2(document: Document) -> Document:
    """Version 3 adds the rest of the update rule, micro-batches and models of a user's own; before, there were none."""
    return {**document, "schema_version": 3}


def _speed_from_3(document: Document) -> Document:
    """Version 4 adds what disturbed each contestant; before, nobody looked."""
    return {**document, "schema_version": 4}


def _speed_from_4(document: Document) -> Document:
    """Version 5 adds what was timed, updates or predictions; before, it was updates."""
    return {**document, "schema_version": 5}


def _refuse(newer: set[str], document: Document) -> None:
    """Raise Altered for a field that version 1 did not have: the record's version was changed."""
    if found := sorted(newer & set(document)):
        raise Altered(f"altered since it was written: schema version 1 has no {found[0]!r}")


#: Fields of a record that version 2 introduced.
NEW_IN_2 = {"digest", "command", "noise"}
SPEED_NEW_IN_2 = {"digest", "roofs"}
STEPS: dict[int, Step] = {1: _from_1, 2: _from_2, 3: _from_3, 4: _from_4, 5: _from_5, 6: _from_6}
SPEED_STEPS: dict[int, Step] = {1: _speed_from_1, 2: _speed_from_2, 3: _speed_from_3, 4: _speed_from_4}
CLAIM_STEPS: dict[int, Step] = {}
VERDICT_STEPS: dict[int, Step] = {}
