"""Run records' specs again, here, and say how each record fared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path
from rich.console import Console

import backends
import tasks
from harness.analysis.groups import seedless
from harness.analysis.verdict import Judgement, Verdict, judge
from harness.errors import UsageError
from harness.planning.runs import check_threads
from harness.presentation.progress import bar
from harness.presentation.table import Column, Table
from harness.processes.supervise import Interrupted, execute
from harness.records.naming import run_name
from harness.records.run import Record
from harness.records.store import AlteredRecord, Store, StoreError, files, named_in, read
from harness.specs.run import RunSpec
from harness.text import printable
from harness.workflows.common import keep, terminated_as_interrupted
from tasks.base import TaskError
from tasks.registry import UnknownName

#: Endings of reports, whose records are found by the names that they print.
PAGES = (".html", ".md")
GOOD: tuple[Verdict, ...] = ("bit-identical", "same result")
STYLES: dict[Verdict, str] = {
    "bit-identical": "green", "same result": "green", "different": "red", "cannot run": "yellow", "altered": "red",
}  # fmt: skip


class Row:
    """One file and its judgement."""

    def __init__(self, path: Path, record: Record | None, judgement: Judgement) -> None:
        self.path, self.record, self.judgement = path, record, judgement


def verify_all(
    places: Sequence[Path], timeout: float | None, store: Store | None, json_lines: bool
) -> tuple[list[Row], list[str]]:
    """Verify every run record in these files and folders, and every one that these reports name.

    Args:
        store: where the new runs' records are kept; None to keep none.
        json_lines: print each judgement as a line of JSON as soon as it is there.

    Returns:
        A row per record or file that is none, and a line per file that cannot be verified for another reason.
    """
    stderr = Console(stderr=True)
    found: list[tuple[Path, Record]] = []
    rows: list[Row] = []
    problems: list[str] = []
    paths: list[Path] = []
    for place in places:
        try:
            paths += named_in(place) if place.suffix in PAGES else files([place])
        except StoreError as error:
            problems.append(str(error))
    for path in paths:
        try:
            record = read(path)
        except AlteredRecord as error:
            rows.append(Row(path, None, Judgement("altered", str(error).removeprefix(f"{path}: "))))
        except StoreError as error:
            rows.append(Row(path, None, Judgement("cannot run", str(error).removeprefix(f"{path}: "))))
        else:
            if isinstance(record, Record):
                found.append((path, record))
            else:
                problems.append(f"{path}: of a speed contest; only a run can be verified")
    for row in rows:
        _say(row, json_lines)
    seeds: dict[str, list[Record]] = {}
    for _, record in found:
        seeds.setdefault(seedless(record), []).append(record)
    with terminated_as_interrupted():
        for number, (path, record) in enumerate(found, 1):
            others = seeds[seedless(record)]
            try:
                judgement = _one(record, others, f"[{number}/{len(found)}]", timeout, store, stderr)
            except Interrupted:
                problems.append(f"interrupted; {len(found) - number + 1} records not verified")
                break
            rows.append(Row(path, record, judgement))
            _say(rows[-1], json_lines)
    return rows, problems


def _one(
    record: Record, others: Sequence[Record], position: str, timeout: float | None, store: Store | None, stderr: Console
) -> Judgement:
    if record.metrics is None:
        return judge(record, record)
    # the variant that ran, not what ``auto`` has come to stand for
    spec = record.spec.model_copy(update={"variant": record.current_variant})
    if why := unknown(spec):
        return Judgement("cannot run", why)
    # another verify of the same record would disturb this one's speed and memory, and be disturbed
    folder = user_cache_path("harness") / "verifying"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{record.digest}.lock"), bar(spec, position, stderr) as on_progress:
        again = execute(spec, timeout, on_progress)
    if store is not None:
        keep(again, store, stderr)
    return judge(record, again, others)


def unknown(spec: RunSpec) -> str | None:
    """Why this spec is none that can run here, told before anything is loaded: names must be in the registries."""
    try:
        backends.registry.check(spec.backend)
        tasks.registry.check(spec.task)
        tasks.load(spec.task, spec.parameters, spec.seed)
        check_threads(spec.threads)
    except (UnknownName, TaskError, UsageError) as error:
        return str(error)
    return None


def _say(row: Row, json_lines: bool) -> None:
    if not json_lines:
        return
    judgement = row.judgement
    print(json.dumps({"record": row.path.name, **judgement._asdict()}), flush=True)


def table(rows: Sequence[Row]) -> Table:
    """A row per record, its verdict first."""
    columns: list[Column[Row]] = [
        Column("verdict", _verdict, style=lambda row: STYLES[_verdict(row)], whole=True),
        Column("run", _run),
        Column("result", lambda row: row.judgement.why),
        Column("speed", lambda row: row.judgement.speed),
        Column("memory", lambda row: row.judgement.memory),
    ]
    return Table.of(columns, rows, layout="airy")


def _verdict(row: Row) -> Verdict:
    return row.judgement.verdict


def _run(row: Row) -> str:
    return f"{run_name(row.record)}, seed {row.record.spec.seed}" if row.record else row.path.name


def closing(rows: Sequence[Row]) -> list[str]:
    """What differs, for each record that is different, and the count of every verdict."""
    lines = [
        printable(f"{row.path.name}: {'; '.join(row.judgement.causes[:6]) or 'no difference in environment is known'}")
        for row in rows
        if row.judgement.verdict == "different"
    ]
    counts = [f"{n} {verdict}" for verdict in STYLES if (n := sum(row.judgement.verdict == verdict for row in rows))]
    return [*lines, f"{len(rows)} records: {', '.join(counts) or 'nothing to verify'}"]
