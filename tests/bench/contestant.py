"""A script that takes turns: the worker's side of a contest (``harness.worker.turns``) for what shares no code with it.

    python -P tests/bench/contestant.py NAME

``NAME`` is that of ``loader.script``. Lines on standard input: a speed spec, then ``{"turn": n}`` and the others that
``harness.worker`` hears; events as JSON lines on what was standard output. CPUs and denormals are set by
``harness.machine.process``, as for a worker; beyond that the process is what a user has: the C library's own
allocator, and no setting of the framework's but what the environment says.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.machine import process

Emit = Callable[[Mapping[str, Any]], None]


def main(name: str) -> None:
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def emit(event: Mapping[str, Any]) -> None:
        events.write(json.dumps(event) + "\n")
        events.flush()

    spec = json.loads(sys.stdin.readline())["speed"]
    process.pin(spec["threads"])
    process.flush_denormals(spec["denormals"] == "flush")
    try:
        obey(name, spec, emit)
        emit({"end": "ok"})
    except ImportError as error:
        emit({"end": "unavailable", "reason": str(error)})
    except Exception as error:
        traceback.print_exc()
        emit({"end": "failed", "reason": f"{type(error).__name__}: {error}".split("\n")[0][:500]})


def obey(name: str, spec: Mapping[str, Any], emit: Emit) -> None:
    """Stand ready, then do updates when told to."""
    sys.path.append(str(Path(__file__).resolve().parent))  # -P keeps it away, and last it hides nothing
    import numpy as np
    from loader import script

    model, batch = spec["model"], spec["batch"]
    stage, train = script(name).programme(
        model["cell"], batch, spec["length"], spec["features"], model["hidden"], spec["optimizer"]["lr"]
    )
    rng = np.random.default_rng(spec["seed"])
    shape = (batch, spec["length"], spec["features"])
    staged: dict[int, list[Any]] = {}

    def batches(count: int) -> list[Any]:
        """They are staged once; where a chunk has many, a few different ones come again and again."""
        if count not in staged:
            drawn = [
                (rng.standard_normal(shape, "float32"), rng.standard_normal((batch, 1), "float32"))
                for _ in range(min(count, 8))
            ]
            ready = [stage(*each) for each in drawn]
            staged[count] = [ready[k % len(ready)] for k in range(count)]
        return staged[count]

    def timed(count: int) -> float:
        start = time.perf_counter()
        losses = train(batches(count))
        seconds = time.perf_counter() - start
        if not np.isfinite(losses).all():
            raise ArithmeticError("training diverged: the loss is not finite")
        return seconds

    def turn(steps: int) -> float:
        """Seconds for ``steps`` updates, in calls of ``chunk`` at most, after one that is not timed."""
        size = min(steps, spec["chunk"])
        batches(size)
        timed(1)
        return sum(timed(size) for _ in range(steps // size))

    timed(1)
    emit({"variant": name, "tier": "default", "ready": True})
    for line in map(json.loads, sys.stdin):
        if "turn" in line:
            emit({"block": {"steps": line["turn"], "seconds": turn(line["turn"])}})
        elif "limits" in line:
            emit({"limits": None})
        elif "steady" in line:
            emit({"steady": True})
        elif "finish" in line:
            return


if __name__ == "__main__":
    main(sys.argv[1])
