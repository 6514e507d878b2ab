"""Claims in words and as tables: what was said, what was measured, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from harness.presentation.renderers import facts as lines_of
from harness.presentation.table import Column, Table
from harness.records.claim import ClaimFigure, ClaimRecord
from harness.specs.claim import Claim, Needs, Source, Words
from harness.text import counted, printable

#: Of each verdict, how a terminal shows it.
STYLES: Final[Mapping[str, str]] = {
    "holds here": "green", "does not hold here": "red", "cannot be told": "yellow", "cannot run here": "dim",
}  # fmt: skip


def in_words(figure: ClaimFigure) -> str:
    """A figure with its interval and the bounds, in words."""
    return f"{figure.what}: {figure_text(figure)}; {bounds_text(figure)}"


def figure_text(figure: ClaimFigure) -> str:
    """ "1.42 (95 % interval 1.39–1.46, 4 values)"."""
    value = "unknown" if figure.value is None else f"{figure.value:.3g}"
    return f"{value} (95 % interval {interval_text(figure)}, {counted(figure.count, 'value')})"


def interval_text(figure: ClaimFigure) -> str:
    """ "1.39–1.46"; dots where nothing bounds it."""
    ends = ["…" if each is None else f"{each:.3g}" for each in (figure.low, figure.high)]
    return "–".join(ends)


def decisive(record: ClaimRecord) -> str | None:
    """The first figure that the verdict comes from, and how many others there are; None without any."""
    if not record.figures:
        return None
    of = next((each for each in record.figures if each.verdict == record.verdict), record.figures[0])
    more = f", and {counted(len(record.figures) - 1, 'other')}" if len(record.figures) > 1 else ""
    return printable(f"{figure_text(of)}{more}")


def bounds_text(figure: ClaimFigure) -> str:
    """ "claimed: above 1"."""
    above = [f"above {figure.above:g}"] if figure.above is not None else []
    below = [f"below {figure.below:g}"] if figure.below is not None else []
    return f"claimed: {' and '.join([*above, *below])}"


def source_text(source: Source) -> str:
    """Who published it, and where: "Tallec & Ollivier 2018, arXiv:1804.11188"."""
    where = "said widely, published nowhere in particular" if source.folklore else source.where
    return ", ".join(filter(None, (source.who, where, source.place)))


def table(claims: Sequence[Claim], records: Mapping[str, ClaimRecord]) -> Table:
    """A row per claim: the statement, the verdict here, and its first figure.

    Args:
        records: by claim, the newest of each.
    """

    def verdict(claim: Claim) -> str:
        found = records.get(claim.id)
        if found is None:
            return "not measured"
        return found.verdict if found.sha256 == claim.sha256 else f"{found.verdict} (of a former text)"

    def figure(claim: Claim) -> str | None:
        return decisive(records[claim.id]) if claim.id in records else None

    columns: list[Column[Claim]] = [
        Column("claim", lambda each: each.id),
        Column("statement", lambda each: printable(each.words.statement), prose=True),
        Column("here", verdict, style=lambda each: STYLES[records[each.id].verdict] if each.id in records else ""),
        Column("figure", figure, prose=True),
        Column("measured by", lambda each: each.measurement),
    ]
    return Table.of(columns, claims, title="Claims", layout="airy")


def show(record: ClaimRecord) -> RenderableType:
    """A claim's record for a screen."""
    return Group(*_shown(record))


def _shown(record: ClaimRecord) -> Iterator[RenderableType]:
    head = Text(record.claim, style="bold")
    head.append(f"  {record.verdict}", style=STYLES[record.verdict])
    yield head
    yield Text(f"  {printable(record.statement)}")
    yield Text(f"{record.id}, {record.created:%Y-%m-%d %H:%M:%S %Z}", style="dim")
    yield from lines_of("Verdict", [("", record.why), ("scope", record.scope)])
    if record.figures:
        yield from lines_of("Figures", [(each.verdict, f"{each.what}: {figure_text(each)}; {bounds_text(each)}")
                                        for each in record.figures])  # fmt: skip
    if record.evidence:
        yield from lines_of("Records", [(each.kind, f"{each.id}, SHA-256 {each.digest}") for each in record.evidence])
    if record.compared:
        yield from lines_of("Comparisons", [("", f"A: {each.a}  B: {each.b}") for each in record.compared])


def said_facts(words: Words, source: Source, needs: Needs) -> Iterator[tuple[str, str]]:
    """What a claim's file says, a name and a text each."""
    yield "statement", words.statement
    yield "source", source_text(source)
    for name, said in (("figure", source.figure), ("on", source.hardware), ("against", source.baseline)):
        if said:
            yield f"claimed {name}", said
    if words.reduction:
        yield "reduced", words.reduction
    yield "otherwise", words.otherwise
    lacking = [*needs.missing, *(["a GPU with CUDA"] if needs.gpu else [])]
    if lacking:
        yield "needs", "; ".join(lacking)


def said(claim: Claim) -> RenderableType:
    """A claim's file for a screen."""
    facts = [*said_facts(claim.words, claim.source, claim.needs), ("measured by", claim.measurement or "nothing here")]
    return Group(Text(claim.id, style="bold"), *lines_of("Claim", facts))
