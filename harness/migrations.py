"""Records of earlier schemas, brought to the present one: each step is a function from one version to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from harness.seal import digest

#: Of run records. Speed records have a version of their own.
CURRENT: Final = 3
Document = dict[str, Any]


class NotMigrated(ValueError):
    """The document says a version that cannot be, or one that is newer than this harness; says so."""


class Altered(NotMigrated):
    """The contents do not match the record's own digest."""


def to_current(document: Document) -> Document:
    """A run record's JSON as the present schema has it, its digest checked and taken off.

    Raises:
        NotMigrated: the version is none, or newer than this harness.
        Altered: something in it was changed since it was written.
    """
    version = document.get("schema_version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise NotMigrated(f"schema_version: a whole number from 1 to {CURRENT}, not {str(version)[:40]!r}")
    if version > CURRENT:
        raise NotMigrated(f"schema version {version} is newer than this harness reads ({CURRENT}): upgrade harness")
    if version > 1:
        _check_seal(document)
    content = {name: value for name, value in document.items() if name != "digest"} if version > 1 else document
    for step in range(version, CURRENT):
        content = STEPS[step](content)
    return content


def _check_seal(document: Document) -> None:
    told = document.get("digest")
    if told != digest(document):
        raise Altered("altered since it was written: its contents do not match its digest")


def _from_1(document: Document) -> Document:
    """What version 2 adds was not recorded in version 1; where it is there all the same, the version was changed."""
    if newer := sorted(NEW_IN_2 & set(document)):
        raise Altered(f"altered since it was written: schema version 1 has no {newer[0]!r}")
    return {**document, "schema_version": 2}


def _from_2(document: Document) -> Document:
    """What version 3 adds, all of the device, was not measured in version 2: its metrics are null."""
    return {**document, "schema_version": 3}


#: Fields of a record that version 2 brought.
NEW_IN_2 = {"digest", "command", "noise"}
STEPS: dict[int, Callable[[Document], Document]] = {1: _from_1, 2: _from_2}
