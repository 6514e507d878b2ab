"""Every column of a run, and which of them each table of runs shows: the one place to add a column.

``COLUMNS`` are about one record. What several runs of one contender amount to is shown by ``REPORT`` and ``SUMMARY``,
whose columns are about ``Repetitions``.
"""

from __future__ import annotations

import json
import statistics
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from backends.own import OWN
from harness.analysis.disturbance import flags
from harness.analysis.groups import LAUNCH_BOUND, TRAITS, Group, median_of, noise_of, shares, trait
from harness.analysis.interval import Average, averaged
from harness.analysis.repeats import Repetitions
from harness.presentation.execution_columns import shared
from harness.presentation.table import Cell, Column, Kind, words
from harness.records.figures import mib
from harness.records.kept import Kept, Run, kept
from harness.records.naming import run_name
from harness.records.run import Record
from harness.text import gpu_text, number, printable, score_text

Get = Callable[[Record], Any]
Named = Mapping[str, Any]


# -- one run ----------------------------------------------------------------------------------------
def _at(path: str) -> Get:
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


def _metric(name: str) -> Get:
    return _at(f"metrics.{name}")


def _by_name(field: str) -> Callable[[Record], Named]:
    """The values that a mapping among the metrics holds by name."""
    return lambda record: getattr(record.metrics, field, {})


def _as_json(get: Callable[[Record], Named]) -> Get:
    return lambda record: json.dumps(get(record))


def _kept_by_name(prefix: str, get: Callable[[Record], Named]) -> Callable[[Run], Named]:
    """``get``; of a run in an index, from there."""
    return lambda run: json.loads(run.value(prefix)) if isinstance(run, Kept) else get(run)


def _versions(record: Record) -> str:
    return " ".join(f"{name}={version}" for name, version in sorted(record.environment.versions.items()))


def _spread(name: str, field: str, about: str, heading: str = "", whole: bool = False) -> Iterator[Column[Record]]:
    """Three columns: the median over timed blocks, and the 10th and 90th percentile."""
    yield Column(
        name, _metric(f"{field}.median"), f"{about}: median over timed blocks", "float64", heading=heading, whole=whole
    )
    for percentile in (10, 90):
        get = _metric(f"{field}.p{percentile}")
        yield Column(f"{name}_p{percentile}", get, f"{about}: {percentile}th percentile", "float64")


def _measured(name: str, about: str, kind: Kind = "float64", **more: Any) -> Column[Record]:
    """One of the metrics, under its own name."""
    return Column(name, _metric(name), about, kind, **more)


def _sized(name: str, about: str, **more: Any) -> Column[Record]:
    """One of the metrics in bytes, told in MiB."""
    size = _metric(f"{name}_bytes")
    return Column(f"{name}_mib", lambda record: mib(size(record)), about, "float64", **more)


def _itself(record: Record) -> Record:
    return record


_FIXED: Sequence[Column[Record]] = (
    Column("id", _at("id"), "the record's name, also its file's"),
    Column("created", _at("created"), "when the run was recorded, UTC", "datetime64[us, UTC]"),
    *shared(_itself, "status", "reason"),
    Column("task", _at("spec.task"), "what is learned"),
    Column("preset", _at("spec.preset"), "the task's sizes, by name"),
    *shared(_itself, "backend", "variant", "tier", "executed"),
    Column("version", _at("framework_version"), "version of the framework"),
    *shared(_itself, "device", "precision", "cell", "hidden", "layers", "bidirectional"),
    _measured("parameters", "trainable numbers", "Int64"),
    *shared(_itself, "batch"),
    Column("accumulate", _at("spec.accumulate"), "micro-batches that a batch is computed as", "Int64"),
    Column("steps", _at("spec.steps"), "updates", "Int64"),
    _measured("epochs", "passes over the training data; none where it has no end"),
    Column("chunk", _at("spec.chunk"), "updates per timed block", "Int64"),
    Column("evaluate_every", _at("spec.evaluate_every"), "updates between two evaluations", "Int64"),
    Column("seed", _at("spec.seed"), "of the training data and of the initial parameters", "Int64", write=str),
    *shared(_itself, "threads", "denormals"),
    Column("deterministic", _at("spec.deterministic"), "whether deterministic kernels were asked for", "boolean"),
    Column("optimizer", _at("spec.optimizer.name"), "the update rule"),
    Column("lr", _at("spec.optimizer.lr"), "its learning rate", "float64"),
    Column("schedule", _at("spec.optimizer.schedule"), "of the learning rate over the updates"),
    Column("warmup", _at("spec.optimizer.warmup"), "updates of its linear warm-up", "Int64"),
    Column("decay_every", _at("spec.optimizer.decay_every"), "with schedule step: updates between decays", "Int64"),
    Column("decay_by", _at("spec.optimizer.decay_by"), "with schedule step: the factor of a decay", "float64"),
    Column("clip", _at("spec.optimizer.clip"), "largest global norm of the gradient", "float64"),
    Column("clip_value", _at("spec.optimizer.clip_value"), "largest element of the gradient", "float64"),
    Column("weight_decay", _at("spec.optimizer.weight_decay"), "decoupled with adamw, L2 with others", "float64"),
    Column("init_recurrent", _at("spec.initialisation.recurrent"), "initial recurrent matrices"),
    Column("init_input", _at("spec.initialisation.input"), "initial input matrices"),
    Column("forget_bias", _at("spec.initialisation.forget_bias"), "initial bias of the forget gate", "float64"),
    Column("chrono", _at("spec.initialisation.chrono"), "longest dependency assumed by chrono initialisation", "Int64"),
    Column("dropout", _at("spec.dropout"), "share of units dropped between layers in training", "float64"),
    Column("input_dropout", _at("spec.input_dropout"), "share of inputs dropped in training", "float64"),
    Column("label_smoothing", _at("spec.label_smoothing"), "share of each label spread over all classes", "float64"),
    Column("score_name", _metric("main_score"), "the score that decides whether the task is solved"),
    Column("score", _metric("main"), "that score on the test split", "float64", write=score_text),
    Column(
        "baseline", _metric("main_baseline"), "what a model that learned nothing reaches", "float64", write=score_text
    ),
    _measured(
        "solved",
        "whether the test scores solve the task",
        "boolean",
        style=lambda run: "green" if trait(run, "solved") else "",
    ),
    Column("score_at", _at("spec.score_at"), "which parameters are scored: the final or the best on validation"),
    _measured("score_step", "the update after which they were taken", "Int64"),
    Column("patience", _at("spec.patience"), "evaluations without a new lowest loss that end training", "Int64"),
    _measured("stopped_at", "the update after which training ended early, its patience at an end", "Int64"),
    _measured("final_loss", "test loss of the scored parameters"),
    *_spread("train_seq_s", "train_sequences_per_second", "sequences trained per second", "train\nseq/s", whole=True),
    *_spread("train_time_step_s", "train_time_steps_per_second", "time steps trained per second"),
    *_spread("step_ms", "step_ms", "milliseconds per update", "step\nms", whole=True),
    *_spread("predict_seq_s", "predict_sequences_per_second", "sequences predicted per second", "predict\nseq/s"),
    *_spread("predict_time_step_s", "predict_time_steps_per_second", "time steps predicted per second"),
    _measured("flops_per_step", "floating-point operations of one update's matrix products", "Int64"),
    _measured("gflops", "flops_per_step over the median step time, in 10⁹ per second"),
    _measured("import_s", "importing the framework"),
    _measured("data_s", "drawing or loading data on the host, in total"),
    _measured("gate_s", "the gate: the check against the float64 reference before the run"),
    _measured("build_s", "constructing model and optimizer on the device"),
    _measured("first_step_s", "the first update, with all tracing and compiling"),
    _measured("compile_s", "what the first update took beyond a median one", heading="compile\ns", whole=True),
    _measured("stage_s", "moving batches to the device, in total"),
    _measured("train_s", "inside training steps, in total, the first included", heading="train\ns", whole=True),
    _measured("evaluate_s", "predicting and scoring held-out data, in total"),
    _measured("wall_s", "the worker's life, from its first line to its last figure"),
    _measured("compilations", "traces and compilations, all before the steady state", "Int64"),
    _sized(
        "host_growth", "host peak minus host_init_mib, in MiB: what training took", heading="growth\nMiB", whole=True
    ),
    _sized("host_peak", "the kernel's high-water mark while training, in MiB"),
    _sized("host_init", "resident after data, gate, model and optimizer, in MiB", heading="initialised\nMiB"),
    _sized("host_import", "resident after importing the framework, in MiB"),
    _sized("device_init", "on the device after model and optimizer, in MiB"),
    _sized("device_peak", "the allocator's peak on the device, in MiB", heading="device peak\nMiB"),
    _sized("device_process", "held on the device by the worker at most, as the driver counts, in MiB"),
    _measured("energy_j", "joules that the device took from the first update to the last", heading="J"),
    _measured(
        "joules_per_1000_sequences", "joules per 1000 sequences trained, in the steady state", heading="J\nper 1000 seq"
    ),
    _measured(
        "device_train_s",
        "seconds of all training blocks by the device's own events: beside train_s, by the host's clock",
    ),
    _measured(
        "device_idle_share",
        "of the time in training and prediction, the share in which the device was idle",
        heading="idle share",
    ),
    Column(
        "gate",
        _at("compared.parameter_distance"),
        "relative distance of the parameters from the float64 reference",
        "float64",
    ),
    Column(
        "gate_loss",
        _at("compared.loss_distance"),
        "relative distance of the losses from the float64 reference",
        "float64",
    ),
    Column(
        "gate_predictions",
        _at("compared.prediction_distance"),
        "relative distance of the predictions from the reference that a model of a user's own brought",
        "float64",
    ),
    Column(
        "gate_gradients",
        _at("compared.gradient_distance"),
        "relative distance of the gradients by a backward pass that a user's own cell brought, from differences",
        "float64",
    ),
    Column("gate_passed", _at("compared.passed"), "whether they were within tolerance", "boolean"),
    Column("model_source", _at("spec.model.source"), "file and name of a model of a user's own"),
    Column("model_sha256", _at("spec.model.sha256"), "SHA-256 of that file"),
    Column(
        "noise",
        lambda record: " ".join(flags(record.noise)) or ("none" if record.noise else None),
        "what disturbed the run: drift, bimodal, preempted, steal, load, throttled, paused; none where nothing did",
        prose=True,
    ),
    Column("machine", TRAITS["machine"], "the GPU of a run on one, else the processor: never compared across these"),
    Column("node", TRAITS["node"], "the machine of a study's run, by a name that leads to nobody"),
    Column("engine", _at("place.engine"), "what brought a study's run there: local, ray or slurm"),
    Column("share", TRAITS["share"], "a study's runs side by side there; above 1, no speed was measured", "Int64"),
    Column("tries", lambda record: len(record.tries), "earlier tries that a fault of the machines ended", "Int64"),
    Column("study", _at("study.name"), "the study that it belongs to"),
    Column("others_before", _at("before.share"), "share of its CPUs that others used before it started", "float64"),
    Column("cpu", _at("environment.cpu"), "the processor"),
    Column("logical_cpus", _at("environment.logical_cpus"), "logical processors of the machine", "Int64"),
    Column("os", _at("environment.os"), "the operating system"),
    Column("python", _at("environment.python"), "version of Python"),
    Column("versions", _versions, "of all libraries, as name=version"),
    Column("git_commit", TRAITS["git_commit"], "commit of the harness"),
    Column("git_dirty", _at("environment.git_dirty"), "whether its code differed from that commit", "boolean"),
)
#: Every column that all records have, by name. Further ones come with the records: see ``PREFIXES``.
COLUMNS: Mapping[str, Column[Run]] = {
    column.name: Column(**{**vars(column), "get": kept(column.name, column.get)}) for column in _FIXED
}
#: What an index keeps of a record for them, by their names.
KEPT: Mapping[str, Get] = {column.name: column.get for column in _FIXED}


# -- what pages say of a run besides its columns ------------------------------------------------------
def _surroundings(record: Record) -> str:
    where = record.environment
    told = {"memory": where.memory_bytes, "gpu": gpu_text(where.gpu), "versions": where.versions}
    return json.dumps({**told, "strays": list(where.strays)})


_HIGHER_IS_BETTER = _metric("higher_is_better")
#: Whether more of its score is better; memory (bytes), GPU, versions and stray variables, as JSON, which is the same
#: for many runs.
higher_is_better: Callable[[Run], bool] = kept("higher_is_better", _HIGHER_IS_BETTER)
machine_of: Callable[[Run], str] = kept("surroundings", _surroundings)
#: What an index keeps of a record for these.
KEPT_BESIDES: Mapping[str, Get] = {
    "name": run_name,
    "higher_is_better": _HIGHER_IS_BETTER,
    "surroundings": _surroundings,
}


# -- columns that depend on the records ---------------------------------------------------------------
#: Columns that depend on the records: a prefix, what follows it, and the values by that name.
_PREFIXES: Mapping[str, tuple[str, Callable[[Record], Named]]] = {
    "P.": ("a parameter of the task, such as P.length", attrgetter("spec.parameters")),
    "score.": ("a test score, such as score.mse", _by_name("score")),
    "baseline.": ("what a model that learned nothing reaches of a score", _by_name("baseline")),
    "steps_to.": ("first evaluated update at which the main score passed a level", _by_name("steps_to")),
}
PREFIXES: Mapping[str, tuple[str, Callable[[Run], Named]]] = {
    prefix: (about, _kept_by_name(prefix, get)) for prefix, (about, get) in _PREFIXES.items()
}
#: What an index keeps for these: all values of a prefix, as JSON.
KEPT_BY_PREFIX: Mapping[str, Get] = {prefix: _as_json(get) for prefix, (_, get) in _PREFIXES.items()}

#: Column to one-line description, the open-ended ones included.
DESCRIPTIONS: Mapping[str, str] = {name: column.about for name, column in COLUMNS.items()} | {
    f"{prefix}<name>": about for prefix, (about, _) in PREFIXES.items()
}

#: Of a table of runs as text, where none are asked for.
DEFAULT = (
    "task", "cell", "backend", "variant", "tier", "status", "score_name", "score", "solved",
    "train_seq_s", "step_ms", "compile_s", "host_growth_mib", "train_s",
)  # fmt: skip
#: What a GPU took: shown where any run has it.
OF_A_GPU = ("energy_j", "joules_per_1000_sequences", "device_idle_share")


def column(name: str) -> Column[Any]:
    """A column of ``COLUMNS`` or of the summary, or one whose name begins with a prefix."""
    if name in COLUMNS:
        return COLUMNS[name]
    if name in SUMMARY:
        return SUMMARY[name]
    scores, seed = name.startswith(("score.", "baseline.")), name == "P.seed"
    write = score_text if scores else str if seed else words
    return Column(name, get=lambda record: None, write=write, prose=name == "setting")


# -- a run among those it may be compared with ------------------------------------------------------
class Shown(NamedTuple):
    """A run in the table of a terminal; ``first`` of its group."""

    group: Group
    record: Run
    first: bool


def _of_record(name: str) -> Column[Shown]:
    return COLUMNS[name].within(lambda shown: shown.record)


def folded(text: str, width: int) -> str:
    """Text in lines of ``width``, broken at blanks and hyphens."""
    return "\n".join(textwrap.wrap(text, width))


def _folded_cell(name: str) -> str:
    """A cell's name in narrow lines; a user's own model below its mark."""
    return name.replace(":", ":\n") if own_note([name]) else folded(name, 10)


def own_note(cells: Iterable[str]) -> list[Cell]:
    """The line below a table in which any of these cells is a user's own model; none where none is."""
    own = any(str(name).startswith(f"{OWN}:") for name in cells)
    return [
        Cell(f"{OWN}: a user's own model, held to no reference, or (column gate_predictions) to one that it brought")
    ] * own


def notes_of(runs: Iterable[Run]) -> list[Cell]:
    """The lines below a table of these runs."""
    runs = list(runs)
    sharing = sum(map(shares, runs))
    told = f"{sharing} of {len(runs)} runs shared their machine (--share): none of their speed was measured"
    return own_note(trait(run, "cell") for run in runs) + [Cell(told)] * bool(sharing)


_TASK: Column[Shown] = Column(
    "task", get=lambda shown: shown.group.title, style=lambda shown: "bold", whole=True,
    words_of=lambda shown: folded(printable(shown.group.title), 12) if shown.first else "",
)  # fmt: skip
_CELL: Column[Shown] = Column("cell", get=lambda shown: trait(shown.record, "cell"), write=_folded_cell, whole=True)
_SETTING: Column[Shown] = Column("setting", get=lambda shown: shown.group.settings(shown.record), prose=True)
_SCORE: Column[Shown] = Column("score", get=lambda shown: _named_score(shown.record))


def _named_score(run: Run) -> str:
    score = COLUMNS["score"].get(run)
    return "" if score is None else printable(f"{trait(run, 'score_name')} {score_text(score)}")


def terminal_columns(runs: Sequence[Shown]) -> list[Column[Shown]]:
    """Of a terminal's table: settings where runs of a group differ in them, and what a GPU took where one was used."""
    varies = any(shown.group.settings(shown.record) for shown in runs)
    measured = [name for name in OF_A_GPU if any(COLUMNS[name].get(shown.record) is not None for shown in runs)]
    return [
        _TASK, _CELL, *map(_of_record, ("backend", "variant", "tier")), *([_SETTING] if varies else []),
        _of_record("status"), _SCORE,
        *map(_of_record, ("solved", "train_seq_s", "step_ms", "compile_s", "host_growth_mib", "train_s", *measured)),
    ]  # fmt: skip


#: Which of these leave first where a terminal has no room for all.
LEAVING = (
    *OF_A_GPU, "tier", "compile_s", "train_s", "host_growth_mib", "solved", "step_ms", "score", "train_seq_s",
)  # fmt: skip


# -- several runs of one contender ------------------------------------------------------------------
def values(name: str, runs: Iterable[Run]) -> list[Any]:
    """The values of a column of ``COLUMNS``, of the runs that have one."""
    get = COLUMNS[name].get
    return [value for run in runs if (value := get(run)) is not None]


def _values(name: str, runs: Repetitions) -> list[Any]:
    return values(name, runs.records)


def _median(name: str, heading: str = "", write: Callable[[Any], str] = number) -> Column[Repetitions]:
    of = COLUMNS[name]
    return replace(
        of, get=lambda runs: median_of(_values(name, runs)), write=write, heading=heading or of.heading,  # type: ignore[arg-type, return-value]
    )  # fmt: skip


def _each(name: str, **more: Any) -> Column[Repetitions]:
    """The different values, in alphabetical order."""
    of = COLUMNS[name]
    return replace(of, get=lambda runs: ", ".join(sorted(set(_values(name, runs)))) or None, **more)  # type: ignore[arg-type, return-value]


def _solved(runs: Repetitions) -> str:
    return ("yes" if runs.solved else "no") if len(runs.records) == 1 else f"{runs.solved} of {len(runs.records)}"


def _range_of_scores(runs: Repetitions) -> str | None:
    """The median, and from where to where the runs went."""
    values = _values("score", runs)
    if not values:
        return None
    middle = score_text(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({score_text(min(values))} to {score_text(max(values))})"


def _reach(runs: Repetitions) -> str | None:
    """From the lowest 10th percentile of the runs to the highest 90th."""
    low, high = _values("train_seq_s_p10", runs), _values("train_seq_s_p90", runs)
    return f"{number(min(low))} to {number(max(high))}" if low else None


def _noise(runs: Repetitions) -> str | None:
    """What disturbed any of the runs."""
    return " ".join(dict.fromkeys(flag for record in runs.records for flag in noise_of(record))) or None


def _idle(share: float) -> str:
    """In percent; marked as tables mark it, where the device waited for the host more than it computed."""
    return number(100 * share) + ", launch-bound" * (share > LAUNCH_BOUND)


#: Of a report's table, each about all runs of a contender in a cell.
REPORT: Sequence[Column[Repetitions]] = (
    Column("cell", get=attrgetter("cell")),
    Column("backend", get=attrgetter("contender")),
    _each("tier"),
    _each("executed"),
    Column("runs", get=lambda runs: len(runs.records), kind="Int64", write=str),
    Column("score", get=_range_of_scores, right=True),
    Column("solved", get=_solved, style=lambda runs: "green" if _solved(runs) == "yes" else ""),
    _median("train_seq_s"),
    Column("p10 to p90", get=_reach, right=True),
    Column("noise", get=_noise),
    _median("step_ms"),
    _median("predict_seq_s"),
    _median("compile_s"),
    _median("train_s"),
    _median("stopped_at"),
    _median("host_growth_mib"),
    _median("host_init_mib"),
    _median("device_peak_mib"),
    _median("energy_j"),
    _median("joules_per_1000_sequences"),
    _median("device_idle_share", heading="idle %", write=_idle),
    _median("parameters"),
    Column("gate", get=lambda runs: max(_values("gate", runs), default=None), write="{:.0e}".format, right=True),
)


def with_interval(average: Average, write: Callable[[float], str] = number) -> str:
    """As in "0.0013 (0.0011–0.0016)"; the average alone where there are too few runs for an interval."""
    if average.value is None:
        return ""
    if average.low is None or average.high is None:
        return write(average.value)
    return f"{write(average.value)} ({write(average.low)}–{write(average.high)})"


def _average(name: str) -> Callable[[Repetitions], Average]:
    """Mean scores, and medians of all else, with their 95 % interval."""
    how = (statistics.fmean, np.mean) if name == "score" else ()

    def average(runs: Repetitions) -> Average:
        if name not in runs.averages:  # which several columns show
            runs.averages[name] = averaged(_values(name, runs), *how)
        return runs.averages[name]

    return average


def _averages(name: str, word: str) -> Iterator[Column[Repetitions]]:
    """Three columns of data files: the average and both ends of its interval."""
    average = _average(name)
    about = f"{word} over the runs: {COLUMNS[name].about}"
    yield Column(f"{name}_{word}", lambda runs: average(runs).value, about, "float64")
    yield Column(f"{name}_low", lambda runs: average(runs).low, f"low end of its 95 % interval: {name}", "float64")
    yield Column(f"{name}_high", lambda runs: average(runs).high, f"high end of its 95 % interval: {name}", "float64")


def _shown_average(name: str, heading: str) -> Column[Repetitions]:
    average = _average(name)
    return Column(heading, get=average, write=with_interval, heading=heading, right=True)


#: What a summary averages; of the first the mean, of the others the median.
SUMMARIZED = ("score", "train_seq_s", "step_ms", "compile_s", "host_growth_mib", "train_s")
_SUMMARY: Sequence[Column[Repetitions]] = (
    Column("task", attrgetter("group.title"), "the set of runs that may be compared"),
    Column("cell", attrgetter("cell"), "the recurrence"),
    Column("contender", attrgetter("contender"), "who computed it"),
    Column("runs", lambda runs: len(runs.records), "runs that were ok", "Int64"),
    Column("seeds", attrgetter("seeds"), "different seeds among them", "Int64"),
    Column("not_ok", attrgetter("not_ok"), "runs of the same spec that were not ok", "Int64"),
    Column("solved_runs", attrgetter("solved"), "runs that solved the task", "Int64"),
    Column("noisy_runs", attrgetter("noisy"), "runs that something disturbed", "Int64"),
    Column("score_name", attrgetter("score_name"), "the score that decides whether the task is solved"),
    *_averages("score", "mean"),
    *(each for name in SUMMARIZED[1:] for each in _averages(name, "median")),
)  # fmt: skip
#: Of ``harness table --summary`` and its data files, by name.
SUMMARY: Mapping[str, Column[Repetitions]] = {column.name: column for column in _SUMMARY}
#: Those of its text, where none are asked for.
SUMMARY_DEFAULT = (
    "task", "cell", "contender", "runs", "solved_runs", "noisy_runs", "score_name", "score_mean", "score_low",
    "score_high", "train_seq_s_median", "train_seq_s_low", "train_seq_s_high",
)  # fmt: skip
#: Of the table over repetitions in a terminal and in a report.
REPEATS: Sequence[Column[Repetitions]] = (
    SUMMARY["task"],
    SUMMARY["cell"],
    replace(SUMMARY["contender"], heading="backend"),
    replace(
        SUMMARY["runs"],
        words_of=lambda runs: f"{len(runs.records)}" + (f" + {runs.not_ok} not ok" if runs.not_ok else ""),
    ),
    Column("solved", get=lambda runs: f"{runs.solved}/{len(runs.records)}", right=True),
    replace(SUMMARY["noisy_runs"], heading="noisy", write=str),
    Column(
        "mean score", get=_average("score"), right=True,
        words_of=lambda runs: printable(f"{runs.score_name} {with_interval(_average('score')(runs), score_text)}"),
    ),
    _shown_average("train_seq_s", "median\ntrain seq/s"),
    _shown_average("host_growth_mib", "median\ngrowth MiB"),
)  # fmt: skip
#: Which of these leave first where a terminal has no room for all.
REPEATS_LEAVING = ("median\ngrowth MiB", "noisy_runs", "solved", "runs")
