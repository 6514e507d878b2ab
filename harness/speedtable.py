"""A speed record as tables: one per shape, tiers apart. For a terminal, and as rows of text for a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from backends.base import Tier
from harness.columns import MIB
from harness.records import Ratio, Spread
from harness.spec import SpeedSpec
from harness.speedrecords import Contest, Row, SpeedRecord
from harness.wording import STATUS_STYLES, number, printable

TIERS: tuple[Tier, ...] = get_args(Tier)
#: Headings, and whether the column holds numbers.
HEADINGS: list[tuple[str, bool]] = [
    ("tier", False), ("backend", False), ("variant", False), ("ms/step", True), ("p10–p90", True), ("seq/s", True),
    ("GFLOP/s", True), ("% GEMM", True), ("× stock", True), ("95 %", True), ("compile s", True), ("growth MiB", True),
]  # fmt: skip


@dataclass(frozen=True)
class Section:
    """One contest in words: its title, what all share, rows of text under ``HEADINGS``, and lines below."""

    title: str
    about: str
    rows: list[list[str]]
    notes: list[str]


def sections(record: SpeedRecord) -> list[Section]:
    """Every contest of the record."""
    return [_section(contest) for contest in record.contests]


def tables(record: SpeedRecord) -> Group:
    """The whole record for a terminal of 120 columns."""
    parts: list[RenderableType] = []
    for contest, section in zip(record.contests, sections(record), strict=True):
        parts += [Text(section.title, style="bold"), Text(section.about, style="dim"), _table(section)]
        for row in contest.rows:
            if row.status != "ok":
                parts.append(Text(_silent(row), style=STATUS_STYLES[row.status]))
        parts.append(Text())
    parts += [Text(line, style="dim") for line in legend(record)]
    return Group(*parts)


def legend(record: SpeedRecord) -> list[str]:
    """What the figures are of, in the order of the columns."""
    lines = [f"{record.rounds} rounds in turns, blocks of about {record.block_s:g} s; ms/step is the median block."]
    if record.gemm_gflops is not None and record.copy_gb_per_s is not None:
        lines.append(
            f"Measured in this call: {number(record.gemm_gflops)} GFLOP/s in a large matrix product, "
            f"{number(record.copy_gb_per_s)} GB/s in a large copy (the fastest of the backends)."
        )
    lines.append(
        "× stock: how many times as fast as the stock layer (tier default) of the same framework, pair by pair. "
        "* added for it. fused: several updates per dispatch, no rank among the others."
    )
    return lines


def title(contest: Contest) -> str:
    """ "B: lstm 128, 64×100×10"."""
    spec = contest.rows[0].spec
    name = f"{contest.name}: " if contest.name else ""
    layers = f" ×{spec.model.layers} layers" if spec.model.layers > 1 else ""
    ways = " bidirectional" if spec.model.bidirectional else ""
    return f"{name}{spec.model.cell} {spec.model.hidden}{layers}{ways}, {spec.batch}×{spec.length}×{spec.features}"


def about(spec: SpeedSpec) -> str:
    """The rest of what all contestants share."""
    return (
        f"batch×length×features · {spec.outputs} output{'s' * (spec.outputs != 1)}, {spec.readout} step, {spec.loss} · "
        f"{spec.optimizer.name} · {spec.precision} on {spec.device} · {spec.threads} "
        f"thread{'s' * (spec.threads != 1)} · denormals {'flushed' if spec.denormals == 'flush' else 'kept'}"
    )


def ranked(rows: Iterable[Row]) -> list[Row]:
    """Those with figures: tier by tier, the fastest of each first."""
    timed = [row for row in rows if row.figures]
    return sorted(timed, key=lambda r: (_tier(r), r.figures.step_ms.median if r.figures else 0.0))


def _tier(row: Row) -> int:
    return TIERS.index(row.tier) if row.tier else len(TIERS)


def _section(contest: Contest) -> Section:
    return Section(
        printable(title(contest)),
        about(contest.rows[0].spec),
        [_cells(row) for row in ranked(contest.rows)],
        [_silent(row) for row in contest.rows if row.status != "ok"],
    )


def _silent(row: Row) -> str:
    return printable(f"{row.name}: {row.status}{f': {row.reason}' if row.reason else ''}")


def _cells(row: Row) -> list[str]:
    figures, ready = row.figures, row.ready
    assert figures is not None
    growth = None
    if ready and row.host_peak_bytes is not None and ready.host_init_bytes is not None:
        growth = max(0, row.host_peak_bytes - ready.host_init_bytes) / MIB
    return [
        row.tier or "", row.spec.backend, f"{row.variant}{'*' * row.added}", number(figures.step_ms.median),
        _reach(figures.step_ms), number(figures.sequences_per_second.median), number(figures.gflops),
        "" if figures.gemm_share is None else number(100 * figures.gemm_share),
        *_ratio(row, figures.ratio), number(figures.compile_s), "" if growth is None else number(growth),
    ]  # fmt: skip


def _reach(spread: Spread) -> str:
    return f"{number(spread.p10)}–{number(spread.p90)}"


def _ratio(row: Row, ratio: Ratio | None) -> tuple[str, str]:
    """The reference is 1 by definition, without an interval."""
    if ratio is None:
        return "", ""
    if row.tier == "default":
        return "1", ""
    if ratio.low is None or ratio.high is None:
        return f"{ratio.median:.3g}", ""
    return f"{ratio.median:.3g}", f"{ratio.low:.3g}–{ratio.high:.3g}"


def _table(section: Section) -> Table:
    """Tiers apart by a line: what dispatches once per update is not ranked against what does so once per chunk."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for heading, numeric in HEADINGS:
        table.add_column(
            heading.replace(" ", "\n"), justify="right" if numeric else "left", no_wrap=heading != "variant"
        )
    previous = None
    for row in section.rows:
        if previous not in (None, row[0]):
            table.add_section()
        table.add_row(*(Text(printable(cell)) for cell in row))
        previous = row[0]
    return table


def rows_of(records: Sequence[SpeedRecord]) -> list[tuple[SpeedRecord, Contest, Row]]:
    """Every contestant of every record."""
    return [(record, contest, row) for record in records for contest in record.contests for row in contest.rows]
