"""A study's runs on a Ray cluster: Ray decides where each goes, and starts one command there.

A task is ``harness.engines.command.telling``, pickled by its name; the text of a ``NodeJob`` is all that travels, the
text of its record all that comes back, to this process, which has it written. No shared folder is needed.

Ray's resources are numbers that it counts and nothing more. So a node offers ``harness-slot``, one per machine or GPU,
and the process of a run takes the machine's own slot besides: see ``harness.processes.slot``.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import signal
import socket
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

from harness.engines.command import telling
from harness.engines.job import NodeJob, OnRecord, OnState, answered
from harness.errors import UsageError
from harness.processes.stopping import SIGNALS, may_stop
from harness.records.run import Record

#: The resource that a node offers: as many as runs may be made on it at a time, one per machine or GPU.
RESOURCE: Final = "harness-slot"
#: What a Ray of our own may take of the memory for answers: records are small.
_STORE_BYTES: Final = 100_000_000
#: Of this process's own Ray, in all calls: Ray reads it once.
_SECRET: Final = secrets.token_hex(32)
_INSTALL: Final = "Ray is not installed: pip install 'rnn-harness[ray]'"
#: Seconds for a connection to a cluster, between two looks at its nodes, and without any node before giving up.
_CONNECT_S, _LOOK_S, _WITHOUT_S = 5.0, 2.0, 120.0
#: Seconds after the first loss until a job is sent again, after the second twice as long: for a while Ray takes a
#: machine that died for alive, and would send the job there once more.
_PAUSE_S: Final = 10.0


class EngineLost(RuntimeError):
    """The cluster is gone, or all of its nodes are; the message says so. What was written stays, and can be resumed."""


def run_jobs(
    jobs: Iterable[NodeJob],
    on_record: OnRecord,
    on_state: OnState | None = None,
    tries: int = 2,
    address: str | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Have each job run on some node of a cluster, and its record handed over as soon as it is back.

    Jobs are taken from ``jobs`` when there is room for them: about two for each slot of the cluster are in flight.

    Args:
        on_record: called in this thread, with each job (its tries included) and its record, which it writes.
        on_state: called as jobs go on their way; None to be told nothing.
        tries: how often a job is tried again that was lost with a machine; then its record says so.
        address: HOST:PORT of a cluster, of which this machine is a node, or ``auto`` for the one that runs here; None
            for what ``RAY_ADDRESS`` says, else for a Ray of its own on this machine.
        stopped: asked again and again; once it is true, what is in flight is cancelled and this returns.

    Raises:
        UsageError: Ray is not installed, nobody answers at the address, no node offers a slot, or a node has no
            harness, or another one.
        EngineLost: the cluster was lost on the way.
        KeyboardInterrupt: the user stopped it; what was in flight is cancelled.
    """
    with _connected(address) as ray:
        _Flight(ray, on_record, on_state or (lambda *_: None), tries).through(iter(jobs), stopped)


@dataclass
class _Sent:
    """A job in flight, and the node that has begun it, once that is known."""

    job: NodeJob
    node: str | None = None


class _Flight:
    """The jobs in flight, by Ray's handle of each: what gives its answers, one after another."""

    def __init__(self, ray: Any, on_record: OnRecord, on_state: OnState, tries: int) -> None:
        self.ray, self.on_record, self.on_state, self.tries = ray, on_record, on_state, tries
        self.sent: dict[Any, _Sent] = {}
        #: Lost jobs, each with the moment from which it may be sent again.
        self.again: list[tuple[float, NodeJob]] = []
        self.task = ray.remote(num_cpus=0, max_retries=0, num_returns="streaming")(telling)
        self.share = 1
        self.address = str(ray.get_runtime_context().gcs_address)

    def through(self, jobs: Iterator[NodeJob], stopped: Callable[[], bool]) -> None:
        """Send and hear until there is nothing left of either; whatever ends it, nothing stays in flight."""
        looked = seen = time.monotonic()
        slots = self._slots()
        try:
            while not stopped():
                now = time.monotonic()
                if now - looked > _LOOK_S:
                    slots, looked = self._slots(), now
                seen = now if slots else seen
                if now - seen > _WITHOUT_S:
                    raise EngineLost(f"no node of Ray's cluster offers {RESOURCE} any more; the same command goes on")
                while len(self.sent) < 2 * slots * self.share and (job := self._due() or next(jobs, None)):
                    self._send(job)
                if self.sent:
                    with may_stop():
                        ready, _ = self.ray.wait(list(self.sent), num_returns=1, timeout=1.0)
                    for handle in ready:
                        self._hear(handle)
                elif slots and not self.again:
                    return
                else:
                    with may_stop():
                        time.sleep(1.0)
        except (self.ray.exceptions.RaySystemError, self.ray.exceptions.LocalRayletDiedError) as error:
            raise EngineLost(f"Ray's cluster is lost: {_first_line(error)}; the same command goes on") from None
        finally:
            for handle in self.sent:
                with suppress(Exception):  # the cluster may be gone
                    self.ray.cancel(handle, force=True)

    def _due(self) -> NodeJob | None:
        """A lost job whose time has come."""
        due = [each for each in self.again if each[0] <= time.monotonic()]
        if not due:
            return None
        self.again.remove(due[0])
        return due[0][1]

    def _slots(self) -> int:
        """How many runs the cluster may make at a time. Raises EngineLost where nobody is at its address any more."""
        try:
            _knock(self.address)
        except OSError:  # Ray's own calls would wait for it for a minute
            raise EngineLost("the head of Ray's cluster is gone; the same command goes on, with another") from None
        return int(self.ray.cluster_resources().get(RESOURCE, 0))

    def _send(self, job: NodeJob) -> None:
        self.share = job.share
        task = self.task.options(resources={RESOURCE: math.floor(1e4 / job.share) / 1e4})  # Ray counts in 1/10,000
        self.sent[task.remote(job.json_line())] = _Sent(job)
        self.on_state(job, "submitted", "")

    def _hear(self, handle: Any) -> None:
        """Take the next answer of a job."""
        sent, errors = self.sent[handle], self.ray.exceptions
        try:
            node, record, fault = answered(self.ray.get(next(handle)))
        except errors.OutOfMemoryError as error:
            reason = f"the engine's memory monitor killed it, as the machine ran out of memory: {_first_line(error)}"
            del self.sent[handle]
            self._done(sent.job, sent.job.lost(sent.node or "unknown", reason))
            return
        except errors.RayTaskError as error:  # the task itself went wrong: what it needs is not there
            problem = str(error).strip().splitlines()[-1]
            raise UsageError(
                f"a node of the cluster cannot start the run: {problem}; install rnn-harness on all"
            ) from None
        except (errors.RaySystemError, errors.LocalRayletDiedError):  # not one machine, but the way to all of them
            raise
        except errors.RayError as error:
            node, record, fault = (
                sent.node or "unknown",
                None,
                f"{_WORDS.get(type(error).__name__, 'Ray lost it')}: {_first_line(error)}",
            )
        except StopIteration:
            node, record, fault = sent.node or "unknown", None, "Ray ended it without a record"
        if record is None and fault is None:
            sent.node = node
            self.on_state(sent.job, "running", node)
            return
        del self.sent[handle]
        if record is not None and record.status == "interrupted":
            record, fault = None, "stopped by a signal"
        if record is not None:
            self._done(sent.job, record)
        elif len(sent.job.tries) < self.tries:
            job = sent.job.after(node, fault or "")
            self.again.append((time.monotonic() + _PAUSE_S * len(job.tries), job))
            self.on_state(job, "lost", fault or "")
        else:
            times = f"lost {len(sent.job.tries) + 1} times, the last time: " if sent.job.tries else ""
            self._done(sent.job, sent.job.lost(node, f"{times}{fault}"))

    def _done(self, job: NodeJob, record: Record) -> None:
        self.on_record(job, record)


#: Faults of the infrastructure, by what Ray calls them.
_WORDS: Final = {
    "NodeDiedError": "its machine was lost",
    "WorkerCrashedError": "Ray's worker process died",
    "TaskUnschedulableError": "its machine was lost",
    "OwnerDiedError": "its answer was lost",
    "ObjectLostError": "its answer was lost",
}


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Ray, connected to a cluster that offers slots; disconnected at the end.

    Raises:
        UsageError: as ``run_jobs``.
    """
    if find_spec("ray") is None:
        raise UsageError(_INSTALL)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is sent to anyone
    address = address or os.environ.get("RAY_ADDRESS")
    if address:
        _check(address)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore")  # Ray's own
        with _variables(own=not address):
            import ray
        if ray.is_initialized():
            raise UsageError("this process has a connection to Ray already, which is not ours: ray.shutdown() ends it")
        own = None if address else stack.enter_context(_folder())
        try:
            with _variables(own=not address):
                _join(ray, address, own)
            _take_back(handlers)
            if not ray.cluster_resources().get(RESOURCE):
                raise UsageError(_no_slots(ray, address))
            yield ray
        finally:
            ray.shutdown()
            _take_back(handlers)


@contextmanager
def _folder() -> Iterator[str | None]:
    """A folder for what a Ray of our own writes, which is gone afterwards; None where the name is too long for Ray.

    The names of its sockets, of which a system takes 107 bytes, have about 80 more.
    """
    if len(os.fsencode(tempfile.gettempdir())) > 16:
        yield None
    else:
        with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder:
            yield folder


def _join(ray: Any, address: str | None, own: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    _silence()
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(
                address="local", num_cpus=1, resources={RESOURCE: 1}, include_dashboard=False,
                object_store_memory=_STORE_BYTES, _temp_dir=own, **quiet,
            )  # fmt: skip
    except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        if address is None:
            raise UsageError(f"Ray does not start here: {_first_line(error)}") from None
        same = "it wants the same RAY_AUTH_MODE and RAY_AUTH_TOKEN here as on its nodes, and this machine among these"
        raise UsageError(f"Ray's cluster at {address} does not let us in: {_first_line(error)}; {same}") from None


@contextmanager
def _variables(own: bool) -> Iterator[None]:
    """What Ray is to know as it is imported and started.

    A Ray of our own takes nobody else's work: where the environment says nothing about it, it gets a secret. Ray itself
    would write one into the user's home, which changes what the next cluster asks of its nodes.
    """
    ours = own and not any(name.startswith("RAY_AUTH_") for name in os.environ)
    said = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _SECRET} if ours else {}
    os.environ |= said
    try:
        yield
    finally:
        for name in said:
            del os.environ[name]


def _silence() -> None:
    """Keep what Ray tells about its nodes off standard output, which is the command's: there is no option for that."""
    import ray._private.worker as inside

    if hasattr(inside, "print_to_stdstream"):
        inside.print_to_stdstream = lambda *_, **__: None


def _take_back(handlers: dict[signal.Signals, Any]) -> None:
    """Signals do what they did before: Ray takes SIGTERM for itself."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _start(address: str | None = None) -> str:
    """The command with which a machine becomes a node."""
    to = "--head" if address is None else f"--address={address}"
    return f"""ray start {to} --resources='{{"{RESOURCE}": 1}}'"""


def _no_slots(ray: Any, address: str | None) -> str:
    here = str(ray.get_runtime_context().gcs_address or address)
    return f"no node of Ray's cluster offers {RESOURCE}: start its nodes with {_start(here)}"


def _knock(address: str) -> None:
    """Raises OSError where nobody listens at HOST:PORT, OverflowError where that is no port."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()


def _check(address: str) -> None:
    """Raises UsageError where nobody listens at an address: Ray itself would try for a minute."""
    if address in ("auto", "local"):
        return
    _, colon, port = address.rpartition(":")
    if "/" in address or not colon or not port.isdecimal():
        raise UsageError(
            f"--address {address}: HOST:PORT of a cluster of which this machine is a node, as ray start printed it"
        )
    try:
        _knock(address)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"no Ray cluster answers at {address}: {why}; start one with {_start()}") from None
