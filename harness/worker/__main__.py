"""The worker: the process that executes one run, or one contestant of a contest. ``python -P -m harness.worker``.

It speaks with its parent as ``harness.protocol`` says. Anything that a library prints goes to standard error, which the
parent keeps as the log. Only the standard library is imported before the floating-point mode and the CPUs are set.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness import protocol
from harness.machine import process

if TYPE_CHECKING:
    from harness.worker.preparation import Emit

START = time.perf_counter()


def main() -> int:
    """Answer one request; the exit status, 1 where what was sent is no message."""
    if lifeline := os.environ.pop(process.LIFELINE, None):
        process.die_with(int(lifeline))
    emit = _take_over_stdout()
    try:
        request = protocol.decode_request(sys.stdin.readline())
    except protocol.ProtocolError as error:
        emit(protocol.End("failed", f"the worker was sent an invalid request: {error}"))
        return 1
    match request:
        case protocol.Probe(backend):
            from harness.worker.listing import probed

            emit(probed(backend))
        case protocol.Variants(backend, specs):
            from harness.worker.listing import listed

            emit(listed(backend, specs))
        case protocol.Inspect(file, name):
            from harness.worker.own import inspected

            emit(inspected(file, name))
        case _:
            return _measure(request, emit)
    return 0


def _take_over_stdout() -> Emit:
    """Send events on a private copy of standard output; file descriptor 1 now leads to standard error."""
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def emit(event: protocol.Event) -> None:
        events.write(protocol.encode(event))
        events.flush()

    return emit


def _measure(request: protocol.Run | protocol.Contest | protocol.Parity, emit: Emit) -> int:
    """Put the spec's CPUs and floating-point mode in force, import NumPy, and do what was asked for; as ``main``."""
    # before NumPy or a framework starts its threads: they inherit both
    affinity = process.pin(request.cpus)
    process.flush_denormals(request.spec["denormals"] == "flush")
    emit(protocol.Affinity(affinity))
    start = time.perf_counter()
    import numpy  # noqa: F401 - every framework needs it: part of what importing one costs

    numpy_s = time.perf_counter() - start
    match request:
        case protocol.Run():
            from harness.worker.run import measure

            return _run_to_end(lambda: measure(request, START, numpy_s, emit), emit)
        case protocol.Parity():
            from harness.worker.parity import compare

            return _run_to_end(lambda: compare(request, emit), emit)
        case protocol.Contest():
            from harness.worker.contestant import take_turns

            return _run_to_end(lambda: take_turns(request, numpy_s, emit, map(protocol.decode_order, sys.stdin)), emit)


def _run_to_end(work: Callable[[], None], emit: Emit) -> int:
    """Do the work, and say in the last event how it ended; as ``main``."""
    from harness.errors import RunFailed

    status = 0
    try:
        work()
    except RunFailed as error:
        end = protocol.End("failed", str(error))
    except MemoryError:
        end = protocol.End("failed", "out of memory")
    except Exception as error:
        import traceback

        traceback.print_exc()
        status = int(isinstance(error, protocol.ProtocolError))
        unavailable = _unavailable(error)
        reason = str(error) if unavailable else f"{type(error).__name__}: {error}"
        end = protocol.End("unavailable" if unavailable else "failed", reason.strip().split("\n")[0][:500])
    else:
        end = protocol.End("ok")
    emit(end)
    return status


def _unavailable(error: Exception) -> bool:
    from backends.base import Unsupported
    from tasks.base import DataUnavailable

    return isinstance(error, Unsupported | DataUnavailable)


if __name__ == "__main__":
    sys.exit(main())
