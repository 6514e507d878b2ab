"""Records as a table: one row per run, to choose from, to print and to export."""

from __future__ import annotations

import json
import re
import statistics
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter, ge, gt, le, lt
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text
from tabulate import tabulate

from backends.base import CELLS
from harness.records import Record
from tasks.registry import nearest

Format = Literal["text", "markdown", "csv", "parquet"]
Kind = Literal["string", "Int64", "float64", "boolean", "datetime64[us, UTC]"]
Row = Mapping[str, Any]
MIB = 2**20
STATUS_STYLES = {"ok": "green", "unavailable": "yellow", "interrupted": "yellow", "timeout": "red", "failed": "red"}


class Column(NamedTuple):
    """One column: what it means, what it holds, where it comes from."""

    about: str
    kind: Kind
    get: Callable[[Record], Any]


def _at(path: str) -> Callable[[Record], Any]:
    """Follow a dotted path into a record; None where a part on the way is missing."""
    names = path.split(".")

    def get(record: Record) -> Any:
        value: Any = record
        for name in names:
            if value is None:
                return None
            value = getattr(value, name)
        return value

    return get


def _metric(name: str) -> Callable[[Record], Any]:
    return _at(f"metrics.{name}")


def _mib(name: str) -> Callable[[Record], float | None]:
    get = _metric(name)
    return lambda record: None if (found := get(record)) is None else found / MIB


def _growth_mib(record: Record) -> float | None:
    m = record.metrics
    if m is None or m.host_peak_bytes is None or m.host_init_bytes is None:
        return None
    return max(0, m.host_peak_bytes - m.host_init_bytes) / MIB


def _score(record: Record) -> float | None:
    return _named("score")(record).get(record.metrics.main_score) if record.metrics else None


def _baseline(record: Record) -> float | None:
    return _named("baseline")(record).get(record.metrics.main_score) if record.metrics else None


def _named(field: str) -> Callable[[Record], Mapping[str, Any]]:
    """The values that a mapping among the metrics holds by name."""
    return lambda record: getattr(record.metrics, field, {})


def _gflops(record: Record) -> float | None:
    m = record.metrics
    return None if m is None or m.step_ms is None or not m.step_ms.median else m.flops_per_step / m.step_ms.median / 1e6


def _versions(record: Record) -> str:
    return " ".join(f"{name}={version}" for name, version in sorted(record.environment.versions.items()))


def _spread(name: str, field: str, about: str) -> dict[str, Column]:
    """Three columns: the median over timed blocks, and the 10th and 90th percentile."""
    return {
        name: Column(f"{about}: median over timed blocks", "float64", _metric(f"{field}.median")),
        f"{name}_p10": Column(f"{about}: 10th percentile", "float64", _metric(f"{field}.p10")),
        f"{name}_p90": Column(f"{about}: 90th percentile", "float64", _metric(f"{field}.p90")),
    }


#: Every fixed column. Further ones come with the records: see ``PREFIXES``.
COLUMNS: dict[str, Column] = {
    "id": Column("the record's name, also its file's", "string", _at("id")),
    "created": Column("when the run was recorded, UTC", "datetime64[us, UTC]", _at("created")),
    "status": Column("ok, failed, timeout, interrupted or unavailable", "string", _at("status")),
    "reason": Column("why the status is not ok", "string", _at("reason")),
    "task": Column("what is learned", "string", _at("spec.task")),
    "preset": Column("the task's sizes, by name", "string", _at("spec.preset")),
    "backend": Column("the framework", "string", _at("spec.backend")),
    "variant": Column(
        "how the framework computed the cell", "string", lambda record: record.variant or record.spec.variant
    ),
    "executed": Column("what computed the recurrence, found by looking", "string", _at("executed")),
    "version": Column(
        "version of the framework", "string", lambda record: record.environment.versions.get(record.spec.backend)
    ),
    "device": Column("cpu or cuda", "string", _at("spec.device")),
    "precision": Column("float32 or float64", "string", _at("spec.precision")),
    "cell": Column("the recurrence", "string", _at("spec.model.cell")),
    "hidden": Column("width of the recurrent state", "Int64", _at("spec.model.hidden")),
    "layers": Column("recurrent layers", "Int64", _at("spec.model.layers")),
    "bidirectional": Column("whether each layer also runs backwards", "boolean", _at("spec.model.bidirectional")),
    "parameters": Column("trainable numbers", "Int64", _metric("parameters")),
    "batch": Column("sequences per update", "Int64", _at("spec.batch")),
    "steps": Column("updates", "Int64", _at("spec.steps")),
    "chunk": Column("updates per timed block", "Int64", _at("spec.chunk")),
    "evaluate_every": Column("updates between two evaluations", "Int64", _at("spec.evaluate_every")),
    "seed": Column("of the training data and of the initial parameters", "Int64", _at("spec.seed")),
    "threads": Column("threads of the framework, and CPUs it may use", "Int64", _at("spec.threads")),
    "denormals": Column("whether the CPU flushes denormal numbers or keeps them", "string", _at("spec.denormals")),
    "deterministic": Column("whether deterministic kernels were asked for", "boolean", _at("spec.deterministic")),
    "optimizer": Column("the update rule", "string", _at("spec.optimizer.name")),
    "lr": Column("its learning rate", "float64", _at("spec.optimizer.lr")),
    "clip": Column("largest global norm of the gradient", "float64", _at("spec.optimizer.clip")),
    "init_recurrent": Column("initial recurrent matrices", "string", _at("spec.initialisation.recurrent")),
    "init_input": Column("initial input matrices", "string", _at("spec.initialisation.input")),
    "forget_bias": Column("initial bias of the forget gate", "float64", _at("spec.initialisation.forget_bias")),
    "chrono": Column("longest dependency assumed by chrono initialisation", "Int64", _at("spec.initialisation.chrono")),
    "score_name": Column("the score that decides whether the task is solved", "string", _metric("main_score")),
    "score": Column("that score on the test split", "float64", _score),
    "baseline": Column("what a model that learned nothing reaches", "float64", _baseline),
    "solved": Column("whether the test scores solve the task", "boolean", _metric("solved")),
    "score_at": Column(
        "which parameters are scored: the final or the best on validation", "string", _at("spec.score_at")
    ),
    "score_step": Column("the update after which they were taken", "Int64", _metric("score_step")),
    "final_loss": Column("test loss of the scored parameters", "float64", _metric("final_loss")),
    **_spread("train_seq_s", "train_sequences_per_second", "sequences trained per second"),
    **_spread("train_time_step_s", "train_time_steps_per_second", "time steps trained per second"),
    **_spread("step_ms", "step_ms", "milliseconds per update"),
    **_spread("predict_seq_s", "predict_sequences_per_second", "sequences predicted per second"),
    **_spread("predict_time_step_s", "predict_time_steps_per_second", "time steps predicted per second"),
    "flops_per_step": Column(
        "floating-point operations of one update's matrix products", "Int64", _metric("flops_per_step")
    ),
    "gflops": Column("flops_per_step over the median step time, in 10⁹ per second", "float64", _gflops),
    "import_s": Column("importing the framework", "float64", _metric("import_s")),
    "data_s": Column("drawing or loading data on the host, in total", "float64", _metric("data_s")),
    "gate_s": Column("the parity check before the run", "float64", _metric("gate_s")),
    "build_s": Column("constructing model and optimizer on the device", "float64", _metric("build_s")),
    "first_step_s": Column("the first update, with all tracing and compiling", "float64", _metric("first_step_s")),
    "compile_s": Column("what the first update took beyond a median one", "float64", _metric("compile_s")),
    "stage_s": Column("moving batches to the device, in total", "float64", _metric("stage_s")),
    "train_s": Column("inside training steps, in total, the first included", "float64", _metric("train_s")),
    "evaluate_s": Column("predicting and scoring held-out data, in total", "float64", _metric("evaluate_s")),
    "wall_s": Column("the worker's life, from its first line to its last figure", "float64", _metric("wall_s")),
    "compilations": Column("traces and compilations, all before the steady state", "Int64", _metric("compilations")),
    "host_growth_mib": Column("host peak minus host_init_mib, in MiB: what training took", "float64", _growth_mib),
    "host_peak_mib": Column("the kernel's high-water mark while training, in MiB", "float64", _mib("host_peak_bytes")),
    "host_init_mib": Column(
        "resident after data, gate, model and optimizer, in MiB", "float64", _mib("host_init_bytes")
    ),
    "host_import_mib": Column("resident after importing the framework, in MiB", "float64", _mib("host_import_bytes")),
    "device_init_mib": Column("on the device after model and optimizer, in MiB", "float64", _mib("device_init_bytes")),
    "device_peak_mib": Column("the allocator's peak on the device, in MiB", "float64", _mib("device_peak_bytes")),
    "gate": Column(
        "relative distance of the parameters from the float64 reference", "float64", _at("gate.parameter_distance")
    ),
    "gate_loss": Column(
        "relative distance of the losses from the float64 reference", "float64", _at("gate.loss_distance")
    ),
    "gate_passed": Column("whether both were within tolerance", "boolean", _at("gate.passed")),
    "cpu": Column("the processor", "string", _at("environment.cpu")),
    "logical_cpus": Column("logical processors of the machine", "Int64", _at("environment.logical_cpus")),
    "os": Column("the operating system", "string", _at("environment.os")),
    "python": Column("version of Python", "string", _at("environment.python")),
    "versions": Column("of all libraries, as name=version", "string", _versions),
    "git_commit": Column("commit of the harness", "string", _at("environment.git_commit")),
    "git_dirty": Column("whether its code differed from that commit", "boolean", _at("environment.git_dirty")),
}

#: Columns that depend on the records: a prefix, what follows it, and the values by that name.
PREFIXES: dict[str, tuple[str, Callable[[Record], Mapping[str, Any]]]] = {
    "P.": ("a parameter of the task, such as P.length", attrgetter("spec.parameters")),
    "score.": ("a test score, such as score.mse", _named("score")),
    "baseline.": ("what a model that learned nothing reaches of a score", _named("baseline")),
    "steps_to.": ("first evaluated update at which the main score passed a level", _named("steps_to")),
}

#: Column to one-line description, the open-ended ones included.
DESCRIPTIONS: dict[str, str] = {name: column.about for name, column in COLUMNS.items()} | {
    f"{prefix}<name>": about for prefix, (about, _) in PREFIXES.items()
}

DEFAULT_COLUMNS = [
    "task", "cell", "backend", "variant", "status", "score_name", "score", "solved",
    "train_seq_s", "step_ms", "compile_s", "host_growth_mib", "train_s",
]  # fmt: skip

#: Headings for people, where the column's name is long.
_HEADINGS = {
    "train_seq_s": "train seq/s",
    "step_ms": "step ms",
    "compile_s": "compile s",
    "host_growth_mib": "growth MiB",
    "train_s": "train s",
}


# -- the frame ----------------------------------------------------------------------------
def frame(records: Iterable[Record]) -> pd.DataFrame:
    """One row per record, one column per scalar; missing values where nothing was measured."""
    records = list(records)
    columns: dict[str, Any] = {
        name: pd.Series([column.get(record) for record in records], dtype=column.kind)
        for name, column in COLUMNS.items()
    }
    for prefix, (_, get) in PREFIXES.items():
        found = [get(record) for record in records]
        for name in dict.fromkeys(name for values in found for name in values):
            columns[f"{prefix}{name}"] = _series([values.get(name) for values in found])
    return pd.DataFrame(columns)


def _series(values: list[Any]) -> pd.Series[Any]:
    """A column of the values' own type; of text where tasks disagree about it."""
    types = {type(value) for value in values if value is not None}
    kinds = {bool: "boolean", int: "Int64", float: "float64", str: "string"}
    kind = kinds[types.pop()] if len(types) == 1 else "float64" if types <= {int, float} else "string"
    if kind == "string":
        values = [value if value is None else str(value) for value in values]
    return pd.Series(values, dtype=kind)


# -- choosing rows and columns --------------------------------------------------------------
_CONDITION = re.compile(r"\s*([^<>=!\s]+)\s*(>=|<=|!=|==|=|>|<)(.*)", re.DOTALL)
_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {">=": ge, "<=": le, ">": gt, "<": lt}


def select(
    table: pd.DataFrame, columns: Sequence[str] = (), sort: Sequence[str] = (), where: Sequence[str] = ()
) -> pd.DataFrame:
    """The rows that meet every condition, in order, with the columns asked for.

    Args:
        table: from ``frame``.
        columns: names; none for the default ones, and ``reason`` where a row is not ok.
        sort: names, the first one deciding first; a leading minus for descending. Missing values last.
        where: conditions such as "backend=torch", "steps>=100", "cell!=rnn", or "reason=" for missing.

    Raises:
        ValueError: an unknown column (with the nearest one), or a condition that is none.
    """
    kept = [True] * len(table)
    for condition in where:
        kept = [a and b for a, b in zip(kept, _meets(table, condition), strict=True)]
    chosen = table[pd.Series(kept, index=table.index, dtype=bool)]
    for word in reversed(sort):  # a stable sort by the last column first
        chosen = _sorted(chosen, word.removeprefix("-"), descending=word.startswith("-"))
    if not columns:
        columns = [*DEFAULT_COLUMNS, *(["reason"] if (chosen["status"] != "ok").any() else [])]
    return chosen[[_known(table, name) for name in columns]].reset_index(drop=True)


def _known(table: pd.DataFrame, name: str) -> str:
    if name not in table.columns:
        raise ValueError(nearest("column", name, list(table.columns)))
    return name


def _sorted(table: pd.DataFrame, name: str, descending: bool) -> pd.DataFrame:
    values = table[_known(table, name)].tolist()
    there = [i for i, value in enumerate(values) if not pd.isna(value)]
    missing = [i for i, value in enumerate(values) if pd.isna(value)]
    return table.iloc[sorted(there, key=values.__getitem__, reverse=descending) + missing]


def _meets(table: pd.DataFrame, condition: str) -> list[bool]:
    match = _CONDITION.fullmatch(condition)
    if not match:
        raise ValueError(f"not a condition: {condition!r}; write for example backend=torch, steps>=100 or cell!=rnn")
    name, operator, text = match.group(1), match.group(2), match.group(3).strip()
    column = table[_known(table, name)]
    convert = _converter(name, column)
    values = [None if pd.isna(value) else value for value in column.tolist()]
    if operator in _ORDERINGS:
        compare, level = _ORDERINGS[operator], convert(text)
        return [value is not None and compare(_comparable(value), level) for value in values]
    wanted = None if text == "" else convert(text)
    same = [value is None if wanted is None else value is not None and _comparable(value) == wanted for value in values]
    return [not yes for yes in same] if operator == "!=" else same


def _comparable(value: Any) -> Any:
    """A time compares as its ISO text, so that "created>=2026-11" is a condition."""
    return value.isoformat() if isinstance(value, pd.Timestamp) else value


def _converter(name: str, column: pd.Series[Any]) -> Callable[[str], Any]:
    """How a condition's text becomes a value of the column's type."""

    def number(text: str) -> float:
        try:
            return int(text)  # exact where a float is not: seeds go to 2**63
        except ValueError:
            pass
        try:
            return float(text)
        except ValueError:
            raise ValueError(f"column {name!r} holds numbers, and {text!r} is none") from None

    def truth(text: str) -> bool:
        if text.lower() not in ("true", "yes", "false", "no"):
            raise ValueError(f"column {name!r} holds true or false, and {text!r} is neither")
        return text.lower() in ("true", "yes")

    if pd.api.types.is_bool_dtype(column.dtype):
        return truth
    return number if pd.api.types.is_numeric_dtype(column.dtype) else str


# -- for people -------------------------------------------------------------------------------
def printable(text: str) -> str:
    """One line without control characters: what a library printed must not steer a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def number(value: float, digits: int = 3) -> str:
    """A number for people: three significant digits or so, thousands separated."""
    if isinstance(value, int) or abs(value) >= 10**digits - 0.5:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def score_text(value: float) -> str:
    """A score for people; nothing short of 1 is rounded up to it."""
    text = number(value)
    for digits in range(4, 17):
        if float(text.replace(",", "")) != 1 or value == 1:
            break
        text = number(value, digits)
    return text


def cell_text(name: str, value: Any) -> str:
    """One cell for people."""
    if value is None or pd.isna(value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in ("score", "baseline") or name.startswith(("score.", "baseline.")):
        return score_text(value)
    if name in ("seed", "P.seed"):
        return str(value)
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return number(value) if isinstance(value, int | float) else printable(str(value))


def _for_people(table: pd.DataFrame) -> dict[str, tuple[list[str], bool]]:
    """Heading to cells and whether they align right; a score's name stands before its value."""
    shown: dict[str, tuple[list[str], bool]] = {}
    names = list(table.columns)
    for name in names:
        cells = [cell_text(name, value) for value in table[name].tolist()]
        dtype = table[name].dtype
        if name == "score" and "score_name" in shown:
            joined = [f"{word} {value}".strip() for word, value in zip(shown.pop("score_name")[0], cells, strict=True)]
            shown["score"] = joined, False
        else:
            numeric = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
            shown[_HEADINGS.get(name, name)] = cells, numeric
    return shown


def markdown_escape(text: str) -> str:
    """Text as Markdown shows it literally, in a table's cell as well, and never as HTML."""
    text = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*\[\]|~])", r"\\\1", text)


def write(table: pd.DataFrame, form: Format, out: Path | None = None) -> str | None:
    """The table as text, Markdown, CSV or Parquet: returned, or written to ``out``.

    Text and Markdown round numbers for people; CSV and Parquet hold them as they are.

    Raises:
        ValueError: an unknown format; Parquet without a file or without pyarrow.
    """
    if form == "parquet":
        if out is None:
            raise ValueError("parquet is no text: name a file with --out")
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            table.to_parquet(out, index=False, engine="pyarrow")
        except ImportError:
            raise ValueError("parquet needs pyarrow: pip install 'harness[parquet]'") from None
        return None
    if form == "csv":
        text = table.to_csv(index=False, lineterminator="\n")
    elif form in ("text", "markdown"):
        text = _aligned(table, "simple" if form == "text" else "github")
    else:
        raise ValueError(nearest("format", form, ["text", "markdown", "csv", "parquet"]))
    if out is None:
        return text
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8", newline="")
    return None


def _aligned(table: pd.DataFrame, style: str) -> str:
    shown = _for_people(table)
    escape = markdown_escape if style == "github" else str
    rows = [[escape(cell) for cell in row] for row in zip(*(cells for cells, _ in shown.values()), strict=True)]
    headers = [escape(heading) for heading in shown]
    alignment = ["right" if right else "left" for _, right in shown.values()]
    drawn: str = tabulate(rows, headers, tablefmt=style, disable_numparse=True, colalign=alignment if rows else None)
    return drawn + "\n"


def reasons(records: Iterable[Record]) -> list[str]:
    """One line for every record that is not ok: what was asked for, how it ended and why."""
    return [
        printable(f"{run_name(record)}: {record.status}{f': {record.reason}' if record.reason else ''}")
        for record in records
        if record.status != "ok"
    ]


def run_name(record: Record) -> str:
    """A run in a few words: "copy quick lstm torch nn"."""
    spec = record.spec
    return f"{spec.task} {spec.preset} {spec.model.cell} {spec.backend} {record.variant or spec.variant}"


def rich_table(records: Iterable[Record]) -> Table:
    """The records in 120 columns of terminal, grouped by what may be compared."""
    records = list(records)
    found = groups(records)
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    varies = any(len(group.settings(record)) for group in found for record in group.records)
    for heading in ("task", "cell", "backend", "variant", *(["setting"] if varies else []), "status"):
        table.add_column(heading, no_wrap=heading not in ("variant", "setting"), overflow="fold")
    table.add_column("score", overflow="fold", min_width=9)
    table.add_column("solved")
    for heading in ("train\nseq/s", "step\nms", "compile\ns", "growth\nMiB", "train\ns"):
        table.add_column(heading, justify="right", no_wrap=True)
    for group in found:
        for i, (row, record) in enumerate(zip(group.rows, group.records, strict=True)):
            score = f"{row['score_name']} {score_text(row['score'])}" if row["score"] is not None else ""
            solved = "" if row["solved"] is None else "yes" if row["solved"] else "no"
            table.add_row(
                Text(_folded(printable(group.title), 12) if i == 0 else "", style="bold"),
                Text(_folded(row["cell"], 10)),
                *(Text(printable(str(row[name]))) for name in ("backend", "variant")),
                *([Text(group.settings(record))] if varies else []),
                Text(record.status, style=STATUS_STYLES[record.status]),
                Text(score),
                Text(solved, style="green" if solved == "yes" else ""),
                *(
                    "" if row[name] is None else number(row[name])
                    for name in ("train_seq_s", "step_ms", "compile_s", "host_growth_mib", "train_s")
                ),
            )
        table.add_section()
    return table


def _folded(text: str, width: int) -> str:
    """Text in lines of ``width``, broken at blanks and hyphens."""
    return "\n".join(textwrap.wrap(text, width)[:4])


# -- what may be compared -----------------------------------------------------------------------
@dataclass(frozen=True)
class Group:
    """Runs that differ only in how they were computed, in the cell and in the seed.

    Attributes:
        title: "copy, quick", and what sets it apart where several groups share that.
        slug: the title as part of a file name.
        about: everything that the runs have in common, as one line.
        records: by cell, then by contender, then by seed.
    """

    title: str
    slug: str
    about: str
    records: list[Record]

    @property
    def ok(self) -> list[Record]:
        """Those that ran to their end."""
        return [record for record in self.records if record.status == "ok" and record.metrics is not None]

    @cached_property
    def rows(self) -> list[Row]:
        """One mapping per record, of every fixed column."""
        return [{name: column.get(record) for name, column in COLUMNS.items()} for record in self.records]

    def settings(self, record: Record) -> str:
        """What this record has for itself among its group, beside cell, backend and variant."""
        seeds = {other.spec.seed for other in self.records}
        words = [f"seed {record.spec.seed}"] if len(seeds) > 1 else []
        if version := self._versions(record):
            words.append(version)
        return ", ".join(words)

    def _versions(self, record: Record) -> str:
        get = COLUMNS["version"].get
        versions = {get(r) for r in self.ok if r.spec.backend == record.spec.backend}
        return str(get(record) or "") if len(versions) > 1 else ""

    def contender(self, record: Record) -> str:
        """Who computed it: the backend, its variant where the group has several, its version likewise."""
        spec = record.spec
        same = [r for r in self.ok if r.spec.backend == spec.backend]
        words = [spec.backend]
        if len({other.variant for other in same}) > 1:
            words.append(record.variant or spec.variant)
        if version := self._versions(record):
            words.append(version)
        return " ".join(words)

    def contenders(self) -> dict[tuple[str, str], list[Record]]:
        """Runs that were ok, by cell and contender: one entry holds all seeds and repetitions."""
        found: dict[tuple[str, str], list[Record]] = {}
        for record in self.ok:
            found.setdefault((record.spec.model.cell, self.contender(record)), []).append(record)
        return found


def groups(records: Iterable[Record]) -> list[Group]:
    """Records by everything that must be equal before two of them may be compared."""
    members: dict[str, list[Record]] = {}
    for record in records:
        members.setdefault(json.dumps(_common(record), sort_keys=True), []).append(record)
    by_name: dict[tuple[str, str], list[list[Record]]] = {}
    for _, found in sorted(members.items(), key=lambda item: _natural(item[0])):
        by_name.setdefault((found[0].spec.task, found[0].spec.preset), []).append(found)
    made, slugs = [], set[str]()
    for (task, preset), several in sorted(by_name.items()):
        commons = [_common(found[0]) for found in several]
        for common, found in zip(commons, several, strict=True):
            apart = [
                _phrase(name, value)
                for name, value in common.items()
                if any(other.get(name) != value for other in commons)
            ]
            title = ", ".join([task, preset, *apart])
            slug = base = re.sub(r"[^a-z0-9.]+", "-", title.lower()).strip("-.")[:80]
            number_of_it = 1
            while slug in slugs:
                number_of_it += 1
                slug = f"{base}-{number_of_it}"
            slugs.add(slug)
            about = " · ".join(_phrase(name, value) for name, value in common.items() if name not in ("task", "preset"))
            made.append(Group(title, slug, about, sorted(found, key=_place)))
    return made


def _natural(text: str) -> list[tuple[int, str]]:
    """Sorts 2 before 10 in text that holds numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,18})", text)]


def _place(record: Record) -> tuple[int, str, str, int, str]:
    spec = record.spec
    cell = CELLS.index(spec.model.cell)
    return cell, spec.backend, record.variant or spec.variant, spec.seed, record.created.isoformat()


def _common(record: Record) -> dict[str, Any]:
    """What a group has in common: the spec but for cell, seed and contender, and the machine."""
    fields = record.spec.model_dump(exclude={"seed", "backend", "variant", "parameters"})
    model = {name: value for name, value in fields.pop("model").items() if name != "cell"}
    optimizer, init = fields.pop("optimizer"), fields.pop("initialisation")
    return {
        "task": fields.pop("task"), "preset": fields.pop("preset"),
        **{f"P.{name}": value for name, value in sorted(record.spec.parameters.items())},
        **model, "batch": fields.pop("batch"), "steps": fields.pop("steps"),
        "optimizer": _optimizer(optimizer), "init": _initialisation(init), **fields, "cpu": record.environment.cpu,
    }  # fmt: skip


def _optimizer(fields: Mapping[str, Any]) -> str:
    own = {"adam": ("beta1", "beta2", "epsilon"), "rmsprop": ("alpha", "epsilon")}.get(fields["name"], ())
    clip = "no clipping" if fields["clip"] is None else f"clip {fields['clip']:g}"
    return " ".join([fields["name"], f"lr {fields['lr']:g}", clip, *(f"{name} {fields[name]:g}" for name in own)])


def _initialisation(fields: Mapping[str, Any]) -> str:
    forget = f"chrono {fields['chrono']}" if fields["chrono"] else f"forget bias {fields['forget_bias']:g}"
    return f"{fields['input']} inputs, {fields['recurrent']} recurrence, {forget}"


def _phrase(name: str, value: Any) -> str:
    """A setting in words."""
    words = {
        "hidden": f"hidden {value}",
        "layers": f"{value} layer" + "s" * (value != 1),
        "bidirectional": "bidirectional" if value else "one direction",
        "batch": f"batch {value}",
        "steps": f"{value} updates",
        "optimizer": value,
        "init": f"init {value}",
        "device": value,
        "precision": value,
        "chunk": f"timed in chunks of {value}",
        "evaluate_every": f"evaluated every {value}",
        "threads": f"{value} thread" + "s" * (value != 1),
        "denormals": f"denormals: {value}",
        "deterministic": "deterministic kernels" if value else "any kernels",
        "score_at": f"scored at {value}",
        "cpu": value,
    }
    return str(words.get(name, f"{name.removeprefix('P.')} {value}"))


def median_of(values: Iterable[float | None]) -> float | None:
    """The median of what was measured; None of nothing."""
    there = [value for value in values if value is not None]
    return statistics.median(there) if there else None
