"""``harness claims``: measure what tests a claim, as far as it is not measured yet, and keep the verdict."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from harness.analysis import claims as judging
from harness.errors import UsageError
from harness.machine import system
from harness.presentation.claims import in_words
from harness.processes import environment
from harness.records.claim import ClaimRecord, Verdict
from harness.records.store import Store, read_all
from harness.specs import claim_file
from harness.specs.claim import Claim
from harness.text import counted, duration, gpu_text
from harness.workflows.claims.measurement import Asked, Figures, Measurement, NotMeasured
from harness.workflows.claims.of_contests import SpeedMeasurement
from harness.workflows.claims.of_curves import ParityMeasurement
from harness.workflows.claims.of_pairs import CompareMeasurement
from harness.workflows.claims.of_studies import StudyMeasurement
from tasks.registry import nearest


def read_claims(ids: Sequence[str], folder: Path, results: Path) -> list[Claim]:
    """The claims of these ids, or all of a folder.

    Raises:
        UsageError: a file cannot be right, or there is none of that id.
    """
    known = {path.name.removesuffix(claim_file.ENDING): path for path in claim_file.files(folder)}
    if not known:
        where = "" if folder != claim_file.CLAIMS else "; they are in the project's checkout"
        raise UsageError(f"no claims in {folder}{where}: name their folder with --claims")
    for each in ids:
        if each not in known:
            raise UsageError(nearest("claim", each[:60], list(known)))
    return [claim_file.read(known[each], results) for each in dict.fromkeys(ids or known)]


def newest(places: Iterable[Path]) -> dict[str, ClaimRecord]:
    """Of each claim the newest record in these places, by id."""
    return judging.newest(read_all([place for place in places if place.exists()]).claims)


def lacking(claim: Claim) -> list[str]:
    """What measuring a claim takes that is not here; empty where it can be measured."""
    found = list(claim.needs.missing)
    if claim.needs.gpu and not system.gpu():
        found.append("a GPU with CUDA")
    if claim.measurement is None and not found:
        found.append("a test: its file has none")
    return found


_MEASUREMENTS: Final[Mapping[str, type[Measurement]]] = {
    "study": StudyMeasurement, "speed": SpeedMeasurement, "compare": CompareMeasurement,
    "parity": ParityMeasurement,
}  # fmt: skip


def measurement_of(claim: Claim, asked: Asked) -> Measurement:
    """The measurement of a claim. Raises UsageError where it cannot be right."""
    assert claim.measurement is not None
    return _MEASUREMENTS[claim.measurement](claim, asked)


def plan_line(claim: Claim) -> str:
    """What ``harness claims run`` would do for a claim, in a line."""
    if needed := lacking(claim):
        return f"{claim.id}: cannot run here: needs {'; '.join(needed)}"
    took = f", about {duration(60 * claim.words.minutes)} in all on 2 cores" if claim.words.minutes else ""
    return f"{claim.id}: {measurement_of(claim, Asked()).plan()}{took}"


def decide(claim: Claim, asked: Asked, results: Path) -> tuple[ClaimRecord, Path]:
    """Measure a claim as far as it is not measured yet, and keep the verdict, unless the same is kept already.

    Returns:
        Its record, and the record's file.

    Raises:
        Stopped: it was stopped.
        UsageError, StoreError: something in it cannot be right; a record could not be written.
    """
    began, found = time.monotonic(), Figures()
    needed = lacking(claim)
    if not needed:
        try:
            measurement_of(claim, asked).measure(found)
        except NotMeasured as error:
            needed, found = [str(error)], Figures()
    verdict: Verdict = "cannot run here" if needed else found.verdict()
    now = datetime.now(UTC).replace(microsecond=0)
    record = ClaimRecord(
        id=f"{now:%Y%m%dT%H%M%SZ}-claim-{claim.id}-{uuid.uuid4().hex[:8]}",
        created=now,
        claim=claim.id,
        text=claim.text,
        sha256=claim.sha256,
        statement=claim.words.statement,
        verdict=verdict,
        why=_why(verdict, needed, found),
        needs=needed,
        figures=found.figures,
        scope=_scope(claim, found.threads),
        evidence=found.evidence,
        compared=found.compared,
        curves=found.curves,
        took_s=round(time.monotonic() - began, 1),
        environment=environment.describe({}, {}),
    )
    folder = results / claim.id
    if folder.is_dir():
        for former in read_all([folder]).claims:
            if _says(former) == _says(record):
                return former, folder / f"{former.id}.json"
    store = Store(folder)
    store.prepare()
    return record, store.write(record)


def _says(record: ClaimRecord) -> Any:
    """What a record says, whenever it was made; equal where nothing new was measured."""
    said = record.model_dump(mode="json", exclude={"id", "created", "digest", "took_s", "environment"})
    where = record.environment
    return said, where.cpu, where.sources, where.packages


def _why(verdict: Verdict, needed: Sequence[str], found: Figures) -> str:
    if needed:
        return f"it needs {'; '.join(needed)}"[:2000]
    counts = {each: [figure for figure in found.figures if figure.verdict == each] for each in
              ("holds here", "does not hold here", "cannot be told")}  # fmt: skip
    if len(found.figures) == 1:
        return in_words(found.figures[0])[:2000]
    spoken = {"holds here": "hold", "does not hold here": "do not", "cannot be told": "cannot be told"}
    several = ", ".join(f"{len(of)} {spoken[each]}" for each, of in counts.items() if of)
    decisive = next((figure for figure in found.figures if figure.verdict == verdict), found.figures[0])
    return f"of {len(found.figures)} figures {several}; for one, {in_words(decisive)}"[:2000]


def _scope(claim: Claim, threads: int) -> str:
    where = f"claimed on {claim.source.hardware}" if claim.source.hardware else "claimed for no machine in particular"
    gpu = gpu_text(system.gpu()) if claim.needs.gpu and system.gpu() else ""
    on = f"; here {gpu or system.cpu_model()}" + (f", {counted(threads, 'thread')}" if threads else "")
    less = f"; {claim.words.reduction}" if claim.words.reduction else ""
    return f"{where}{on}{less}"[:2000]
