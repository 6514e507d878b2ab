"""The options of ``harness run`` and ``harness speed``, each defined once.

The command line (``harness.cli.parameters``), planning (``harness.planning``) and the command that a record prints
(``harness.specs.commandline``) are made from these definitions. To add an option, define it here and give the spec the
field that it fills. ``harness --help`` imports this module, so it imports nothing slow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import UsageError

#: Headings under which ``--help`` lists options; those without a group come first.
MODEL, DATA, TRAINING, DEVICE, MEASURING, OUTPUT = "Model", "Data", "Training", "Device", "Measuring", "Output"
ENGINE = "Machines"
DEFAULT_RESULTS = Path("results/local")
#: A stranger's record may ask for any number of updates: seconds after which running one again ends.
LONGEST_AGAIN_S = 3600.0
#: Environment variable with the seconds of the look before measuring, where ``--look`` is not given.
LOOK_VARIABLE = "HARNESS_LOOK"
#: And a stranger's folder may hold any number of records: seconds after which running them again ends.
LONGEST_ALL_S = 12 * 3600.0


@dataclass(frozen=True)
class Option:
    """One option, as a user sees it and as a spec has it.

    Attributes:
        name: on the command line, without ``--``.
        python: its name in Python, where it is not ``name`` with underscores.
        about: the help text.
        kind: type of one value; ``dict`` for NAME=VALUE.
        fills: the spec field that it fills, as a path ("model.hidden"); None for an option that decides no result.
        default: its value where it is not given; None leaves the spec field to the preset, the shape or the spec.
        otherwise: what ``--help`` shows for a default of None.
        repeatable: may be given several times; each value is one more run.
        lists: a value may be a comma-separated list of ``kind``.
        short: another spelling, with its dash.
        metavar: what ``--help`` shows in place of the type.
        negatable: a switch that also has the form ``--no-…``.
        off: the value that stands for a spec field of None, as 0 does for no clipping.
        least: the smallest value that is taken.
        variable: environment variable that is read where the option is not given.
        group: heading in ``--help``.
    """

    name: str
    about: str
    kind: type = str
    fills: str | None = None
    default: Any = None
    otherwise: str | None = None
    repeatable: bool = False
    lists: bool = False
    short: str | None = None
    metavar: str | None = None
    negatable: bool = False
    off: Any = None
    least: float | None = None
    variable: str | None = None
    group: str | None = None
    python: str | None = None

    @property
    def parameter(self) -> str:
        """Its name in Python."""
        return self.python or self.name.replace("-", "_")

    def words(self, value: Any) -> list[str]:
        """The command-line words that give it ``value``, which is the spec field's; none where it is to be left out."""
        flag = self.short or f"--{self.name}"
        if value is None:
            return [] if self.off is None else [flag, str(self.off)]
        if self.kind is dict:
            return [word for name, each in value.items() for word in (flag, f"{name}={each}")]
        if self.kind is bool:
            return [flag] if value else [f"--no-{self.name}"] if self.negatable else []
        return [flag, str(value)]


#: Of ``harness run``, in the order in which a record's command names them.
RUN = (
    Option("backend", "Backend, torch@2.13.0 for a version, or all. Repeatable.", fills="backend",
           default=("all",), repeatable=True),
    Option("task", "Task, data set of your own (harness data), or all. Repeatable.", fills="task", default=("adding",),
           repeatable=True),
    Option("cell", "Cell, or all. Repeatable.", fills="model.cell", default=("lstm",), repeatable=True),
    Option("model", "Model of your own in place of a cell, as my_model.py:Name.", fills="model.source",
           metavar="FILE:NAME"),
    Option("preset", "The task's sizes: smoke, quick or paper.", fills="preset", default="smoke"),
    Option("seed", "Seed of the data and the initial parameters. Repeatable.", int, "seed", otherwise="0",
           repeatable=True),
    Option("seeds", "Number of seeds, counted from 0, or a list: 0,3,7.", metavar="N|LIST"),
    Option("variant", "How the backend computes the cell: a name, auto (the fastest known) or all. Repeatable.",
           fills="variant", otherwise="auto", repeatable=True, group=DEVICE),
    Option("device", "cpu or cuda. Repeatable.", fills="device", default=("cpu",), repeatable=True, group=DEVICE),
    Option("precision", "float32 (IEEE), float64, tf32 (CUDA) or bfloat16. Repeatable.", fills="precision",
           otherwise="float32", repeatable=True, group=DEVICE),
    Option("hidden", "Hidden units per layer and direction. Repeatable.", int, "model.hidden",
           otherwise="the preset's", repeatable=True, group=MODEL),
    Option("layers", "Recurrent layers. Repeatable.", int, "model.layers", otherwise="1", repeatable=True,
           group=MODEL),
    Option("batch", "Sequences per update. Repeatable.", int, "batch", otherwise="the preset's", repeatable=True,
           group=TRAINING),
    Option("accumulate", "Micro-batches of a batch: one at a time, one update with their mean gradient. Repeatable.",
           int, "accumulate", otherwise="1", metavar="N", repeatable=True, group=TRAINING),
    Option("steps", "Updates. Repeatable.", int, "steps", otherwise="the preset's", repeatable=True, group=TRAINING),
    Option("epochs", "Passes over finite training data, in place of --steps.", int, least=1, otherwise="as --steps say",
           group=TRAINING),
    Option("chunk", "Updates per timed block.", int, "chunk", otherwise="10, or a tenth of --steps", group=MEASURING),
    Option("evaluate-every", "Updates between evaluations.", int, "evaluate_every", otherwise="the preset's",
           group=MEASURING),
    Option("optimizer", "adam, adamw, rmsprop or sgd.", fills="optimizer.name", otherwise="the preset's",
           group=TRAINING),
    Option("lr", "Learning rate. Repeatable.", float, "optimizer.lr", otherwise="the preset's", repeatable=True,
           group=TRAINING),
    Option("clip", "Clip the gradient to this global norm; 0 for no clipping.", float, "optimizer.clip",
           otherwise="the preset's", off=0, group=TRAINING),
    Option("clip-value", "Clip each element of the gradient into [-X, X], in place of --clip.", float,
           "optimizer.clip_value", metavar="X", group=TRAINING),
    Option("weight-decay", "Weight decay: decoupled with adamw, else L2. Repeatable.", float, "optimizer.weight_decay",
           otherwise="0.0", repeatable=True, group=TRAINING),
    Option("schedule", "Learning rate over the updates: constant, step or cosine.", fills="optimizer.schedule",
           otherwise="constant", group=TRAINING),
    Option("warmup", "Linear warm-up of the learning rate over the first N updates, from lr/N.", int,
           "optimizer.warmup", otherwise="0", metavar="N", group=TRAINING),
    Option("decay-every", "With --schedule step: updates between two decays.", int, "optimizer.decay_every",
           metavar="N", group=TRAINING),
    Option("decay-by", "With --schedule step: the factor of each decay, such as 0.1.", float, "optimizer.decay_by",
           metavar="F", group=TRAINING),
    Option("init", "Recurrent weights: orthogonal, glorot, uniform; or all as keras or torch starts.",
           fills="initialisation.recurrent", otherwise="orthogonal", group=TRAINING),
    Option("input-init", "Other weights: orthogonal, glorot or uniform.", fills="initialisation.input",
           otherwise="glorot", group=TRAINING),
    Option("forget-bias", "Initial forget-gate bias.", float, "initialisation.forget_bias", otherwise="the preset's",
           group=TRAINING),
    Option("chrono", "Chrono initialisation, for dependencies of up to T_MAX steps.", int, "initialisation.chrono",
           metavar="T_MAX", group=TRAINING),
    Option("label-smoothing", "Spread this share of each label over all classes in training. Repeatable.", float,
           "label_smoothing", otherwise="0.0", repeatable=True, group=TRAINING),
    Option("dropout", "Share of units dropped between layers in training. Repeatable.", float, "dropout",
           otherwise="0.0", repeatable=True, group=TRAINING),
    Option("input-dropout", "Share of inputs dropped in training. Repeatable.", float, "input_dropout",
           otherwise="0.0", repeatable=True, group=TRAINING),
    Option("from", "Start from saved parameters (harness run --save): their file, its record, or its SHA-256.",
           fills="start", metavar="FILE", group=TRAINING, python="start"),
    Option("threads", "Threads of a run, and CPUs that it may use. Repeatable.", int, "threads",
           otherwise="2, or what CPUs and control group allow", repeatable=True, group=DEVICE),
    Option("cpus", "CPUs to choose from, such as 4-7 or 0,2.", metavar="LIST",
           otherwise="idle cores", group=DEVICE),
    Option("denormals", "Denormal numbers on the CPU: flush (to zero) or keep.", fills="denormals", otherwise="flush",
           group=DEVICE),
    Option("score-at", "Parameters whose test score counts: final or best-validation.", fills="score_at",
           otherwise="final", group=MEASURING),
    Option("patience", "End training after N evaluations in a row without a new lowest validation loss.", int,
           "patience", metavar="N", group=TRAINING),
    Option("bidirectional", "Bidirectional layers.", bool, "model.bidirectional", default=False, group=MODEL),
    Option("deterministic", "Ask for deterministic kernels.", bool, "deterministic", otherwise="yes", negatable=True,
           group=DEVICE),
    Option("parameter", "Task parameter. Repeatable, one name too.", dict, "parameters", repeatable=True, short="-P",
           metavar="NAME=VALUE"),
    Option("timeout", "Longest that one run may take, in seconds.", float, least=0, group=MEASURING),
    Option("look", "Look so long at what others compute before measuring; 0 for no look.", float, least=0,
           metavar="SECONDS", otherwise=f"{LOOK_VARIABLE}, or 0.5", group=MEASURING),
    Option("wait-quiet", "Wait up to so long until others are quiet.", float, least=0, metavar="SECONDS",
           group=MEASURING),
    Option("require-quiet", "Measure nothing while others are busy.", bool, default=False, group=MEASURING),
    Option("data", "Folder that holds mnist/.", Path, variable="HARNESS_DATA", group=DATA),
    Option("results", "Folder for the records.", Path, default=DEFAULT_RESULTS, group=OUTPUT),
    Option("save", "Keep the scored parameters and the test predictions beside the record.", bool, default=False,
           group=OUTPUT),
    Option("resume", "Skip runs that a record in --results has the result of already.", bool, default=False,
           group=OUTPUT),
    Option("retry", "With --resume, run again what ended as: failed, timeout, unavailable; separated by commas.",
           metavar="STATUS,…", group=OUTPUT),
    Option("tries", "With --resume, times that a run is tried again after a fault of the machine's.", int, least=0,
           otherwise="3", group=OUTPUT),
    Option("json", "Records as JSON lines on standard output.", bool, default=False, group=OUTPUT),
    Option("dry-run", "Print the plan and stop.", bool, default=False, group=OUTPUT),
)  # fmt: skip


def option(name: str, among: Iterable[Option] = RUN) -> Option:
    """The option of that name."""
    return next(each for each in among if each.name == name)


def option_named(parameter: str, among: Iterable[Option] = RUN) -> Option:
    """The option of that name in Python."""
    return next(each for each in among if each.parameter == parameter)


def _as_in_run(name: str, **differing: Any) -> Option:
    return replace(option(name), **differing)


_LIST: dict[str, Any] = {"repeatable": True, "lists": True}
_SIZES: dict[str, Any] = {**_LIST, "kind": int, "metavar": "N,…"}
#: Of ``harness speed``. What is not given is the named shape's.
SPEED = (
    _as_in_run("backend", about="Backends, or all.", **_LIST),
    _as_in_run("variant", about="Variants, auto, default (the stock layer) or all.",
               otherwise="auto; all with --tier", group=None, **_LIST),
    Option("tier", "Only variants of these tiers: default, best, fused.", **_LIST),
    _as_in_run("cell", about="Cells, or all.", **_LIST),
    Option("measure", "What is timed: train, predict (host to host), or predict-resident (inputs and outputs stay on "
           "the device).", fills="measure", otherwise="train", group=MEASURING),
    Option("shape", "Named shapes: A to F, all, braun-…, braun.", otherwise="B", **_LIST),
    Option("batch", "Sequences per update.", fills="batch", group=DATA, **_SIZES),
    _as_in_run("accumulate", about="Micro-batches of a batch, whose gradients are averaged.", repeatable=False),
    Option("length", "Time steps of a sequence.", fills="length", group=DATA, **_SIZES),
    Option("features", "Inputs per time step.", fills="features", group=DATA, **_SIZES),
    _as_in_run("hidden", about="Hidden units.", otherwise=None, **_SIZES),
    _as_in_run("layers", about="Recurrent layers.", otherwise=None, **_SIZES),
    _as_in_run("bidirectional", default=None),
    Option("outputs", "Outputs of the readout: numbers, or classes.", int, "outputs", group=MODEL),
    Option("loss", "mse, cross-entropy or ctc.", fills="loss", group=MODEL),
    Option("labels", "Labels of each sequence, for ctc.", int, "labels", group=DATA),
    Option("shortest", "Length of the shortest sequence; lengths vary up to --length.", int, "shortest", group=DATA),
    Option("readout", "Where outputs are read: at the last step, or at every one.", fills="readout", group=MODEL),
    _as_in_run("optimizer", otherwise="adam"),
    _as_in_run("device", about="cpu, cuda, or both: cpu,cuda.", **_LIST),
    _as_in_run("precision", about="float32 (IEEE), float64, tf32 (CUDA) or bfloat16.", repeatable=False),
    _as_in_run("threads", about="Threads and CPUs of each worker.", **_SIZES),
    _as_in_run("cpus"),
    _as_in_run("denormals"),
    _as_in_run("deterministic"),
    _as_in_run("chunk", about="Updates handed to the backend at once.", otherwise="8"),
    _as_in_run("seed", about="Seed of the data and the initial parameters.", repeatable=False, group=DATA),
    Option("rounds", "Turns that each contestant takes.", int, default=20, group=MEASURING),
    Option("block", "Intended duration of a turn.", float, default=0.25, metavar="SECONDS", group=MEASURING),
    _as_in_run("timeout", about="Longest that one shape may take, in seconds."),
    Option("starts", "Contestants that get ready at the same time, sharing CPUs.", int, default=1, group=MEASURING),
    _as_in_run("look"),
    _as_in_run("wait-quiet"),
    _as_in_run("require-quiet"),
    Option("ready", "Longest that a contestant may take to get ready.", float, least=0, metavar="SECONDS",
           group=MEASURING),
    _as_in_run("results", about="Folder for the record."),
    Option("out", "Folder for the plots.", Path, otherwise="plots/ in --results", group=OUTPUT),
    _as_in_run("json", about="The record as JSON on standard output."),
)  # fmt: skip

#: Of ``harness speed``, what ``harness tune`` has no use for: it takes all variants, keeps no record and draws nothing.
_NOT_TUNED = ("variant", "tier", "measure", "accumulate", "starts", "chunk", "seed", "optimizer", "results", "out")
_IN_TUNE: dict[str, dict[str, Any]] = {
    "cell": {"default": None, "otherwise": "lstm"},
    "shape": {"otherwise": "A to F, or B where sizes are given"},
    "device": {"default": None, "otherwise": "cpu"},
    "rounds": {"default": 10},
    "block": {"default": 0.1},
    "require-quiet": {"about": "Measure nothing while others are busy.", "default": True, "negatable": True},
    "json": {"about": "A line of JSON for each contest, or for each choice that is kept."},
}
#: Of ``harness tune``.
TUNE = (
    *(replace(each, **_IN_TUNE.get(each.name, {})) for each in SPEED if each.name not in _NOT_TUNED),
    Option("show", "Print the choices that are kept, and measure nothing.", bool, default=False, group=OUTPUT),
    Option(
        "forget",
        "Forget the choices that are kept, all or of --backend, --cell, --device, --threads.",
        bool,
        default=False,
        group=OUTPUT,
    ),
)

#: For commands with few options, which need no groups.
DATA_FOLDER = _as_in_run("data", group=None)
QUIET = tuple(_as_in_run(name, group=None) for name in ("look", "wait-quiet", "require-quiet"))

#: Of ``harness study``, beside the file.
STUDY = (
    Option("plan", "Print the runs, how many are done, and the time left; start none.", bool, default=False),
    Option("status", "Print what is done, running, failed and left.", bool, default=False),
    Option("summary", "Print what the study's records say, over repetitions.", bool, default=False),
    Option("init", "Write a commented example into FILE (study.toml), and stop.", bool, default=False),
    Option("retry", "Run again what ended as: failed, timeout, unavailable; separated by commas.",
           metavar="STATUS,…"),
    Option("limit", "Most runs that a study may have.", int, default=100_000, least=1),
    _as_in_run("cpus", group=None),
    _as_in_run("data", group=None),
    *QUIET,
    Option("on", "What brings the runs to machines: local, ray or slurm.", default="local", group=ENGINE),
    Option("share", "Runs side by side on a machine, each on CPUs of its own: for accuracy, no speed is measured.", int,
           default=1, least=1, metavar="N", group=ENGINE),
    Option("address", "HOST:PORT of a Ray cluster, or auto.", otherwise="RAY_ADDRESS, else a Ray of its own",
           group=ENGINE),
    Option("slurm-option", "A word for sbatch, such as --partition=gpu. Repeatable.", repeatable=True, group=ENGINE),
    Option("dry-run", "Print the script for sbatch, and stop.", bool, default=False, group=ENGINE),
    Option("one", "Do one run that nobody works on, and stop.", bool, default=False, group=ENGINE),
    Option("as", "The engine that records name: of a script that calls --one.", default="local", group=ENGINE,
           python="engine"),
    _as_in_run("json", about="With --plan, each spec as a line of JSON.", group=None),
)  # fmt: skip


#: Spec fields that no option fills: other values than the defaults come from Python, or from a record.
WITHOUT_OPTION = ("optimizer.beta1", "optimizer.beta2", "optimizer.alpha", "optimizer.epsilon")
WITHOUT_SPEED_OPTION = (
    "optimizer.lr", "optimizer.clip", "optimizer.clip_value", "optimizer.weight_decay", "optimizer.schedule",
    "optimizer.warmup", "optimizer.decay_every", "optimizer.decay_by", *WITHOUT_OPTION, "model.source", "model.sha256",
)  # fmt: skip
#: Spec fields that follow from what an option names.
FOLLOWING = ("model.sha256",)


def complete(options: Sequence[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option's value by its name in Python: the one given, or its default where it is None or not given.

    Repeatable options have lists of values; a single value stands for a list of it.

    Raises:
        UsageError: a name that is no option's.
    """
    values = {each.parameter: each.default for each in options}
    for name, value in given.items():
        if name not in values:
            from tasks.registry import nearest

            raise UsageError(nearest("option", name, list(values)))
        if value is not None:
            values[name] = value
    for each in options:
        value = values[each.parameter]
        if each.repeatable and value is not None:
            values[each.parameter] = list(value) if isinstance(value, list | tuple) else [value]
    return values


def filled(options: Sequence[Option], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the path of the spec field that each fills; options without a value fill none.

    ``chosen`` has one value for each repeatable option.
    """
    return {
        each.fills: None if each.off is not None and value == each.off else value
        for each in options
        if each.fills and (value := chosen.get(each.parameter)) is not None
    }


def nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Values by path as a spec has them: {"model.hidden": 24} gives {"model": {"hidden": 24}}."""
    found: dict[str, Any] = {}
    for path, value in fields.items():
        *parts, name = path.split(".")
        inner = found
        for part in parts:
            inner = inner.setdefault(part, {})
        inner[name] = value
    return found


def value_at(spec: Any, path: str) -> Any:
    """The value of a spec's field: ``value_at(spec, "model.hidden")``."""
    for name in path.split("."):
        spec = getattr(spec, name)
    return spec
