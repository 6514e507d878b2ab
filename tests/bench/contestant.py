"""A script that takes turns: the worker's side of a contest (``harness.worker.contestant``) for code that is not ours.

    python -P tests/bench/contestant.py NAME

``NAME`` is that of ``loader.script``. The script follows ``harness.protocol``: a ``Contest``, then orders. CPUs and
denormals are set by ``harness.machine.process``, as for a worker; beyond that the process is what a user has: the C
library's own allocator, and no setting of the framework's but what the environment says.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness import protocol
from harness.machine import process

Emit = Callable[[protocol.Event], None]


def main(name: str) -> None:
    """Take part in a contest."""
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def emit(event: protocol.Event) -> None:
        events.write(protocol.encode(event))
        events.flush()

    request = protocol.decode_request(sys.stdin.readline())
    assert isinstance(request, protocol.Contest)
    emit(protocol.Affinity(process.pin(request.cpus)))
    process.flush_denormals(request.spec["denormals"] == "flush")
    try:
        follow(Script(name, request.spec), name, emit)
        emit(protocol.End("ok"))
    except ImportError as error:
        emit(protocol.End("unavailable", str(error)))
    except Exception as error:
        traceback.print_exc()
        emit(protocol.End("failed", f"{type(error).__name__}: {error}".split("\n")[0][:500]))


class Script:
    """A script's training program with its batches, which are staged once and used again in every turn."""

    def __init__(self, name: str, spec: Mapping[str, Any]) -> None:
        sys.path.append(str(Path(__file__).resolve().parent))  # -P keeps it away, and last it hides nothing
        import numpy as np
        from loader import Sizes, script

        self.sizes, self.chunk = Sizes.of(spec), spec["chunk"]
        module = script(name)
        make = module.program if spec["measure"] == "train" else module.prediction
        self.stage, self.do = make(self.sizes)
        self.rng = np.random.default_rng(spec["seed"])
        self.staged: dict[int, list[Any]] = {}

    def turn(self, steps: int) -> float:
        """Seconds for ``steps`` updates or predictions, in calls of ``chunk`` at most, after one that is not timed."""
        size = min(steps, self.chunk)
        self._batches(size)
        self.timed(1)
        return sum(self.timed(size) for _ in range(steps // size))

    def timed(self, count: int) -> float:
        """Seconds of one call that does ``count`` steps. Raises ArithmeticError where what it gives is not finite."""
        import numpy as np

        batches = self._batches(count)
        start = time.perf_counter()
        found = self.do(batches)
        seconds = time.perf_counter() - start
        if not np.isfinite(found).all():
            raise ArithmeticError("a loss, or an output, is not finite")
        return seconds

    def _batches(self, count: int) -> list[Any]:
        """Where a chunk has many, a few different ones come again and again."""
        if count not in self.staged:
            ready = [self.stage(*self._draw()) for _ in range(min(count, 8))]
            self.staged[count] = [ready[k % len(ready)] for k in range(count)]
        return self.staged[count]

    def _draw(self) -> tuple[Any, Any]:
        """Random inputs (batch, length, features), and targets as the loss wants them."""
        sizes = self.sizes
        x = self.rng.standard_normal((sizes.batch, sizes.length, sizes.features), "float32")
        if sizes.loss == "mse":
            return x, self.rng.standard_normal((sizes.batch, sizes.outputs), "float32")
        return x, self.rng.integers(0, sizes.outputs, sizes.batch, "int32")


def follow(script: Script, name: str, emit: Emit) -> None:
    """Get ready, then follow orders until told to finish."""
    script.timed(1)
    emit(protocol.Decided(name, "default"))
    emit(protocol.Ready())
    for order in map(protocol.decode_order, sys.stdin):
        match order:
            case protocol.Turn(steps):
                emit(protocol.BlockDone(steps, script.turn(steps)))
            case protocol.ReadLimits():
                emit(protocol.Limits())
            case protocol.Steady():
                emit(protocol.Armed())
            case protocol.Finish():
                return


if __name__ == "__main__":
    main(sys.argv[1])
