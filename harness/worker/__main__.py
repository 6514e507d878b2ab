"""The worker: the process that executes one run, or one contestant of a contest. ``python -P -m harness.worker``.

Reads one request as JSON on standard input; writes events as JSON lines on what was standard
output. Anything that a library prints goes to standard error, which the parent keeps as the log.
Only the standard library is imported before the floating-point mode and the CPUs are set.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.machine import process

START = time.perf_counter()
REPORT_EVERY_S = 0.5
Emit = Callable[[Mapping[str, Any]], None]


def main() -> None:
    """Answer one request: run a spec, take turns at one, hold variants against the reference, or tell what there is."""
    emit = _take_over_stdout()
    request = json.loads(sys.stdin.readline())
    if "probe" in request:
        emit(_probe(request["probe"]))
        return
    if "fields" in request:
        emit({"fields": _fields(request["fields"], request["specs"])})
        return
    spec = next(request[kind] for kind in ("spec", "parity", "speed") if kind in request)
    # before NumPy or a framework starts its threads: they inherit both
    affinity = process.pin(spec["threads"])
    process.flush_denormals(spec["denormals"] == "flush")
    emit({"affinity": affinity})
    start = time.perf_counter()
    import numpy  # noqa: F401 - every framework needs it: a part of what importing one costs

    numpy_s = time.perf_counter() - start
    if "spec" in request:
        _ending(lambda: _measure(spec, numpy_s, emit), emit)
    elif "parity" in request:
        from harness.worker.agreement import look

        _ending(lambda: look(spec, request["updates"], request["drift"], request["precisions"], emit), emit)
    else:
        from harness.worker.turns import take_turns

        _ending(lambda: take_turns(spec, numpy_s, emit, map(json.loads, sys.stdin)), emit)


def _take_over_stdout() -> Emit:
    """Events on a private copy of standard output; the name itself now means standard error."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def emit(event: Mapping[str, Any]) -> None:
        events.write(json.dumps(event, allow_nan=False) + "\n")
        events.flush()

    return emit


def _probe(name: str) -> dict[str, Any]:
    """What the backend ``name`` has on this machine, or why it has nothing."""
    import backends
    from backends.job import CELLS, ModelSpec
    from harness.worker.preparation import not_installed

    backend = backends.load(name)
    found: dict[str, Any] = {
        "name": name, "version": None, "versions": {}, "devices": {}, "reason": None, "variants": {}
    }  # fmt: skip
    for cell in CELLS:
        model = ModelSpec(cell, inputs=1, hidden=1, outputs=1, readout="last")
        for variant in backend.variants(model, "cpu"):
            about = found["variants"].setdefault(
                variant.name,
                {"summary": variant.summary, "tier": variant.tier, "devices": variant.devices, "without": {}},
            )
            if variant.reason:
                about["without"][cell] = variant.reason
    try:
        found["version"] = backend.version()
        found["versions"] = dict(backend.versions())
        found["devices"] = backend.devices()
    except ImportError as error:
        found["reason"] = not_installed(backend, error)
    return found


def _fields(name: str, specs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each speed spec, the variants that the backend ``name`` has for its job, and what ``auto`` stands for."""
    import dataclasses

    import backends
    from backends.base import Variant
    from backends.job import Job
    from harness.specs.speed import SpeedSpec

    backend = backends.load(name)

    def told(variant: Variant, job: Job) -> dict[str, Any]:
        lacks = backend.lacks(dataclasses.replace(job, variant=variant.name))
        return dataclasses.asdict(variant) | {"reason": variant.reason or lacks}

    jobs = [SpeedSpec.model_validate(spec).job() for spec in specs]
    return [
        {
            "variants": [told(variant, job) for variant in backend.variants(job.model, job.device)],
            "auto": backend.choose(job).variant,
        }
        for job in jobs
    ]


def _ending(measure: Callable[[], Mapping[str, Any]], emit: Emit) -> None:
    """Measure; the last event says how it ended."""
    from harness.errors import RunFailed

    try:
        emit(measure())
    except RunFailed as error:
        emit({"end": "failed", "reason": str(error)})
    except MemoryError:
        emit({"end": "failed", "reason": "out of memory"})
    except Exception as error:
        import traceback

        traceback.print_exc()
        unavailable = _unavailable(error)
        reason = str(error) if unavailable else f"{type(error).__name__}: {error}"
        emit({"end": "unavailable" if unavailable else "failed", "reason": reason.strip().split("\n")[0][:500]})


def _unavailable(error: Exception) -> bool:
    from backends.base import Unsupported
    from tasks.base import DataUnavailable

    return isinstance(error, Unsupported | DataUnavailable)


def _measure(spec_fields: Mapping[str, Any], numpy_s: float, emit: Emit) -> dict[str, Any]:
    import tasks
    from backends import parameters as canonical
    from harness.machine import software
    from harness.records.run import Metrics, throughput
    from harness.specs.run import RunSpec
    from harness.worker import energy as meter
    from harness.worker import noise
    from harness.worker import preparation as prepare
    from harness.worker.clocks import Clocks
    from harness.worker.training import Run, first_crossings

    clocks = Clocks(time.perf_counter, {"import": numpy_s})
    spec = RunSpec.model_validate(spec_fields)
    backend = prepare.load(spec.backend, clocks)
    task = tasks.load(spec.task, spec.parameters, spec.seed)
    job, host_import = prepare.start(backend, spec, spec.job(task), emit)

    start = canonical.initial(job.model, spec.initialisation_spec(), spec.seed)
    with clocks("data"):
        baseline, landmarks = dict(task.baseline), dict(task.landmarks)
        task.batch("train", 0, spec.batch)  # missing data is told before anything is built
    trainer = prepare.build(backend, job, lambda index, size: task.batch("train", index, size), start, clocks, emit)
    device, why_unread = meter.of_run(spec.device, clocks, spec.chunk, spec.steps)
    if why_unread:
        print(f"energy and idle time of the device are not measured: {why_unread}", file=sys.stderr)
    run = Run(spec, task, trainer, clocks, _throttled(emit), lambda point: emit({"point": point.model_dump()}), device)
    process.reset_peak()
    host_init, device_init = process.resident_bytes(), trainer.memory().in_use
    before = noise.read(time.perf_counter())
    outcome = run()
    after = noise.read(time.perf_counter())
    block_s = [block.step_s for block in outcome.train_blocks]
    emit({"noise": noise.judge(block_s, before, after, spec.threads).model_dump(), "blas": prepare.blas()})
    emit({"gpu": device.gpu})
    metrics = Metrics(
        final_loss=outcome.loss,
        score=outcome.scores,
        score_step=outcome.score_step,
        main_score=task.score_name,
        higher_is_better=task.higher_is_better,
        baseline=baseline,
        landmarks=landmarks,
        solved=task.solved(outcome.scores),
        steps_to=first_crossings(task, outcome.curve),
        **throughput(outcome.train_blocks, outcome.predict_blocks, spec.batch, task.steps_in, outcome.first_step_s),
        import_s=clocks["import"],
        data_s=clocks["data"],
        gate_s=clocks["gate"],
        build_s=clocks["build"],
        first_step_s=outcome.first_step_s,
        stage_s=clocks["stage"],
        train_s=clocks["train"],
        evaluate_s=clocks["evaluate"],
        wall_s=time.perf_counter() - START,
        host_import_bytes=host_import,
        host_init_bytes=host_init,
        host_peak_bytes=process.peak_resident_bytes(),
        device_init_bytes=device_init,
        device_peak_bytes=trainer.memory().peak,
        device_train_s=run.device_s,
        **device.figures(spec.batch),
        parameters=canonical.count(job.model),
        flops_per_step=canonical.flops_per_step(job.model, job.batch, job.length),
        compilations=outcome.compilations,
    )
    prepare.check_executed(backend, job, trainer, task.batch("train", 0, spec.batch), emit)
    # of this interpreter, which need not be the parent's
    emit({
        "packages": software.packages(), "libraries": software.library_versions(),
        "python": platform.python_version(),
    })  # fmt: skip
    return {"end": "ok", "metrics": metrics.model_dump()}


def _throttled(emit: Emit) -> Callable[[Mapping[str, float]], None]:
    """Progress no more often than a person can read: writing it is not what is measured."""
    last = 0.0

    def report(progress: Mapping[str, float]) -> None:
        nonlocal last
        now = time.perf_counter()
        if now - last >= REPORT_EVERY_S:
            last = now
            emit({"progress": dict(progress)})

    return report


if __name__ == "__main__":
    main()
