"""What an index keeps of every record beside its columns: one fact each, by name. The one place to add one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from harness.records.resume import key_anywhere, key_of, shape_of
from harness.records.run import Record
from harness.records.speed import SpeedRecord

Fact = str | float | datetime | None

#: Of a record of either kind; None where it has none.
FACTS: Final[Mapping[str, Callable[[Record | SpeedRecord], Fact]]] = {
    "id": lambda record: record.id,
    "kind": lambda record: "run" if isinstance(record, Record) else "speed",
    "status": lambda record: record.status,
    "created": lambda record: record.created,
    "spec_digest": lambda record: record.spec.digest if isinstance(record, Record) else None,
    "resume_key": lambda record: key_of(record) if isinstance(record, Record) else None,
    "resume_key_anywhere": lambda record: key_anywhere(record) if isinstance(record, Record) else None,
    "shape": lambda record: shape_of(record.spec) if isinstance(record, Record) else None,
    "saved": lambda record: "yes" if isinstance(record, Record) and record.saved else None,
    "took_s": lambda record: record.metrics.wall_s if isinstance(record, Record) and record.metrics else None,
    "study_sha256": lambda record: record.study.sha256 if isinstance(record, Record) and record.study else None,
    "study_name": lambda record: record.study.name if isinstance(record, Record) and record.study else None,
}
