"""What ``harness verify`` keeps of a judgement: the record of a verdict."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Literal

from harness.analysis.causes import causes
from harness.analysis.verdict import Judgement, updates_of
from harness.machine import software
from harness.records.naming import run_name
from harness.records.run import Record
from harness.records.verdict import (
    MOST_DIFFERENCES,
    OPINIONS,
    Figures,
    Harness,
    Judged,
    Run,
    VerdictRecord,
)


def opinion(
    record: Record,
    digest: str,
    judgement: Judgement,
    again: Record | None,
    kept: bool,
    code: Literal["current", "recorded"] = "current",
    packages: Literal["here", "versions"] = "here",
) -> VerdictRecord | None:
    """The record of a verdict; None where there is no opinion, as of what could not be run.

    Args:
        digest: of the record, as its file has it.
        again: the new run; None where none was needed.
        kept: whether the new run's record is kept.
        code, packages: as in the record.
    """
    if judgement.verdict not in OPINIONS:
        return None
    now = datetime.now(UTC).replace(microsecond=0)
    differences = judgement.causes or (tuple(causes(record, again)) if again is not None else ())
    commit, dirty = software.source_state()
    spec = record.spec
    return VerdictRecord(
        id=f"{now:%Y%m%dT%H%M%SZ}-verdict-{spec.task}-{spec.backend}-{spec.model.cell}-{uuid.uuid4().hex[:8]}",
        created=now,
        judged=Judged(id=record.id, digest=digest, name=run_name(record), seed=spec.seed, spec_digest=spec.digest),
        verdict=judgement.verdict,
        why=judgement.why[:2000],
        updates=updates_of(again) if again is not None else None,
        updates_recorded=updates_of(record),
        speed=judgement.speed[:400],
        memory=judgement.memory[:400],
        differences=list(differences[:MOST_DIFFERENCES]),
        recorded=Figures.of(record),
        found=Figures.of(again),
        again=Run(id=again.id, digest=again.digest) if again is not None and kept else None,
        environment_recorded=record.environment,
        environment=again.environment if again is not None else None,
        harness=Harness(
            version=software.library_versions().get("harness"), sources=software.sources(), commit=commit, dirty=dirty
        ),
        code=code,
        packages=packages,
    )
