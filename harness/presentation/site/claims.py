"""Claims: all in one table, and a page for each: what was said, what was measured here, and what that comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from harness.analysis.claims import newest
from harness.presentation import claims as words
from harness.presentation.site import badges
from harness.presentation.site.frame import Entry, Site, page_of
from harness.presentation.table import Column, Table
from harness.records.claim import ClaimFigure, ClaimRecord, Compared, Evidence
from harness.records.store import Found
from harness.specs.claim_file import said_in
from harness.text import machine_text, printable

NAVIGATION: Final = (Entry("claims/index.html", "Claims"),)
_COLOURS: Final = {"holds here": badges.GOOD, "does not hold here": badges.BAD}
ABOUT: Final = (
    "A claim is a published statement about recurrent networks with a measurement that decides it here. It holds where "
    "the whole 95 % interval of every figure lies within the claim’s bounds, and does not hold where that of one lies "
    "outside; else it cannot be told. A verdict is about the machine and the sizes that its page names.",
)


def wanted(found: Found) -> bool:
    """Whether any claim was put to the test."""
    return bool(found.claims)


def address(claim: str) -> str:
    """Where a claim's page is."""
    return f"claims/{claim}.html"


def of_records(site: Site) -> Iterator[tuple[str, Entry]]:
    """By the id of a record, a link to each claim that it is the verdict of, or that its figures are part of."""
    for name, record in newest(site.found.claims).items():
        for part in record.evidence:
            yield part.id, Entry(address(name), f"Part of claim: {name}")
    for each in site.found.claims:
        yield each.id, Entry(address(each.claim), f"Claim: {each.claim}")


def write(site: Site) -> None:
    """Write the page and the badge of every claim, and the list of all."""
    found = newest(site.found.claims)
    for name, record in found.items():
        colour = _COLOURS.get(record.verdict, badges.NEUTRAL)
        badge = badges.write(site.frame, name, f"claim: {name}", f"{record.verdict} · {_machine(record)}", colour)
        _page(site, record, badge)
    columns: list[Column[ClaimRecord]] = [
        Column("claim", lambda each: each.claim, link=lambda each: address(each.claim)),
        Column("statement", lambda each: printable(each.statement), prose=True),
        Column("verdict here", lambda each: each.verdict, style=lambda each: words.STYLES[each.verdict]),
        Column("figure", words.decisive, prose=True),
        Column("machine", _machine, prose=True),
        Column("decided", lambda each: f"{each.created:%Y-%m-%d}"),
    ]
    counts = [(verdict, str(count)) for verdict in words.STYLES
              if (count := sum(each.verdict == verdict for each in found.values()))]  # fmt: skip
    table = Table.of(columns, found.values())
    site.page("claims/index.html", "tables", "Claims", about=ABOUT, facts_shown=counts, tables=[("All claims", table)])


def _machine(record: ClaimRecord) -> str:
    where = record.environment
    return printable(machine_text(where.cpu, where.logical_cpus))


def _page(site: Site, record: ClaimRecord, badge: str) -> None:
    """What the newest record of a claim says, and which other ones there are."""
    others = [each for each in site.found.claims if each.claim == record.claim]
    tables = []
    if record.figures:
        tables.append(("Figures, with 95 % intervals", Table.of(_FIGURES, record.figures)))
    if record.evidence:
        there = set(site.seals.values())
        evidence: list[Column[Evidence]] = [
            Column(
                "record", lambda each: each.id, link=lambda each: page_of(each.digest) if each.digest in there else ""
            ),
            Column("kind", lambda each: each.kind),
        ]
        tables.append(("Records that they come from", Table.of(evidence, record.evidence)))
    if record.compared:
        tables.append(("Comparisons: time of B over A, one figure for each pair of processes",
                       Table.of(_COMPARED, record.compared)))  # fmt: skip
    if record.curves:
        tables.append(("Losses", Table.of(_CURVES, record.curves)))
    if len(others) > 1:
        verdicts: list[Column[ClaimRecord]] = [
            Column("decided", lambda each: f"{each.created:%Y-%m-%d %H:%M}",
                   link=lambda each: page_of(site.seals[each.id])),
            Column("verdict", lambda each: each.verdict, style=lambda each: words.STYLES[each.verdict]),
            Column("machine", _machine, prose=True),
        ]  # fmt: skip
        tables.append(("All verdicts on it", Table.of(verdicts, others)))
    site.page(
        address(record.claim), "claim", record.claim, verdict=record.verdict, why=printable(record.why),
        good=record.verdict == "holds here", bad=record.verdict == "does not hold here", badge=badge,
        facts_shown=[(name, printable(value)) for name, value in _facts(record)], tables=tables,
        record_page=page_of(site.seals[record.id]), text=record.text,
        command=f"harness claims run {record.claim}",
    )  # fmt: skip


def _facts(record: ClaimRecord) -> Iterator[tuple[str, str]]:
    said = said_in(record.text)
    yield from words.said_facts(*said) if said else [("statement", record.statement)]
    yield "scope", record.scope
    yield "machine", _machine(record)
    yield "decided", f"{record.created:%Y-%m-%d %H:%M %Z}"


_FIGURES: Final[list[Column[ClaimFigure]]] = [
    Column("of", lambda each: printable(each.what), prose=True),
    Column("figure", lambda each: each.value, kind="float64", write="{:.3g}".format),
    Column("interval", lambda each: words.interval_text(each), right=True),
    Column("values", lambda each: each.count, kind="Int64"),
    Column("claim", words.bounds_text),
    Column("verdict", lambda each: each.verdict, style=lambda each: words.STYLES[each.verdict]),
]
_COMPARED: Final[list[Column[Compared]]] = [
    Column("A", lambda each: printable(each.a), prose=True),
    Column("B", lambda each: printable(each.b), prose=True),
    Column("variants", lambda each: printable(" and ".join(each.variants))),
    Column("time", lambda each: " ".join(f"{ratio:.3g}" for ratio in each.time), prose=True),
    Column("memory", lambda each: " ".join(f"{ratio:.3g}" for ratio in each.memory or []), prose=True),
]
_CURVES: Final[list[Column[Any]]] = [
    Column("run", lambda each: printable(each.name)),
    Column("first", lambda each: each.losses[0], kind="float64", write="{:.9g}".format),
    Column("last", lambda each: each.losses[-1], kind="float64", write="{:.9g}".format),
    Column("updates", lambda each: len(each.losses), kind="Int64"),
]
