"""A page for each record: everything that it says, how to make it again, and the record itself to download.

A record's pages need no other record, so that files are read one after the other, by several processes where there are
many.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from harness.analysis.opinions import RULE, opinions
from harness.presentation import claims as claim_words
from harness.presentation import contest_table, parsing, verdict_words
from harness.presentation.contest_words import machine
from harness.presentation.curves import curve_of
from harness.presentation.show import AGAIN, BAR, CURVE, Section, sections
from harness.presentation.site import badges, charts, claims, compare, machines, studies
from harness.presentation.site.charts import Chart
from harness.presentation.site.frame import Entry, Frame, Site, page_of
from harness.presentation.table import Column, Table
from harness.records.base import Sealed
from harness.records.claim import ClaimRecord
from harness.records.kinds import KINDS, about
from harness.records.naming import run_name
from harness.records.run import Record
from harness.records.speed import SpeedRecord
from harness.records.store import StoreError, contents, parsed
from harness.records.verdict import VerdictRecord
from harness.text import counted, machine_text, number, printable, score_text

NAVIGATION: Final = (Entry("records/index.html", "Records"),)
#: Records on one page of the list.
LISTED: Final = 500


class Opinion(NamedTuple):
    """One of the verdicts on a record that count: its page, where and how it came about."""

    address: str
    verdict: str
    style: str
    machine: str
    extent: str
    day: str
    code: str


@dataclass(frozen=True)
class Wanted:
    """A page to be made.

    Attributes:
        path: of the record's file.
        seal: the digest in the file: its address.
        links: to pages that it belongs to, as address and words.
        sentence: how its second opinions count; empty of what is no run.
        opinions: those that count.
    """

    path: str
    seal: str
    links: Sequence[Entry] = ()
    sentence: str = ""
    opinions: Sequence[Opinion] = ()


def write(site: Site) -> None:
    """Write the page and the JSON of every record, and the list of all."""
    index = site.found.index
    assert index is not None
    links = {run.id: [*machines.of_record(site, run), *studies.of_run(site, run)] for run in site.found.records}
    links |= {record.id: machines.of_record(site, record) for record in site.found.speeds}
    seals = set(index.seals)
    for verdict in site.found.verdicts:
        known = verdict.judged.digest in seals
        links[verdict.id] = [Entry(page_of(verdict.judged.digest), f"On: {verdict.judged.name}")] if known else []
    for identity, entry in claims.of_records(site):
        links[identity] = [*links.get(identity, []), entry]
    counted_opinions = opinions(site.found.verdicts, site.seals)
    wanted = []
    for path, seal, identity, kind in zip(index.paths, index.seals, index.columns["id"], index.kinds, strict=True):
        of = counted_opinions.of(seal)
        said = [_opinion(site, verdict) for verdict in (*of.whole, *of.partial)]
        sentence = of.sentence if kind == Record.KIND else ""
        wanted.append(Wanted(path, seal, links.get(identity, []), sentence, said))
    for problem in parsing.each(wanted, partial(page, site.frame)):
        if problem:
            site.notes.append(problem)
    listing(site)


def _opinion(site: Site, verdict: VerdictRecord) -> Opinion:
    where = verdict.environment
    assert where is not None  # else it counts nowhere
    code = verdict.harness.version or "of no known version"
    commit = f", commit {verdict.harness.commit[:12]}" if verdict.harness.commit else ""
    machine = f"{machine_text(where.device_name or where.cpu, where.logical_cpus)}, {where.os}"
    return Opinion(
        page_of(site.seals[verdict.id]), verdict.verdict, verdict_words.STYLES[verdict.verdict], printable(machine),
        verdict_words.extent(verdict), f"{verdict.created:%Y-%m-%d}", printable(f"harness {code}{commit}"),
    )  # fmt: skip


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
    if isinstance(record, Record | SpeedRecord):
        compare.write_record(frame, record, seal)
    told: dict[str, Any] = {
        "status": "", "reason": "", "sections": [], "charts": [], "command": None, "tables": [], "legend": [],
        "log_tail": None, "good": True, **_told(record),
    }  # fmt: skip
    words = told["title"], told.pop("gist")
    sentence = f", {wanted.sentence}" if wanted.opinions else ""
    badge = badges.write(frame, seal, words[0], f"{words[1]}{sentence}", badges.GOOD if told["good"] else badges.BAD)
    told |= {"badge": badge, "badge_words": ": ".join(words), "sentence": wanted.sentence, "rule": RULE}
    document = json.loads(content)
    # what was read holds: a digest that is there is that of the contents; the oldest records carry none
    told |= {"sealed": "digest" in document, "schema": document["schema_version"]}
    told["opinions"] = Table.of(OPINION, wanted.opinions) if wanted.opinions else None
    told |= {"record": record, "seal": seal, "links": wanted.links, "size": len(content)}
    frame.page(page_of(seal), "record", **told)
    return ""


def _told(record: Sealed) -> dict[str, Any]:
    """What the page says of a record of its kind."""
    tell: Callable[[Any], dict[str, Any]] = TOLD.get(record.KIND, _other)
    return tell(record)


#: Of the table of second opinions.
OPINION: Final[Sequence[Column[Opinion]]] = (
    Column("verdict", lambda said: said.verdict, link=lambda said: said.address, style=lambda said: said.style),
    Column("machine", lambda said: said.machine, prose=True),
    Column("updates", lambda said: said.extent),
    Column("when", lambda said: said.day),
    Column("judged by", lambda said: said.code, prose=True),
)


def _run(record: Record) -> dict[str, Any]:
    shown = [
        Section(heading, [(name, value.rstrip(f" {BAR}")) for name, value in lines])
        for heading, lines in sections(record)
        if heading not in (CURVE, AGAIN)
    ]
    return {
        "title": printable(run_name(record)), "status": record.status, "reason": record.reason or "",
        "good": record.status == "ok", "gist": _gist(record), "sections": shown, "charts": curves(record),
        "command": record.command, "log_tail": record.log_tail,
    }  # fmt: skip


def _gist(record: Record) -> str:
    """What a badge says of a run: its main score and its speed."""
    metrics = record.metrics
    if metrics is None:
        return record.status
    speed = metrics.train_sequences_per_second
    parts = [f"{metrics.main_score} {score_text(metrics.score[metrics.main_score])}"]
    return ", ".join([*parts, *([f"{number(speed.median)} sequences/s"] if speed else [])])


def _speed(record: SpeedRecord) -> dict[str, Any]:
    return {
        "title": f"Speed contests of {record.created:%Y-%m-%d %H:%M %Z}", "status": record.status,
        "good": record.status == "ok", "tables": contest_table.tables(record),
        "gist": f"{counted(len(record.contests), 'contest')} on {record.environment.cpu}",
        "legend": [f"Measured on {machine(record)}.", *contest_table.legend(record)],
    }  # fmt: skip


def _verdict(record: VerdictRecord) -> dict[str, Any]:
    style = verdict_words.STYLES[record.verdict]
    return {
        "title": printable(f"Verdict on {record.judged.name}"), "status": record.verdict, "reason": record.why,
        "good": style == "green", "gist": record.verdict, "sections": list(verdict_words.sections(record)),
    }  # fmt: skip


def _claim(record: ClaimRecord) -> dict[str, Any]:
    figures: list[tuple[str, str]] = [(each.verdict, claim_words.in_words(each)) for each in record.figures]
    sections = [Section("Claim", [("statement", record.statement), ("scope", record.scope)])]
    return {
        "title": f"Verdict on claim {record.claim}", "status": record.verdict, "reason": record.why,
        "good": record.verdict != "does not hold here", "gist": record.verdict,
        "sections": [*sections, *([Section("Figures", figures)] if figures else [])],
    }  # fmt: skip


def _other(record: Sealed) -> dict[str, Any]:
    """A record of a kind that has a page of its own elsewhere, or none yet: what is said in single words."""
    document = record.model_dump(mode="json", exclude={"digest"})
    facts = [(name, str(value)) for name, value in document.items() if isinstance(value, str | int | float)]
    return {"title": printable(f"{about(record).what}: {record.id}"), "gist": about(record).what,
            "sections": [Section("What it says", facts)]}  # fmt: skip


#: By kind, what a page says of a record.
TOLD: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = {
    Record.KIND: _run,
    SpeedRecord.KIND: _speed,
    VerdictRecord.KIND: _verdict,
    ClaimRecord.KIND: _claim,
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


def entries(site: Site) -> list[dict[str, Any]]:
    """All records in the order of their making: address, moment, what it is in a few words, how it ended, and id."""
    index = site.found.index
    assert index is not None
    names = ("id", "created", "name", "status")
    index.fetch(names)
    verdicts = {verdict.id: verdict for verdict in site.found.verdicts}
    decided = {record.id: record for record in site.found.claims}
    found = []
    columns = [index.columns[name] for name in names]
    for seal, kind, identity, created, name, status in zip(index.seals, index.kinds, *columns, strict=True):
        if verdict := verdicts.get(identity):
            name, status = f"verdict on {verdict.judged.name}", verdict.verdict
        elif claim := decided.get(identity):
            name, status = f"verdict on claim {claim.claim}", claim.verdict
        elif not name:
            name = KINDS[kind].what.removeprefix("the record of ")
        found.append({"seal": seal, "created": created, "name": name, "status": status or "", "id": identity})
    return found


def listing(site: Site) -> None:
    """The list of all records, the newest first, page by page."""
    rows = entries(site)[::-1]
    parts = [rows[start : start + LISTED] for start in range(0, len(rows), LISTED)] or [[]]
    addresses = ["records/index.html", *(f"records/page-{place}.html" for place in range(2, len(parts) + 1))]
    for at, (part, address) in enumerate(zip(parts, addresses, strict=True)):
        pages = [Entry(each.removeprefix("records/"), str(place + 1)) for place, each in enumerate(addresses)]
        site.page(address, "records", "Records", rows=part, count=len(rows), pages=pages, place=at)
