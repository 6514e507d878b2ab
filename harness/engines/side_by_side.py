"""A study's runs side by side on this machine, each on CPUs of its own: for accuracy alone, as no speed is measured."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final

from harness.engines.command import Starter
from harness.engines.job import NodeJob, OnRecord, OnState, answered
from harness.processes.stopping import may_stop

#: Longest wait between two questions whether to stop.
_LOOK_S: Final = 1.0


def run_jobs(
    jobs: Iterable[NodeJob],
    on_record: OnRecord,
    on_state: OnState | None = None,
    tries: int = 2,
    share: int = 2,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Have each job run in a process on this machine, so many at a time; as ``harness.engines.ray.run_jobs``.

    Args:
        share: runs at a time.

    Raises:
        UsageError: a job was not understood.
        KeyboardInterrupt: the user stopped it; what was running is killed.
    """
    tell = on_state or (lambda *_: None)
    waiting, node = iter(jobs), platform.node()
    starter, running = Starter(), dict[Future[str], NodeJob]()
    with ThreadPoolExecutor(share) as pool:

        def start(job: NodeJob) -> None:
            tell(job, "running", node)
            running[pool.submit(starter.run, job.json_line())] = job

        try:
            while not stopped():
                while len(running) < share and (job := next(waiting, None)) is not None:
                    start(job)
                if not running:
                    return
                with may_stop():
                    over, _ = wait(running, _LOOK_S, FIRST_COMPLETED)
                for each in over:
                    job = running.pop(each)
                    _, record, fault = answered(each.result())
                    if record is not None:
                        on_record(job, record)
                    elif len(job.tries) < tries:
                        tell(job, "lost", fault or "")
                        start(job.after(node, fault or ""))
                    else:
                        on_record(job, job.lost(node, f"lost {len(job.tries) + 1} times, the last time: {fault}"))
        finally:
            starter.kill()
