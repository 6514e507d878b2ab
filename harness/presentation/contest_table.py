"""A speed record as tables: one for each contest, tiers apart; then growth over sizes, and devices side by side."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from harness.analysis import devices
from harness.analysis.disturbance import contestant_flags, meanings
from harness.presentation import renderers, scaling_table
from harness.presentation.contest_columns import LEAVING, Entry, columns_of, times
from harness.presentation.contest_words import a_step, about, latencies, machine, outcome, ranked, title
from harness.presentation.styles import STATUS_STYLES
from harness.presentation.table import Cell, Column, Decimal, Table
from harness.records.base import Ratio
from harness.records.speed import Contest, SpeedRecord
from harness.text import markdown_escape, number, printable


def tables(record: SpeedRecord, decimal: Decimal = ".") -> list[Table]:
    """Every contest of the record; then how cost grows over sizes, and how much faster than the CPU the GPU is."""
    found = [
        *(_contest(record, contest) for contest in record.contests),
        *scaling_table.tables(record),
        *map(_side_by_side, devices.grids(record)),
    ]
    return [table.with_decimal(decimal) for table in found]


def _contest(record: SpeedRecord, contest: Contest) -> Table:
    """Tiers apart: what dispatches once per update is not ranked against what does so once per chunk."""
    tiers = groupby((Entry(record, contest, row) for row in ranked(contest.rows)), lambda entry: entry.row.tier)
    return Table.of(
        columns_of(contest),
        *(list(tier) for _, tier in tiers),
        title=printable(title(contest)),
        about=printable(about(contest)),
        leaving=LEAVING,
        notes=[Cell(outcome(contest, row), STATUS_STYLES[row.status]) for row in contest.rows if row.status != "ok"],
    )


class _Size(NamedTuple):
    hidden: int
    batch: int
    gains: dict[str, Ratio | None]


def _side_by_side(grid: devices.Grid) -> Table:
    """A row per hidden size and batch, a column per backend."""
    sizes = sorted({(hidden, batch) for _, hidden, batch in grid.gains})
    columns: list[Column[_Size]] = [
        Column("hidden", lambda size: size.hidden, kind="Int64", write=str, whole=True),
        Column("batch", lambda size: size.batch, kind="Int64", write=str, whole=True),
        *map(_gain, grid.backends),
    ]
    return Table.of(
        columns,
        [
            _Size(hidden, batch, {backend: grid.gains.get((backend, hidden, batch)) for backend in grid.backends})
            for hidden, batch in sizes
        ],
        title=printable(f"GPU over CPU: {title(grid.contests[0], without=('hidden', 'batch'))}"),
        about=printable(
            f"how many times as fast as the CPU {grid.machine} is, pair by pair, with the 95 % interval: of each "
            "framework its fastest variant of tier default or best on either; above 1 the GPU wins"
        ),
        notes=[Cell(printable(line)) for line in grid.wins()],
    )


def _gain(backend: str) -> Column[_Size]:
    return Column(backend, lambda size: size.gains[backend], write=_in_full, right=True, whole=True)


def _in_full(ratio: Ratio) -> str:
    """As in "3.2 (3.1–3.4)"."""
    median, interval = times(ratio)
    return f"{median} ({interval})" if interval else median


def terminal(record: SpeedRecord, decimal: Decimal = ".") -> Group:
    """The whole record for a terminal."""
    return Group(*_terminal(record, decimal))


def _terminal(record: SpeedRecord, decimal: Decimal) -> Iterator[RenderableType]:
    yield from map(renderers.terminal, tables(record, decimal))
    yield from (Text(line, style="dim") for line in _foot(record))


def text(record: SpeedRecord, decimal: Decimal = ".") -> str:
    """The whole record as plain text."""
    return "\n\n".join([*map(renderers.text, tables(record, decimal)), *_foot(record)]) + "\n"


def markdown(record: SpeedRecord, decimal: Decimal = ".") -> str:
    """The whole record as Markdown."""
    return "\n\n".join([*map(renderers.markdown, tables(record, decimal)), *map(markdown_escape, _foot(record))]) + "\n"


def latex(record: SpeedRecord, decimal: Decimal = ".") -> str:
    """The whole record as LaTeX."""
    return (
        "\n\n".join(
            [*map(renderers.latex, tables(record, decimal)), "\n".join(renderers.latex_comments(_foot(record)))]
        )
        + "\n"
    )


def _foot(record: SpeedRecord) -> list[str]:
    """When and where it was measured, so that two calls do not look alike; then what the columns mean."""
    return [f"Measured {record.created:%Y-%m-%d %H:%M %Z} on {machine(record)}.", *legend(record)]


def legend(record: SpeedRecord) -> list[str]:
    """What the columns mean, in their order."""
    lines = [f"{record.rounds} rounds in turns, blocks of about {record.block_s:g} s; ms/step is the median block."]
    if any(contest.predicts for contest in record.contests):
        lines.append(
            "A prediction: ms/step is that of one batch, seq/s are sequences predicted, GFLOP/s of its forward pass."
        )
    for device, roof in record.roofs.items():
        where = f" on {device}" if len(record.roofs) > 1 else ""
        if roof.gemm_gflops is not None and roof.copy_gb_per_s is not None:
            lines.append(
                f"Measured in this call{where}: {number(roof.gemm_gflops)} GFLOP/s in a large matrix product, "
                f"{number(roof.copy_gb_per_s)} GB/s in a large copy (the fastest of the backends)."
            )
        if roof.us_per_step:
            lines.append(f"Per-step latency of a chain of dependent products{where}: {latencies(roof)}.")
    if any("cuda" in contest.devices for contest in record.contests):
        lines.append(
            f"% copy: the fewest bytes that {a_step(record.contests)} moves, per second, of the copy's rate. "
            "device MiB: the allocator's peak beyond the level after initialisation."
        )
    if any(roof.us_per_step for roof in record.roofs.values()):
        lines.append(
            f"% floor: the dependent steps of {a_step(record.contests)} at that latency, of ms/step. Above 100: a "
            "kernel held the whole loop."
        )
    same = "framework on the same device" if len(record.roofs) > 1 else "framework"
    lines.append(
        f"× stock: how many times as fast as the stock layer of the same {same}, pair by pair. "
        "* added for it. fused: several updates per dispatch, no rank among the others."
    )
    rows = [row for contest in record.contests for row in contest.rows]
    lines += scaling_table.legend(record)
    if noise := meanings(flag for row in rows for flag in contestant_flags(row)):
        lines.append(noise)
    if record.starts > 1:
        lines.append(f"compile s: with up to {record.starts} contestants getting ready at a time, on the same CPUs.")
    return lines
