"""One record, readable in a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from harness.analysis.disturbance import flags
from harness.analysis.groups import groups, launch_bound
from harness.presentation.renderers import facts as lines_of
from harness.presentation.styles import STATUS_STYLES
from harness.records.base import Before, Noise, Spread
from harness.records.figures import MIB, mib
from harness.records.naming import run_name
from harness.records.run import Metrics, Record
from harness.text import number, printable, score_text

BLOCKS = "▁▂▃▄▅▆▇█"
SPARKLINE_WIDTH = 60
BAR, BAR_WIDTH = "█", 30
#: Headings of what a page shows in its own way.
CURVE, AGAIN = "Validation loss", "Make it again"
Facts = list[tuple[str, str]]
#: What a record keeps of a GPU, in words.
GPU_WORDS = {
    "name": "GPU", "driver_version": "driver", "cuda_driver_version": "CUDA of the driver",
    "compute_cap": "compute capability", "memory.total": "memory", "clocks.sm": "clock",
    "clocks.max.sm": "clock at most", "clocks.mem": "memory clock", "clocks.max.mem": "memory clock at most",
    "power.limit": "power limit", "temperature.gpu": "temperature",
}  # fmt: skip


class Section(NamedTuple):
    """A heading, and lines of name and value below it."""

    heading: str
    lines: Facts


def show(record: Record) -> Group:
    """What was run, how it went, what was measured and where."""
    return Group(*_parts(record))


def _parts(record: Record) -> Iterator[RenderableType]:
    head = Text(run_name(record), style="bold")
    head.append(f"  {record.status}", style=STATUS_STYLES[record.status])
    yield head
    if record.reason:
        yield Text(f"  {printable(record.reason)}", style=STATUS_STYLES[record.status])
    yield Text(f"{record.id}, {record.created:%Y-%m-%d %H:%M:%S %Z}", style="dim")
    for section in sections(record):
        yield from lines_of(section.heading, section.lines)
    if record.log_tail:
        yield Text("\nEnd of the log", style="bold")
        yield Text("\n".join(f"  {printable(line)}" for line in record.log_tail.splitlines()), style="dim")


def sections(record: Record) -> Iterator[Section]:
    """All that is told of a record but its name, its end and its log; no section is empty."""
    return (section for section in _sections(record) if section.lines)


def _sections(record: Record) -> Iterator[Section]:
    yield Section("What was run", _what(record))
    if metrics := record.metrics:
        yield Section("Scores", _scores(record, metrics))
    if len(record.curve) > 1:
        yield Section(CURVE, _curve(record))
    if metrics := record.metrics:
        yield Section("Speed", _speed(metrics))
        yield Section("Time", _time(metrics))
        yield Section("Memory", _memory(metrics))
        yield Section("Device", _device(record, metrics))
    if record.gate:
        yield Section("Gate", _gate(record))
    if record.noise:
        yield Section("Noise", _noise(record.noise))
    if record.before:
        yield Section("Before it", _before(record.before))
    if record.command:
        yield Section(AGAIN, [("", record.command)])
    yield Section("Environment", _environment(record))
    if record.environment.strays:
        yield Section("Kept from the worker", sorted(record.environment.strays.items()))


def _what(record: Record) -> Facts:
    (group,) = groups([record])
    facts = [("setting", f"{group.about} · seed {record.spec.seed}")]
    if record.variant:
        why = f" ({record.variant_reason})" if record.variant_reason else ""
        tier = f", tier {record.tier}" if record.tier else ""
        facts.append(("variant", f"{record.variant}{tier}{why}"))
    if record.executed:
        facts.append(("executed", record.executed))
    if record.metrics:
        facts += _data(record.metrics)
    if record.spec.model.source:
        facts.append(("own model", f"{record.spec.model.source}, SHA-256 {record.spec.model.sha256}"))
        facts.append(("", "starts from parameters that it draws itself, under the seed; init has no part in it"))
    if record.spec.start:
        facts.append(("starts from", f"saved parameters, SHA-256 {record.spec.start}"))
    if record.saved:
        facts.append(("saved", f"parameters, SHA-256 {record.saved.parameters}"))
        facts.append(("", f"predictions, SHA-256 {record.saved.predictions}"))
    return facts


def _data(m: Metrics) -> Facts:
    """What was learned from, where it is finite."""
    facts = [("epochs", number(m.epochs))] if m.epochs is not None else []
    if m.data_set is None:
        return facts
    own = m.data_set
    shortest = f"{own.shortest} to " if own.shortest else ""
    splits = ", ".join(f"{split} {count:,}" for split, count in own.splits.items())
    facts.append(("data set", f"{own.name}, SHA-256 {own.sha256}"))
    facts.append(("", f"{shortest}{own.length:,} steps × {own.inputs:,} features, {own.outputs:,} out"))
    scaled = "; standardised" if own.standardised else ""
    return [*facts, ("", f"{splits} sequences ({own.split_by}{scaled})")]


def _scores(record: Record, m: Metrics) -> Facts:
    facts = [("solved", "yes" if m.solved else "no")]
    for name, value in sorted(m.score.items(), key=lambda item: item[0] != m.main_score):
        than = f"   baseline {score_text(m.baseline[name])}" if name in m.baseline else ""
        facts.append((name, f"{score_text(value)}{than}"))
    than = f"   baseline {number(m.baseline['loss'])}" if "loss" in m.baseline else ""
    facts.append(("loss", f"{number(m.final_loss)}{than}"))
    if m.stopped_at is not None:
        facts.append(("stopped", _stopped(record, m.stopped_at)))
    if m.score_step != record.spec.steps:
        facts.append(("taken after", f"{m.score_step:,} of {record.spec.steps:,} updates"))
    passed = [f"{level}: {'never' if step is None else f'{step:,}'}" for level, step in m.steps_to.items()]
    return [*facts, *([(f"updates to {m.main_score}", ", ".join(passed))] if passed else [])]


def _stopped(record: Record, step: int) -> str:
    """Where training ended before its last update, and why."""
    evaluations = f"{record.spec.patience} evaluation{'s' * (record.spec.patience != 1)}"
    lowest = min(record.curve[1:], key=lambda point: point.loss, default=None)
    which = f", {number(lowest.loss)} at {lowest.step:,}" if lowest else ""
    return f"after {step:,} of {record.spec.steps:,} updates, {evaluations} after the lowest validation loss{which}"


def _curve(record: Record) -> Facts:
    losses = [point.loss for point in record.curve]
    first, last = record.curve[0], record.curve[-1]
    return [
        ("", f"{sparkline(losses)}"),
        (
            "",
            f"{number(first.loss)} at {first.step:,} … {number(last.loss)} at {last.step:,} updates, scaled by the log",
        ),
    ]


def sparkline(values: Sequence[float], width: int = SPARKLINE_WIDTH) -> str:
    """Values as a row of block characters, at most ``width``; by their logarithm where all are positive."""
    if len(values) > width:
        values = [values[round(i * (len(values) - 1) / (width - 1))] for i in range(width)]
    heights = [math.log(value) for value in values] if min(values) > 0 else list(values)
    low, high = min(heights), max(heights)
    span = high - low or 1.0
    return "".join(BLOCKS[round((height - low) / span * (len(BLOCKS) - 1))] for height in heights)


def _speed(m: Metrics) -> Facts:
    rows: list[tuple[str, Spread | None, str]] = [
        ("train", m.train_sequences_per_second, "sequences/s"),
        ("", m.train_time_steps_per_second, "time steps/s"),
        ("update", m.step_ms, "ms"),
        ("predict", m.predict_sequences_per_second, "sequences/s"),
        ("", m.predict_time_steps_per_second, "time steps/s"),
    ]
    facts = [(name, _spread(spread, unit)) for name, spread, unit in rows if spread]
    if m.gflops is not None:
        facts.append(("matrix products", f"{number(m.gflops)} GFLOP/s; {number(m.parameters)} parameters"))
    return facts


def _spread(spread: Spread, unit: str) -> str:
    blocks = f"{spread.blocks} block{'s' * (spread.blocks != 1)}"
    return f"{number(spread.median)} {unit}   ({number(spread.p10)} to {number(spread.p90)} in {blocks})"


def _time(m: Metrics) -> Facts:
    """What the worker spent its time on; the first update apart from the others."""
    parts = [
        ("import", m.import_s), ("data", m.data_s), ("gate", m.gate_s), ("build", m.build_s),
        ("first update", m.first_step_s), ("other updates", max(0.0, m.train_s - m.first_step_s)),
        ("staging", m.stage_s), ("evaluation", m.evaluate_s),
    ]  # fmt: skip
    rest = m.wall_s - sum(seconds for _, seconds in parts)
    if rest > 0.01 * m.wall_s:
        parts.append(("rest", rest))
    longest = max(seconds for _, seconds in parts) or 1.0
    facts = [
        (name, f"{_seconds(seconds)}  {BAR * round(BAR_WIDTH * seconds / longest)}".rstrip()) for name, seconds in parts
    ]
    facts.append(("in all", _seconds(m.wall_s)))
    if m.compile_s is not None:
        traces = f"{m.compilations} trace{'s' * (m.compilations != 1)} or compilations"
        facts.append(("compilation", f"{_seconds(m.compile_s)} of the first update; {traces}"))
    return facts


def _seconds(value: float) -> str:
    """Milliseconds are shown below ten seconds; anything finer is noise."""
    return f"{value:>8.3f} s" if value < 10 else f"{number(value):>8} s"


def _memory(m: Metrics) -> Facts:
    levels = [
        ("after import", m.host_import_bytes), ("after initialisation", m.host_init_bytes), ("peak", m.host_peak_bytes),
        ("device, initialised", m.device_init_bytes), ("device, peak", m.device_peak_bytes),
        ("device, held by the process", m.device_process_bytes),
    ]  # fmt: skip
    facts = [(name, f"{number(size / MIB):>7} MiB") for name, size in levels if size is not None]
    if (growth := mib(m.host_growth_bytes)) is not None:
        facts.append(("growth", f"{number(growth):>7} MiB beyond initialisation"))
    return facts


def _device(record: Record, m: Metrics) -> Facts:
    """What the GPU used and what it is; nothing on CPU."""
    facts = []
    if m.device_train_s is not None:
        facts.append(
            (
                "time",
                f"{number(m.device_train_s)} s in training by its own events, {number(m.train_s)} by the host's clock",
            )
        )
    if m.energy_j is not None:
        facts.append(("energy", f"{number(m.energy_j)} J from the first update to the last"))
    if m.joules_per_1000_sequences is not None:
        facts.append(("", f"{number(m.joules_per_1000_sequences)} J per 1000 sequences in the steady state"))
    if m.device_idle_share is not None:
        idle = f"{100 * m.device_idle_share:.0f} % of the time in training and prediction"
        facts.append(("idle", idle + (", launch-bound" if launch_bound(record) else "")))
    gpu = record.environment.gpu
    return facts + [(words, printable(gpu[name])) for name, words in GPU_WORDS.items() if gpu.get(name)]


def _gate(record: Record) -> Facts:
    if (gate := record.compared) is None:
        return [("own", "a user's own model, held to no reference; its outputs' shape and gradients were looked at")]
    apart = {
        "parameters": gate.parameter_distance, "loss": gate.loss_distance, "predictions": gate.prediction_distance
    }  # fmt: skip
    distance = ", ".join(f"{what} {value:.1e}" for what, value in apart.items() if value is not None)
    whose = "the float64 reference" if gate.prediction_distance is None else "the float64 reference that it brought"
    facts = [("passed", "yes" if gate.passed else "no")]
    if gate.gradient_distance is not None:
        facts.append(("backward pass", f"gradients {gate.gradient_distance:.1e} from central differences of its step"))
    if distance:  # a wrong backward pass ends the gate before there is any
        facts += [
            ("distance", f"{distance}; {gate.tolerance:.0e} allowed"),
            ("over", f"{gate.steps} updates of {gate.batch} sequences, against {whose}"),
        ]
    return facts


def _noise(noise: Noise) -> Facts:
    facts = [("flags", ", ".join(flags(noise)) or "none")]
    if noise.involuntary_switches_per_s is not None:
        facts.append(("forced switches", f"{number(noise.involuntary_switches_per_s)} per second"))
    if noise.paused_s:
        facts.append(("paused", f"{number(noise.paused_s)} s"))
    shares = {"stolen by the hypervisor": noise.steal_share, "used by others": noise.outside_share}
    return facts + [(name, f"{share:.1%} of the worker's CPUs") for name, share in shares.items() if share is not None]


def _before(before: Before) -> Facts:
    share = "not known" if before.share is None else f"{before.share:.1%} of its CPUs, over {number(before.over_s)} s"
    facts = [("used by others", share)]
    if before.busiest:
        busiest = ", ".join(f"{printable(name)} {share:.0%} of a CPU" for name, share in before.busiest.items())
        facts.append(("busiest", busiest))
    return facts + ([("waited", f"{number(before.waited_s)} s for quiet")] if before.waited_s else [])


def _environment(record: Record) -> Facts:
    e = record.environment
    facts = [("cpu", f"{e.cpu}, {e.logical_cpus} logical")]
    if e.affinity:
        why = f" ({printable(e.affinity_reason)})" if e.affinity_reason else ""
        facts.append(("allowed CPUs", ", ".join(map(str, e.affinity)) + why))
    if e.cpu_quota is not None:
        facts.append(("control group", f"a quota of {number(e.cpu_quota)} CPU"))
    if e.threads is not None:
        facts.append(("threads in force", str(e.threads)))
    if e.flushes_denormals is not None:
        facts.append(("denormals", "flushed to zero" if e.flushes_denormals else "kept"))
    if e.memory_bytes is not None:
        facts.append(("memory", f"{number(e.memory_bytes / 2**30)} GiB"))
    if e.container:
        facts.append(("container", e.container))
    if e.blas:
        kernels = (f"{b.library} {b.version or ''} {b.kernel or ''}".strip() for b in e.blas)
        facts.append(("libraries", ", ".join(kernels)))
    if e.libc:
        facts.append(("C library", e.libc))
    facts.append(("system", f"{e.os}, Python {e.python}"))
    facts.append(("versions", ", ".join(f"{name} {v}" for name, v in sorted(e.versions.items()))))
    if e.variables:
        facts.append(("variables set", " ".join(f"{name}={v}" for name, v in sorted(e.variables.items()))))
    if e.git_commit:
        facts.append(("commit", e.git_commit[:12] + (", with changes" if e.git_dirty else "")))
    return facts
