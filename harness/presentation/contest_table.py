"""A speed record as tables: one per shape, tiers apart; devices side by side. For a terminal, and for a page."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import get_args

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from tabulate import tabulate

from backends.base import Tier
from harness.analysis import devices
from harness.analysis.columns import MIB
from harness.presentation.styles import STATUS_STYLES
from harness.records.base import Ratio, Spread
from harness.records.speed import Contest, Roof, Row, SpeedRecord
from harness.text import markdown_escape, number, printable

TIERS: tuple[Tier, ...] = get_args(Tier)
#: Headings, and whether the column holds numbers.
Headings = list[tuple[str, bool]]
HEADINGS: Headings = [
    ("tier", False), ("backend", False), ("device", False), ("variant", False), ("ms/step", True), ("p10–p90", True),
    ("seq/s", True), ("GFLOP/s", True), ("% GEMM", True), ("% copy", True), ("% floor", True), ("× stock", True),
    ("95 %", True), ("compile s", True), ("growth MiB", True), ("device MiB", True),
]  # fmt: skip


#: Of ``frame``, where columns are to be chosen for people.
DEFAULT_COLUMNS = [
    "shape", "changed", "cell", "hidden", "batch", "length", "features", "tier", "backend", "device", "variant",
    "status", "step_ms", "seq_s", "gflops", "ratio", "ratio_low", "ratio_high",
]  # fmt: skip


@dataclass(frozen=True)
class Section:
    """One table in words: its title, what all rows share, rows of text under the headings, and lines below."""

    title: str
    about: str
    headings: Headings
    rows: list[list[str]]
    notes: list[str]


def sections(record: SpeedRecord) -> list[Section]:
    """Every contest of the record; then, of each set of sizes that both devices have, how much faster the GPU is."""
    return [*map(_section, record.contests), *map(_side_by_side, devices.grids(record))]


def tables(record: SpeedRecord) -> Group:
    """The whole record for a terminal of 120 columns."""
    parts: list[RenderableType] = []
    styles = {silent(c, row): STATUS_STYLES[row.status] for c in record.contests for row in c.rows}
    for section in sections(record):
        parts += [Text(section.title, style="bold"), Text(section.about, style="dim")]
        if section.rows:
            parts.append(_table(section))
        parts += [Text(note, style=styles.get(note, "")) for note in section.notes]
        parts.append(Text())
    parts += [Text(line, style="dim") for line in legend(record)]
    return Group(*parts)


def legend(record: SpeedRecord) -> list[str]:
    """What the figures are of, in the order of the columns."""
    lines = [f"{record.rounds} rounds in turns, blocks of about {record.block_s:g} s; ms/step is the median block."]
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
            "% copy: the fewest bytes that an update moves, per second, of the copy's rate. "
            "device MiB: the allocator's peak beyond the level after initialisation."
        )
    if any(roof.us_per_step for roof in record.roofs.values()):
        lines.append(
            "% floor: an update's dependent steps at that latency, of ms/step. Above 100: a kernel held the whole loop."
        )
    same = "framework on the same device" if len(record.roofs) > 1 else "framework"
    lines.append(
        f"× stock: how many times as fast as the stock layer (tier default) of the same {same}, pair by pair. "
        "* added for it. fused: several updates per dispatch, no rank among the others."
    )
    if record.starts > 1:
        lines.append(f"compile s: with up to {record.starts} contestants getting ready at a time, on the same CPUs.")
    return lines


def latencies(roof: Roof) -> str:
    """Each backend's microseconds per dependent step."""
    return ", ".join(f"{backend} {number(us)} µs" for backend, us in sorted(roof.us_per_step.items()))


def title(contest: Contest, without: Collection[str] = (), brief: bool = False) -> str:
    """As in "B: lstm 128, 64×100×10"; sizes that vary, named in ``without``, by their names.

    ``brief``: that a named shape was reduced or changed, not where; for a picture, which is narrower than a page.
    """
    spec, model = contest.rows[0].spec, contest.rows[0].spec.model
    sizes = {"batch": spec.batch, "length": spec.length, "features": spec.features, "hidden": model.hidden}
    shown = {name: name if name in without else str(value) for name, value in sizes.items()}
    name = f"{named(contest, brief)}: " if contest.name and not without else ""
    layers = f" ×{'layers' if 'layers' in without else model.layers}" if model.layers > 1 or "layers" in without else ""
    ways = " bidirectional" if model.bidirectional else ""
    shape = "×".join(shown[size] for size in ("batch", "length", "features"))
    return f"{name}{model.cell} {shown['hidden']}{layers}{ways}, {shape}"


def named(contest: Contest, brief: bool = False) -> str:
    """The shape's name and what is otherwise here: as in "D, reduced: length 100"; in brief, "D, reduced"."""
    parts = [contest.name or "", departure(contest)]
    return ", ".join(filter(None, parts)) + (f": {changed(contest)}" if contest.changed and not brief else "")


def departure(contest: Contest) -> str:
    """How the contest departs from the shape that it is named after: "reduced" if each change is to less, or ""."""
    if not contest.changed:
        return ""
    smaller = all(type(was) is type(now) is int and now < was for was, now in contest.changed.values())
    return "reduced" if smaller else "changed"


def changed(contest: Contest) -> str:
    """What is otherwise than the named shape has it, in words."""
    return ", ".join(f"{name} {now}" for name, (_, now) in contest.changed.items())


def about(contest: Contest) -> str:
    """The rest of what all contestants share."""
    spec = contest.rows[0].spec
    gpus = sorted({row.device_name for row in contest.rows if row.device_name})
    where = " and ".join(contest.devices) + (f" ({', '.join(gpus)})" if gpus else "")
    labels = f" of {_counted(spec.labels, 'label')}" if spec.labels else ""
    lengths = f"lengths {spec.shortest} to {spec.length} · " if spec.shortest else ""
    return (
        f"batch×length×features · {_counted(spec.outputs, 'output')}, {spec.readout} step, {spec.loss}{labels} · "
        f"{lengths}{spec.optimizer.name} · {spec.precision} on {where} · {_counted(spec.threads, 'thread')} · "
        f"denormals {'flushed' if spec.denormals == 'flush' else 'kept'}"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def ranked(rows: Iterable[Row]) -> list[Row]:
    """Those with figures: tier by tier, the fastest of each first."""
    timed = [row for row in rows if row.figures]
    return sorted(timed, key=lambda r: (_tier(r), r.figures.step_ms.median if r.figures else 0.0))


def _tier(row: Row) -> int:
    return TIERS.index(row.tier) if row.tier else len(TIERS)


def _section(contest: Contest) -> Section:
    rows = [_cells(row) for row in ranked(contest.rows)]
    on_gpu = "cuda" in contest.devices
    needed = {
        "device": len(contest.devices) > 1,
        "% copy": on_gpu and any(r.figures and r.figures.copy_share for r in contest.rows),
        "device MiB": any(r.device_peak_bytes is not None for r in contest.rows),
        "% floor": any(r.figures and r.figures.floor_share for r in contest.rows),
    }
    kept = [i for i, (heading, _) in enumerate(HEADINGS) if needed.get(heading, True)]
    return Section(
        printable(title(contest)),
        printable(about(contest)),
        [HEADINGS[i] for i in kept],
        [[row[i] for i in kept] for row in rows],
        [silent(contest, row) for row in contest.rows if row.status != "ok"],
    )


def _side_by_side(grid: devices.Grid) -> Section:
    """A row per hidden size and batch, a column per backend."""
    sizes = sorted({(hidden, batch) for _, hidden, batch in grid.gains})
    gains = [[grid.gains.get((backend, *size)) for backend in grid.backends] for size in sizes]
    return Section(
        printable(f"GPU over CPU: {title(grid.contests[0], without=('hidden', 'batch'))}"),
        printable(
            f"how many times as fast as the CPU {grid.machine} is, pair by pair, with the 95 % interval: of each "
            "framework its fastest variant of tier default or best on either; above 1 the GPU wins"
        ),
        [("hidden", True), ("batch", True), *((backend, True) for backend in grid.backends)],
        [[str(hidden), str(batch), *map(_in_full, row)] for (hidden, batch), row in zip(sizes, gains, strict=True)],
        [printable(line) for line in grid.wins()],
    )


def silent(contest: Contest, row: Row) -> str:
    """Why a row is not ok."""
    return printable(f"{contest.name_of(row)}: {row.status}{f': {row.reason}' if row.reason else ''}")


def _cells(row: Row) -> list[str]:
    figures = row.figures
    assert figures is not None
    growth, device = growth_mib(row), device_mib(row)
    shares = figures.gemm_share, figures.copy_share, figures.floor_share
    return [
        row.tier or "", row.spec.backend, row.spec.device, f"{row.variant}{'*' * row.added}",
        number(figures.step_ms.median), _reach(figures.step_ms), number(figures.sequences_per_second.median),
        number(figures.gflops),
        *("" if share is None else number(100 * share) for share in shares),
        *_ratio(row, figures.ratio), number(figures.compile_s),
        *("" if mib is None else number(mib) for mib in (growth, device)),
    ]  # fmt: skip


def _reach(spread: Spread) -> str:
    return f"{number(spread.p10)}–{number(spread.p90)}"


def _ratio(row: Row, ratio: Ratio | None) -> tuple[str, str]:
    """The reference is 1 by definition, without an interval."""
    return ("1", "") if ratio and row.tier == "default" else _times(ratio)


def _times(ratio: Ratio | None) -> tuple[str, str]:
    """The median and its interval."""
    if ratio is None:
        return "", ""
    if ratio.low is None or ratio.high is None:
        return f"{ratio.median:.3g}", ""
    return f"{ratio.median:.3g}", f"{ratio.low:.3g}–{ratio.high:.3g}"


def _in_full(ratio: Ratio | None) -> str:
    """As in "3.2 (3.1–3.4)"."""
    times, interval = _times(ratio)
    return f"{times} ({interval})" if interval else times


def _table(section: Section) -> Table:
    """Tiers apart by a line: what dispatches once per update is not ranked against what does so once per chunk."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    for heading, numeric in section.headings:
        table.add_column(
            heading.replace(" ", "\n"), justify="right" if numeric else "left", no_wrap=heading != "variant"
        )
    previous = None
    tiers = section.headings[0] == HEADINGS[0]
    for row in section.rows:
        if tiers and previous not in (None, row[0]):
            table.add_section()
        table.add_row(*(Text(printable(cell)) for cell in row))
        previous = row[0]
    return table


def text(record: SpeedRecord, style: str) -> str:
    """The whole record as plain text, in a format of ``tabulate``: "simple" or "github"."""
    markdown = style == "github"
    escape = markdown_escape if markdown else str
    parts = []
    for section in sections(record):
        rows = [[escape(cell) for cell in row] for row in section.rows]
        headers = [escape(heading) for heading, _ in section.headings]
        alignment = ["right" if numeric else "left" for _, numeric in section.headings]
        parts += [f"{'## ' * markdown}{escape(section.title)}", escape(section.about)]
        if rows:
            parts.append(tabulate(rows, headers, tablefmt=style, disable_numparse=True, colalign=alignment))
        parts += [f"{'- ' * markdown}{escape(note)}" for note in section.notes]
    return "\n\n".join([*parts, *map(escape, legend(record))]) + "\n"


def frame(records: Iterable[SpeedRecord]) -> pd.DataFrame:
    """One row per contestant, one column per scalar; missing values where nothing was measured."""
    return pd.DataFrame([
        {
            "id": record.id, "created": record.created, "shape": contest.name, "backend": row.spec.backend,
            "variant": row.variant or row.spec.variant, "tier": row.tier, "status": row.status, "reason": row.reason,
            "executed": row.executed, "device": row.spec.device, "precision": row.spec.precision,
            "threads": row.spec.threads, "denormals": row.spec.denormals, **row.spec.model.model_dump(),
            "batch": row.spec.batch, "length": row.spec.length, "features": row.spec.features,
            "shortest": row.spec.shortest, "outputs": row.spec.outputs, "loss": row.spec.loss,
            "readout": row.spec.readout, "labels": row.spec.labels,
            "changed": changed(contest) or None, "chunk": row.spec.chunk, **_scalars(row),
            "gemm_gflops": roof.gemm_gflops, "copy_gb_per_s": roof.copy_gb_per_s,
            "us_per_step": roof.us_per_step.get(row.spec.backend),
        }
        for record in records for contest in record.contests for row in contest.rows
        for roof in [record.roofs.get(row.spec.device, Roof())]
    ])  # fmt: skip


def _scalars(row: Row) -> dict[str, float | None]:
    found: dict[str, float | None] = dict.fromkeys((
        "step_ms", "step_ms_p10", "step_ms_p90", "seq_s", "gflops", "gemm_share", "copy_share", "floor_ms",
        "floor_share", "ratio", "ratio_low", "ratio_high", "compile_s",
    ))  # fmt: skip
    if f := row.figures:
        found |= {
            "step_ms": f.step_ms.median, "step_ms_p10": f.step_ms.p10, "step_ms_p90": f.step_ms.p90,
            "seq_s": f.sequences_per_second.median, "gflops": f.gflops, "gemm_share": f.gemm_share,
            "copy_share": f.copy_share, "floor_ms": f.floor_ms, "floor_share": f.floor_share, "compile_s": f.compile_s,
        }  # fmt: skip
        if f.ratio:
            found |= {"ratio": f.ratio.median, "ratio_low": f.ratio.low, "ratio_high": f.ratio.high}
    return found | {
        "import_s": row.ready.import_s if row.ready else None,
        "growth_mib": growth_mib(row),
        "device_peak_mib": None if row.device_peak_bytes is None else row.device_peak_bytes / MIB,
    }


def growth_mib(row: Row) -> float | None:
    """Resident memory beyond the level after initialisation."""
    if row.ready is None or row.host_peak_bytes is None or row.ready.host_init_bytes is None:
        return None
    return max(0, row.host_peak_bytes - row.ready.host_init_bytes) / MIB


def device_mib(row: Row) -> float | None:
    """The device allocator's peak beyond the level after initialisation."""
    if row.ready is None or row.device_peak_bytes is None:
        return None
    return max(0, row.device_peak_bytes - (row.ready.device_init_bytes or 0)) / MIB
