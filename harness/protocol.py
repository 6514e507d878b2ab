"""The messages between a parent and its worker, and the rules of their conversation.

A message is a subclass of ``Message`` and travels as one line of JSON: its fields, and ``kind``, the name of its class.
The parent writes to the worker's standard input, the worker to what was its standard output.

1. The first line to the worker is a request: ``Run``, ``Contest``, ``Parity``, ``Probe``, ``Variants`` or ``Inspect``.
2. ``Probe`` is answered by ``Probed``, ``Variants`` by ``Listed`` and ``Inspect`` by ``Inspected``. That is the whole
   conversation.
3. Every other conversation starts with ``Affinity`` and closes with ``End``, which says how it went. Whatever goes
   wrong, a worker that still can says so with ``End``; one that closes its output without it has died.
4. Between these, in this order:

   * ``Run``: ``Decided``, ``GateDone``; ``Progress`` and ``Point`` as training goes; ``Disturbance``, ``Gpu``,
     ``Executed``, ``Software``, ``Measured``; ``Kept``, where the request says what to keep.
   * ``Parity``: one ``Compared`` for each variant and precision.
   * ``Contest``: ``Decided``, ``GateDone``, ``Ready``. From then on the worker waits for orders. It answers ``Turn``
     with ``BlockDone``, ``Steady`` with ``Armed`` (after it nothing may compile), ``ReadLimits`` with ``Limits``, and
     ``Finish`` with ``Disturbance``, ``Peaks``, ``Executed`` and ``End``; an order that it cannot carry out with
     ``End``.

Only the standard library is imported here: a worker reads its request before it imports NumPy. What a record keeps as
a whole (a gate, a point of the curve, metrics) travels as ``Fields`` of that model, which the parent validates.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from copy import copy
from functools import cache
from typing import Any, Literal

Fields = dict[str, Any]
"""A model of ``harness.specs`` or ``harness.records`` as JSON."""


class ProtocolError(ValueError):
    """A line that is not one of the expected messages; says what is wrong with it."""


@typing.dataclass_transform(frozen_default=True)
class Message:
    """Base of all messages: immutable, and compared by its fields, which are the annotations of the subclass in order.

    A frozen dataclass by hand: ``dataclasses`` takes some 30 ms for so many classes, at the start of every worker.
    """

    __match_args__: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        cls.__match_args__ = tuple(cls.__annotations__)  # type: ignore[misc]

    def __init__(self, *values: Any, **named: Any) -> None:
        if len(values) > len(self.__match_args__):
            raise TypeError(f"{type(self).__name__} has {len(self.__match_args__)} fields, not {len(values)}")
        given = dict(zip(self.__match_args__, values, strict=False)) | named
        if unknown := given.keys() - set(self.__match_args__):
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        if missing := self.required() - given.keys():
            raise TypeError(f"{type(self).__name__} lacks {', '.join(sorted(missing))}")
        rest = [name for name in self.__match_args__ if name not in given]
        vars(self).update(given | {name: copy(getattr(type(self), name)) for name in rest})

    @classmethod
    def required(cls) -> set[str]:
        """The fields without a default."""
        return {name for name in cls.__match_args__ if not hasattr(cls, name)}

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a message is immutable: {name} cannot be set")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({fields})"


# ---- requests


class Run(Message):
    """Execute a run spec on these CPUs.

    Arrays pass through files of the parent's, which it made and deletes: NumPy's ``.npz``, so that a worker of another
    environment needs nothing more to read and write them.

    Attributes:
        start: file of the parameters to start from, by their canonical names; None to draw them.
        keep: file for the parameters that are scored and, under ``predictions``, what they predict of the test split;
            None to keep neither.
        model: file of the user's own model that the spec is of; None for a cell.
        updates: after which to end, which is at the end of a block; None for all.
    """

    spec: Fields
    cpus: list[int]
    start: str | None = None
    keep: str | None = None
    model: str | None = None
    updates: int | None = None


class Contest(Message):
    """Get ready with a speed spec on these CPUs, then follow orders; ``model`` as for ``Run``."""

    spec: Fields
    cpus: list[int]
    model: str | None = None


class Parity(Message):
    """Compare the variants that a run spec asks for (``auto``: all) with the float64 reference.

    Attributes:
        cpus: those to compute on.
        updates: after which parameters are compared.
        drift: updates over which the float32 losses are compared.
        precisions: those compared, or ``all`` for those that the backend has on the device.
    """

    spec: Fields
    cpus: list[int]
    updates: int
    drift: int
    precisions: list[str]


class Probe(Message):
    """Say what a backend has on this machine."""

    backend: str


class Variants(Message):
    """Say which variants a backend has for each of these speed specs."""

    backend: str
    specs: list[Fields]


class Inspect(Message):
    """Say which backend trains what ``file`` defines as ``name``."""

    file: str
    name: str


Request = Run | Contest | Parity | Probe | Variants | Inspect


# ---- orders to a contestant that is ready


class Turn(Message):
    """Do this many updates on the clock."""

    steps: int


class Steady(Message):
    """From now on nothing may compile."""


class ReadLimits(Message):
    """Measure the machine's limits."""


class Finish(Message):
    """Report memory and what was executed, then end."""


Order = Turn | Steady | ReadLimits | Finish


# ---- events


class Affinity(Message):
    """CPUs that the worker may use, set before anything starts a thread."""

    cpus: list[int]


class Decided(Message):
    """The variant that computes the job, and the settings that are in force, read back from the framework."""

    variant: str
    tier: Literal["default", "best", "fused"]
    variant_reason: str | None = None
    threads: int | None = None
    flushes_denormals: bool | None = None
    versions: dict[str, str] = {}
    device_name: str | None = None
    deterministic: bool | None = None


class GateDone(Message):
    """How far the gate found the variant from the reference: ``records.base.Gate``; empty where there is none."""

    gate: Fields


class Progress(Message):
    """Where training is. Sent every half second or so, for a person to read."""

    step: int
    loss: float
    sequences_per_second: float


class Point(Message):
    """An evaluation: ``records.run.CurvePoint``."""

    point: Fields


class Disturbance(Message):
    """What disturbed the run, or a contestant's turns (``records.base.Noise``), and the libraries that a run had loaded
    (``records.base.Blas``).
    """

    noise: Fields
    blas: list[Fields]


class Gpu(Message):
    """The GPU and its clocks right after training, named as nvidia-smi names them; empty where there is none."""

    facts: dict[str, str]


class Executed(Message):
    """What computed the recurrence, found by looking."""

    what: str


class Software(Message):
    """What the worker's interpreter has installed; it need not be the parent's.

    Attributes:
        plugins: digests of the source of the ``task`` and the ``backend``, where they are third parties'.
    """

    packages: dict[str, str]
    libraries: dict[str, str]
    python: str
    plugins: dict[str, str] = {}


class Measured(Message):
    """The results of a run: ``records.run.Metrics``."""

    metrics: Fields


class Kept(Message):
    """The file of ``Run.keep`` is written; or why it could not be, which makes the run no less valid."""

    problem: str | None = None


class Ready(Message):
    """A contestant is ready; what that cost, as ``records.speed.Ready``, where it was measured."""

    cost: Fields | None = None


class BlockDone(Message):
    """The end of a turn: updates done, and the seconds they took."""

    steps: int
    seconds: float


class Armed(Message):
    """Whatever compiles from now on will be noticed."""


class Limits(Message):
    """Readings of the machine's limits, as ``records.speed.Limits``; None where the backend has no probes."""

    readings: Fields | None = None


class Peaks(Message):
    """High-water marks of memory in bytes, and how often something was traced or compiled."""

    host_peak_bytes: int | None = None
    device_peak_bytes: int | None = None
    compilations: int | None = None


class Compared(Message):
    """One variant in one precision against the reference.

    Attributes:
        tolerance: the largest relative distance that counts as agreement.
        distances: relative, by quantity, in the order in which they are computed.
        curve, expected_curve: losses before each update, here and in the reference.
        unavailable: why the variant cannot compute this; failed: what it died of.
    """

    variant: str
    precision: str
    tolerance: float
    distances: dict[str, float] = {}
    curve: list[float] = []
    expected_curve: list[float] = []
    unavailable: str | None = None
    failed: str | None = None


class Probed(Message):
    """What a backend has: version, devices and variants, or the reason why it cannot be used."""

    backend: Fields


class Listed(Message):
    """For each spec, ``variants``, each with the reason why it cannot compute the job; ``auto``, the one that is taken
    where none is named; and ``rule``, the one that the backend's own rule takes.
    """

    specs: list[Fields]


class Inspected(Message):
    """The backends that train a model, or why none does, in one line; and those for which it would have to bring more,
    which a run says.
    """

    backends: list[str] = []
    lacking: list[str] = []
    problem: str | None = None


class End(Message):
    """The last event: how it went."""

    status: Literal["ok", "failed", "unavailable"]
    reason: str | None = None


Event = (
    Affinity | Decided | GateDone | Progress | Point | Disturbance | Gpu | Executed | Software | Measured
    | Kept | Ready | BlockDone | Armed | Limits | Peaks | Compared | Probed | Listed | Inspected
    | End
)  # fmt: skip

# ---- lines


def encode(message: Message) -> bytes:
    """The message as a line of JSON. Raises ValueError for a number that JSON does not have."""
    return json.dumps({"kind": type(message).__name__, **vars(message)}, allow_nan=False).encode() + b"\n"


def decode_request(line: str | bytes) -> Request:
    """The request in a line. Raises ProtocolError."""
    request: Request = _decode(line, Request)
    return request


def decode_order(line: str | bytes) -> Order:
    """The order in a line. Raises ProtocolError."""
    order: Order = _decode(line, Order)
    return order


def decode_event(line: str | bytes) -> Event:
    """The event in a line. Raises ProtocolError."""
    event: Event = _decode(line, Event)
    return event


def _decode(line: str | bytes, among: Any) -> Any:
    kinds = {kind.__name__: kind for kind in typing.get_args(among)}
    try:
        given = json.loads(line)
    except ValueError:
        raise ProtocolError(f"not JSON: {_shown(line)}") from None
    if not isinstance(given, dict) or given.get("kind") not in kinds:
        raise ProtocolError(f"none of {', '.join(kinds)}: {_shown(line)}")
    kind = kinds[given.pop("kind")]
    if problem := _problem(kind, given):
        raise ProtocolError(f"{kind.__name__} {problem}: {_shown(line)}")
    return kind(**given)


def _problem(kind: type[Message], given: Mapping[str, Any]) -> str | None:
    """What is wrong with these fields of a message."""
    if missing := kind.required() - given.keys():
        return f"lacks {', '.join(sorted(missing))}"
    if unknown := given.keys() - set(kind.__match_args__):
        return f"has no {', '.join(sorted(unknown))}"
    hints = _hints(kind.__name__)
    return next((f"has a wrong {name}" for name, value in given.items() if not _fits(value, hints[name])), None)


@cache
def _hints(kind: str) -> dict[str, Any]:
    return typing.get_type_hints(globals()[kind])


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value from JSON is of that type, its items too."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin is types.UnionType:
        return any(_fits(value, each) for each in inner)
    if origin is Literal:
        return value in inner
    if origin is list:
        return isinstance(value, list) and all(_fits(each, inner[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(each, inner[1]) for each in value.values())
    if hint is float:  # JSON writes 1.0 and 1 alike
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _shown(line: str | bytes) -> str:
    text = line.decode(errors="replace") if isinstance(line, bytes) else line
    return repr(text.strip()[:200])
