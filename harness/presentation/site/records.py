"""A page for each record: everything that it says, how to make it again, and the record itself to download.

A record's pages need no other record, so that files are read one after the other, by several processes where there are
many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from harness.presentation import contest_table, parsing
from harness.presentation.contest_words import machine
from harness.presentation.curves import curve_of
from harness.presentation.show import AGAIN, BAR, CURVE, Section, sections
from harness.presentation.site import badges, charts, compare
from harness.presentation.site.charts import Chart
from harness.presentation.site.frame import Entry, Frame, Site, page_of
from harness.presentation.table import Column, Table
from harness.records.naming import run_name
from harness.records.run import Record
from harness.records.speed import SpeedRecord
from harness.records.store import StoreError, contents, parsed
from harness.text import counted, number, printable, score_text

NAVIGATION: Final = (Entry("records/index.html", "Records"),)
#: Records on one page of the list.
LISTED: Final = 500


@dataclass(frozen=True)
class Wanted:
    """A page to be made.

    Attributes:
        path: of the record's file.
        seal: the digest in the file: its address.
        links: to pages that it belongs to, as address and words.
    """

    path: str
    seal: str
    links: Sequence[Entry] = field(default=())


def write(site: Site) -> None:
    """Write the page and the JSON of every record, and the list of all."""
    index = site.found.index
    assert index is not None
    wanted = [Wanted(path, seal) for path, seal in zip(index.paths, index.seals, strict=True)]
    for problem in parsing.each(wanted, partial(page, site.frame)):
        if problem:
            site.notes.append(problem)
    listing(site)


def page(frame: Frame, wanted: Wanted) -> str:
    """Write the pages of one record; why not, where it went or changed since it was listed."""
    try:
        content = contents(Path(wanted.path), "record")
        record, seal = parsed(content, wanted.path)
    except (OSError, StoreError) as error:
        return f"no page for {wanted.path}: {error}"
    if seal != wanted.seal:
        return f"no page for {wanted.path}: it changed while it was being looked at"
    frame.write(f"records/{seal}.json", content)
    compare.write_record(frame, record, seal)
    told = _run(record) if isinstance(record, Record) else _speed(record)
    shared = {"record": record, "seal": seal, "links": wanted.links, "size": len(content)}
    words = told["title"], _gist(record)
    badge = badges.write(frame, seal, *words, badges.GOOD if record.status == "ok" else badges.BAD)
    told |= {"badge": badge, "badge_words": ": ".join(words), "opinions": None}
    frame.page(page_of(seal), "record", **told, **shared)  # type: ignore[arg-type]
    return ""


def _gist(record: Record | SpeedRecord) -> str:
    """What a badge says of it."""
    if isinstance(record, SpeedRecord):
        return f"{counted(len(record.contests), 'contest')} on {record.environment.cpu}"
    metrics = record.metrics
    if metrics is None:
        return record.status
    speed = metrics.train_sequences_per_second
    parts = [f"{metrics.main_score} {score_text(metrics.score[metrics.main_score])}"]
    return ", ".join([*parts, *([f"{number(speed.median)} sequences/s"] if speed else [])])


def _run(record: Record) -> dict[str, Any]:
    shown = [
        Section(heading, [(name, value.rstrip(f" {BAR}")) for name, value in lines])
        for heading, lines in sections(record)
        if heading not in (CURVE, AGAIN)
    ]
    return {
        "title": printable(run_name(record)),
        "sections": shown,
        "charts": curves(record),
        "command": record.command,
        "tables": [],
        "legend": [],
    }


def _speed(record: SpeedRecord) -> dict[str, Any]:
    return {
        "title": f"Speed contests of {record.created:%Y-%m-%d %H:%M %Z}",
        "sections": [],
        "charts": [],
        "command": None,
        "tables": contest_table.tables(record),
        "legend": [f"Measured on {machine(record)}.", *contest_table.legend(record)],
    }


def curves(record: Record) -> list[Chart]:
    """Loss and main score on the validation split; none where it was evaluated once at most."""
    if record.metrics is None or len(record.curve) < 2:
        return []
    score, curve = record.metrics.main_score, curve_of(record)
    rows = [
        {"step": int(step), "seconds": float(seconds), "loss": float(loss), "score": charts.finite(value)}
        for step, seconds, loss, value in zip(curve.steps, curve.seconds, curve.losses, curve.scores, strict=True)
    ]
    columns: list[Column[dict[str, Any]]] = [
        Column("updates", lambda row: row["step"], kind="Int64"),
        Column("seconds in training", lambda row: row["seconds"], kind="float64"),
        Column("loss", lambda row: row["loss"], kind="float64"),
        Column("score", lambda row: row["score"], kind="float64", heading=printable(score), write=score_text),
    ]
    found = [_curve("loss", "loss", rows, Table.of(columns, rows), False)]
    if not np.allclose(curve.scores, curve.losses, rtol=1e-6, equal_nan=True):
        found.append(_curve("score", printable(score), rows, Table.of(columns, rows), record.metrics.higher_is_better))
    return found


def _curve(field: str, words: str, rows: list[dict[str, Any]], table: Table, linear: bool) -> Chart:
    values = [row[field] for row in rows if row[field] is not None]
    steps = charts.axis("step", "updates", [row["step"] for row in rows], linear=True)
    spec = {
        "data": {"values": rows},
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": steps,
            "y": charts.axis(field, words, values, linear=linear),
            "color": {"value": "#0072B2"},
            "tooltip": charts.told(step="updates", seconds="seconds in training") + charts.told(**{field: words}),
        },
    }
    about = f"{words} on the validation split against updates"
    return Chart(f"curve-{field}", f"Curve of the {words}", f"{about[0].upper()}{about[1:]}.", spec, table)


def listing(site: Site) -> None:
    """The list of all records, the newest first, page by page."""
    index = site.found.index
    assert index is not None
    index.fetch(["created", "name", "status", "id", "kind"])
    columns = [index.columns[name] for name in ("created", "name", "status", "id")]
    rows = [
        {"seal": seal, "created": created, "name": name or "speed contests", "status": status, "id": identity}
        for seal, created, name, status, identity in zip(index.seals, *columns, strict=True)
    ][::-1]
    parts = [rows[start : start + LISTED] for start in range(0, len(rows), LISTED)] or [[]]
    addresses = ["records/index.html", *(f"records/page-{number}.html" for number in range(2, len(parts) + 1))]
    for at, (part, address) in enumerate(zip(parts, addresses, strict=True)):
        entries = [Entry(each.removeprefix("records/"), str(place + 1)) for place, each in enumerate(addresses)]
        site.page(address, "records", "Records", rows=part, count=len(rows), pages=entries, place=at)
