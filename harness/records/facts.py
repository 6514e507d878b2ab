"""What an index keeps of every record beside its columns: one fact each, by name. The one place to add one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from harness.records.base import Sealed
from harness.records.resume import key_anywhere, key_of, shape_of
from harness.records.run import Record

Fact = str | float | datetime | None


def _of_a_run(get: Callable[[Record], Fact]) -> Callable[[Sealed], Fact]:
    """The fact of a run; None of a record of another kind."""
    return lambda record: get(record) if isinstance(record, Record) else None


#: Of a record of any kind; None where it has none.
FACTS: Final[Mapping[str, Callable[[Sealed], Fact]]] = {
    "id": lambda record: record.id,
    "kind": lambda record: record.KIND,
    "status": lambda record: getattr(record, "status", None),
    "created": lambda record: record.created,
    "spec_digest": _of_a_run(lambda record: record.spec.digest),
    "resume_key": _of_a_run(key_of),
    "resume_key_anywhere": _of_a_run(key_anywhere),
    "shape": _of_a_run(lambda record: shape_of(record.spec)),
    "saved": _of_a_run(lambda record: "yes" if record.saved else None),
    "took_s": _of_a_run(lambda record: record.metrics.wall_s if record.metrics else None),
    "study_sha256": _of_a_run(lambda record: record.study.sha256 if record.study else None),
    "study_name": _of_a_run(lambda record: record.study.name if record.study else None),
}
