"""Every column of a contestant, and which of them each table of contests shows: the one place to add a column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.analysis.disturbance import contestant_flags
from harness.presentation.contest_words import changed
from harness.presentation.execution_columns import shared
from harness.presentation.table import Column
from harness.records.base import Ratio, Spread
from harness.records.figures import mib
from harness.records.speed import Contest, Figures, Roof, Row, SpeedRecord
from harness.text import number

if TYPE_CHECKING:
    import pandas as pd


class Entry(NamedTuple):
    """A contestant, in its contest, in its call."""

    record: SpeedRecord
    contest: Contest
    row: Row


def entries(records: Iterable[SpeedRecord]) -> Iterator[Entry]:
    """Every contestant of every contest."""
    for record in records:
        for contest in record.contests:
            yield from (Entry(record, contest, row) for row in contest.rows)


Get = Callable[[Entry], Any]


def _spec(path: str) -> Get:
    return attrgetter(f"row.spec.{path}")


def _figure(get: Callable[[Figures], Any]) -> Get:
    """A figure of a contestant; None for one without figures."""
    return lambda entry: None if entry.row.figures is None else get(entry.row.figures)


def _ratio(name: str) -> Get:
    return _figure(lambda figures: getattr(figures.ratio, name, None))


def _roof(entry: Entry) -> Roof:
    return entry.record.roofs.get(entry.row.spec.device, Roof())


def _is_reference(entry: Entry) -> bool:
    """The reference is as fast as itself, by definition and without an interval."""
    return entry.row.is_stock


def times(ratio: Ratio | None) -> tuple[str, str]:
    """A ratio and its interval for people, each empty where there is none."""
    if ratio is None:
        return "", ""
    interval = "" if ratio.low is None or ratio.high is None else f"{ratio.low:.3g}–{ratio.high:.3g}"
    return f"{ratio.median:.3g}", interval


def _interval(entry: Entry) -> str | None:
    figures = entry.row.figures
    return None if figures is None or _is_reference(entry) else times(figures.ratio)[1]


def _times_stock(entry: Entry) -> str:
    ratio = entry.row.figures.ratio if entry.row.figures else None
    return "1" if ratio and _is_reference(entry) else times(ratio)[0]


def _range(spread: Spread) -> str:
    return f"{number(spread.p10)}–{number(spread.p90)}"


def _percent(share: float) -> str:
    return number(100 * share)


_row = attrgetter("row")
_FIXED: Sequence[Column[Entry]] = (
    Column("id", attrgetter("record.id"), "the record's name, also its file's"),
    Column("created", attrgetter("record.created"), "when the call began, UTC", "datetime64[us, UTC]"),
    Column("shape", attrgetter("contest.name"), "the named shape"),
    *shared(_row, "backend"),
    Column(
        "variant", attrgetter("row.current_variant"), "how the framework computed the cell; * added as the reference",
        words_of=lambda entry: f"{entry.row.current_variant}{'*' * entry.row.added}",
    ),
    *shared(
        _row, "tier", "status", "reason", "executed", "device", "precision", "threads", "denormals", "cell", "hidden",
        "layers", "bidirectional", "batch",
    ),
    Column("measure", _spec("measure"), "what was timed: updates (train), or predictions"),
    Column("length", _spec("length"), "time steps of a sequence, at the most", "Int64"),
    Column("features", _spec("features"), "inputs per time step", "Int64"),
    Column("shortest", _spec("shortest"), "time steps of the shortest sequence, where lengths vary", "Int64"),
    Column("outputs", _spec("outputs"), "numbers or classes that are read out", "Int64"),
    Column("loss", _spec("loss"), "the loss"),
    Column("readout", _spec("readout"), "whether the last or every step is read out"),
    Column("labels", _spec("labels"), "labels of each sequence, for ctc", "Int64"),
    Column(
        "changed", lambda entry: changed(entry.contest) or None, "fields that differ from the named shape"
    ),
    Column("chunk", _spec("chunk"), "updates handed over at once", "Int64"),
    Column(
        "step_ms", _figure(lambda f: f.step_ms.median), "milliseconds per update or prediction: median over blocks",
        "float64", heading="ms/step", whole=True,
    ),
    Column(
        "step_ms_range", _figure(lambda f: f.step_ms), "its 10th and 90th percentile", heading="p10–p90", write=_range,
        right=True, whole=True, exported=False,
    ),
    Column("step_ms_p10", _figure(lambda f: f.step_ms.p10), "its 10th percentile", "float64"),
    Column("step_ms_p90", _figure(lambda f: f.step_ms.p90), "its 90th percentile", "float64"),
    Column(
        "seq_s", _figure(lambda f: f.sequences_per_second.median), "sequences trained or predicted per second",
        "float64", heading="seq/s", whole=True,
    ),
    Column(
        "gflops", _figure(lambda f: f.gflops), "of the matrix products, at the median step", "float64",
        heading="GFLOP/s", whole=True,
    ),
    Column(
        "gemm_share", _figure(lambda f: f.gemm_share), "gflops as a share of a large matrix product's", "float64",
        heading="%\nGEMM", write=_percent, whole=True,
    ),
    Column(
        "copy_share", _figure(lambda f: f.copy_share), "the fewest bytes of a step, as a share of a copy's rate",
        "float64", heading="%\ncopy", write=_percent, whole=True,
    ),
    Column(
        "floor_ms", _figure(lambda f: f.floor_ms), "the dependent steps of an update or prediction at their latency",
        "float64",
    ),
    Column(
        "floor_share", _figure(lambda f: f.floor_share), "floor_ms as a share of step_ms", "float64",
        heading="%\nfloor", write=_percent, whole=True,
    ),
    Column(
        "ratio", _ratio("median"), "how many times as fast as the stock layer", "float64", heading="×\nstock",
        write="{:.3g}".format, words_of=_times_stock, whole=True,
    ),
    Column(
        "ratio_interval", _interval, "its 95 % interval", heading="95\n%", right=True, whole=True, exported=False
    ),
    Column("ratio_low", _ratio("low"), "low end of its 95 % interval", "float64"),
    Column("ratio_high", _ratio("high"), "high end of its 95 % interval", "float64"),
    Column(
        "compile_s", _figure(lambda f: f.compile_s), "what the first call took beyond its updates or predictions",
        "float64", heading="compile\ns", whole=True,
    ),
    Column(
        "import_s", lambda entry: entry.row.ready and entry.row.ready.import_s, "importing the framework", "float64"
    ),
    Column(
        "growth_mib", lambda entry: mib(entry.row.host_growth_bytes),
        "resident memory at its peak beyond the level after initialisation, in MiB", "float64",
        heading="growth\nMiB", whole=True,
    ),
    Column(
        "device_growth_mib", lambda entry: mib(entry.row.device_growth_bytes), "the same of the device's allocator",
        "float64", heading="device\nMiB", whole=True, exported=False,
    ),
    Column(
        "device_peak_mib", lambda entry: mib(entry.row.device_peak_bytes),
        "the allocator's peak on the device, in MiB", "float64",
    ),
    Column(
        "noise", lambda entry: " ".join(contestant_flags(entry.row)) or ("none" if entry.row.figures else None),
        "what disturbed its turns; spread, where p90 of its rounds is more than twice p10; none where nothing did",
        words_of=lambda entry: " ".join(contestant_flags(entry.row)), whole=True,
    ),
    Column(
        "machine", lambda entry: entry.row.device_name or entry.record.environment.cpu,
        "the GPU of a contestant on one, else the processor",
    ),
    Column("cpu", attrgetter("record.environment.cpu"), "the processor"),
    Column("logical_cpus", attrgetter("record.environment.logical_cpus"), "logical processors of the machine", "Int64"),
    Column("gemm_gflops", lambda entry: _roof(entry).gemm_gflops, "of a large matrix product on the device", "float64"),
    Column("copy_gb_per_s", lambda entry: _roof(entry).copy_gb_per_s, "of a large copy on the device", "float64"),
    Column(
        "us_per_step", lambda entry: _roof(entry).us_per_step.get(entry.row.spec.backend),
        "microseconds per step of a chain of dependent products", "float64",
    ),
)  # fmt: skip
#: Every column, by name.
COLUMNS: Mapping[str, Column[Entry]] = {column.name: column for column in _FIXED}

#: Columns of a table of contestants as text, unless others are asked for.
DEFAULT = (
    "shape", "changed", "cell", "hidden", "batch", "length", "features", "tier", "backend", "device", "variant",
    "status", "step_ms", "seq_s", "gflops", "ratio", "ratio_low", "ratio_high", "noise",
)  # fmt: skip
#: Shown beside them where contestants differ in them.
WHERE_DIFFERING = (
    "measure", "cpu", "logical_cpus", "precision", "threads", "denormals", "layers", "bidirectional", "shortest",
    "outputs", "loss", "readout", "labels", "chunk",
)  # fmt: skip


def usual(data: pd.DataFrame) -> list[str]:
    """The columns of these contestants as text, unless others are asked for. Predictions are always marked as such."""
    predicted = bool((data["measure"] != "train").any())
    return [
        *DEFAULT,
        *(
            name
            for name in WHERE_DIFFERING
            if data[name].nunique(dropna=False) > 1 or (name == "measure" and predicted)
        ),
    ]


#: Which columns of a contest leave first where a terminal has no room for all.
LEAVING = (
    "device_growth_mib", "growth_mib", "compile_s", "gflops", "floor_share", "copy_share", "tier", "step_ms_range",
    "gemm_share", "seq_s", "ratio_interval",
)  # fmt: skip


def columns_of(contest: Contest) -> list[Column[Entry]]:
    """The columns of one contest's table; those that would be empty, or the same for everyone, are left out."""
    on_gpu = "cuda" in contest.devices
    figures = [row.figures for row in contest.rows if row.figures]
    shown = {
        "tier": True, "backend": True, "device": len(contest.devices) > 1, "variant": True, "step_ms": True,
        "step_ms_range": True, "seq_s": True, "gflops": True, "gemm_share": True,
        "copy_share": on_gpu and any(f.copy_share for f in figures), "floor_share": any(f.floor_share for f in figures),
        "ratio": True, "ratio_interval": True, "noise": any(map(contestant_flags, contest.rows)), "compile_s": True,
        "growth_mib": True,
        "device_growth_mib": any(row.device_peak_bytes is not None for row in contest.rows),
    }  # fmt: skip
    return [COLUMNS[name] for name, needed in shown.items() if needed]
