"""From the words of ``harness speed`` to contests: shapes, and who takes part in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from typing import Any, get_args

from pydantic import ValidationError

import backends
from backends.job import CELLS, Device
from harness.errors import UsageError
from harness.planning.runs import check_cell, check_threads, default_threads, expand, stated
from harness.processes import supervise
from harness.processes.channel import WorkerDied
from harness.specs.base import one_line
from harness.specs.shapes import ALL_SHAPES, BRAUN, DEFAULT_SHAPE, SHAPES
from harness.specs.speed import Changes, SpeedSpec, in_proportion
from tasks.registry import UnknownName, nearest

#: Digits: no array has a side of a million million.
LONGEST_NUMBER = 12
#: A backend on a device: whose variants share a stock layer.
Place = tuple[str, str]
_OF_MODEL = ("cell", "hidden", "layers", "bidirectional")
_OF_SHAPE = ("length", "shortest", "labels", "batch", "features", *_OF_MODEL, "outputs", "loss", "readout")


@dataclass(frozen=True)
class SpeedRequest:
    """What the command line asked for; empty or None where the default decides."""

    backends: Sequence[str] = ("all",)
    variants: Sequence[str] = ("auto",)
    cells: Sequence[str] = ("lstm",)
    shapes: Sequence[str] = ()
    sizes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    devices: Sequence[str] = ("cpu",)


@dataclass(frozen=True)
class Entry:
    """A contestant to be: its spec, whether it was added for the ratio, and why it cannot take part."""

    spec: SpeedSpec
    added: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class Bout:
    """One shape and all who contest it.

    Attributes:
        name: of the named shape.
        entries: the contestants.
        references: by backend and device, the variant that ratios are taken to.
        changed: what was asked for otherwise than the named shape has it: by field, the shape's value and this one's.
    """

    name: str | None
    entries: list[Entry]
    references: dict[Place, str]
    changed: Changes = field(default_factory=dict)


def plan(request: SpeedRequest) -> list[Bout]:
    """All contests asked for, in the order in which they will be held.

    Raises:
        UsageError: a name, size or combination that cannot be right, in one line.
    """
    try:
        names = expand(_words("--backend", request.backends), backends.registry.names(), backends.registry.check)
        cells = expand(_words("--cell", request.cells), CELLS, check_cell)
        devices = expand(_words("--device", request.devices), get_args(Device), _check_device)
        shapes: list[str | None] = [*expand(_shapes(request.shapes), SHAPES, _check_shape)]
        variants = _words("--variant", request.variants)
        sizes = {name: numbers(name, words) for name, words in request.sizes.items() if words}
        kinds: list[tuple[str | None, SpeedSpec]] = [
            (shape, _spec(names[0], cell, shape, dict(zip(sizes, values, strict=True)), request.options))
            for shape, cell, values in product(shapes or [None], cells, product(*sizes.values()))
        ]
    except UnknownName as error:
        raise UsageError(str(error)) from None
    except ValidationError as error:
        raise UsageError(one_line(error)) from None
    check_threads(kinds[0][1].threads)
    kinds = list(dict.fromkeys(kinds))
    with ThreadPoolExecutor() as pool:  # each is a process that imports a framework
        asked = pool.map(lambda name: _fields(name, devices, [spec for _, spec in kinds]), names)
        fields = {
            (name, device): each for name, found in zip(names, asked, strict=True) for device, each in found.items()
        }
    _check_variants(variants, names, fields)
    return [
        _bout(shape, spec, {place: found[i] for place, found in fields.items()}, variants)
        for i, (shape, spec) in enumerate(kinds)
    ]


def numbers(name: str, words: Sequence[str]) -> list[int]:
    """The whole numbers of a list such as ["50,100", "200"], once each.

    Raises:
        UsageError: an item is empty, no number, or less than 1.
    """
    found = []
    for word in _words(f"--{name}", words):
        if not (word.isascii() and word.isdigit() and len(word) < LONGEST_NUMBER and int(word)):
            raise UsageError(f"--{name} takes whole numbers from 1 on, separated by commas, not {word!r}")
        found.append(int(word))
    return list(dict.fromkeys(found))


def _words(option: str, given: Sequence[str]) -> list[str]:
    """The items of comma-separated lists."""
    words = [word.strip() for text in given for word in text.split(",")]
    if "" in words:
        raise UsageError(f"{option}: an item of {','.join(given)!r} is empty")
    return words


def _shapes(given: Sequence[str]) -> list[str]:
    """The names, ``braun`` replaced by the four that it stands for."""
    return [name for word in _words("--shape", given) for name in (BRAUN if word.lower() == "braun" else [word])]


def _check_shape(name: str) -> str:
    known = {known.lower(): known for known in ALL_SHAPES}
    if name.lower() not in known:
        raise UnknownName(nearest("shape", name, [*ALL_SHAPES, "braun"]))
    return known[name.lower()]


def _check_device(name: str) -> str:
    if name not in get_args(Device):
        raise UnknownName(nearest("device", name, list(get_args(Device))))
    return name


def changes(shape: str | None, spec: SpeedSpec) -> Changes:
    """By field, where ``spec`` is not as the named shape: the shape's value and its own."""
    if shape is None:
        return {}
    plain = _spec(spec.backend, ALL_SHAPES[shape].get("cell", spec.model.cell), shape, {}, {})
    mine, named = ({**each.model.model_dump(), **each.model_dump()} for each in (spec, plain))
    return {name: (named[name], mine[name]) for name in _OF_SHAPE if mine[name] != named[name]}


def _spec(
    backend: str, cell: str, shape: str | None, sizes: Mapping[str, int], options: Mapping[str, Any]
) -> SpeedSpec:
    fields: dict[str, Any] = {
        "threads": default_threads(), **_named(shape, sizes.get("length"), options.get("loss")), **stated(options),
        **sizes, "backend": backend, "cell": cell,
    }  # fmt: skip
    model = {name: fields.pop(name) for name in _OF_MODEL if name in fields}
    optimizer = {"name": name} if (name := fields.pop("optimizer", None)) else {}
    return SpeedSpec.model_validate({**fields, "model": model, "optimizer": optimizer})


def _named(shape: str | None, length: int | None, loss: str | None) -> dict[str, Any]:
    """A named shape as it is where a length or loss of its own was asked for: what must go along with those does."""
    found = dict(ALL_SHAPES[shape] if shape else DEFAULT_SHAPE)
    if length is not None:
        followers = {name: found[name] for name in ("shortest", "labels") if name in found}
        found |= {name: in_proportion(number, length, found["length"]) for name, number in followers.items()}
    if loss == "ctc":
        found["readout"] = "every"
    elif loss is not None:
        found.pop("labels", None)
    return found


@dataclass(frozen=True)
class _Field:
    """What one backend has for one shape: each variant with the reason where it cannot compute it.

    ``elsewhere``: those that are for other devices.
    """

    variants: Mapping[str, str | None]
    elsewhere: frozenset[str] = frozenset()
    stock: str | None = None
    auto: str = "auto"
    problem: str | None = None


def _fields(backend: str, devices: Sequence[str], specs: Sequence[SpeedSpec]) -> dict[str, list[_Field]]:
    """By device, what the backend has for each spec; asked once for all."""
    asked = [spec.model_copy(update={"backend": backend, "device": device}) for device in devices for spec in specs]
    try:
        found = [_field(told, spec.device) for told, spec in zip(supervise.fields(backend, asked), asked, strict=True)]
    except WorkerDied as death:
        found = [_Field({}, problem=f"cannot load: {death}")] * len(asked)
    return {device: found[i * len(specs) :][: len(specs)] for i, device in enumerate(devices)}


def _field(told: Mapping[str, Any], device: Device) -> _Field:
    return _Field(
        {variant["name"]: variant["reason"] for variant in told["variants"]},
        frozenset(variant["name"] for variant in told["variants"] if device not in variant["devices"]),
        next((v["name"] for v in told["variants"] if v["tier"] == "default" and not v["reason"]), None),
        told["auto"],
    )


def _check_variants(variants: Sequence[str], names: Sequence[str], fields: Mapping[Place, Sequence[_Field]]) -> None:
    """A variant that none of the backends has is a slip of the pen; one that some lack is a row that says so."""
    known = {name for found in fields.values() for field in found for name in field.variants} | {"auto", "all"}
    for word in variants:
        owner, variant = split_owner(word)
        if owner and owner not in names:
            raise UsageError(nearest("backend of this contest", owner, list(names)))
        if variant not in known and not any(field.problem for found in fields.values() for field in found):
            raise UsageError(nearest(f"variant of {', '.join(names)}", variant, sorted(known)))


def split_owner(word: str) -> tuple[str, str]:
    """``torch:graph`` as the backend that it is asked of and the variant; of every backend where none is named."""
    owner, _, variant = word.rpartition(":")
    return owner, variant


def _bout(shape: str | None, spec: SpeedSpec, fields: Mapping[Place, _Field], variants: Sequence[str]) -> Bout:
    entries = [
        entry
        for (name, device), field in fields.items()
        for entry in _entries(spec.model_copy(update={"backend": name, "device": device}), field, variants)
    ]
    references = {place: field.stock for place, field in fields.items() if field.stock}
    return Bout(shape, entries, references, changes(shape, spec))


def _entries(spec: SpeedSpec, field: _Field, variants: Sequence[str]) -> list[Entry]:
    """The contestants of one backend, its stock layer among them: there is always a ratio."""
    own = [variant for owner, variant in map(split_owner, variants) if owner in ("", spec.backend)]
    here = [name for name in field.variants if name not in field.elsewhere]
    wanted = list(dict.fromkeys(name for variant in own for name in (here if variant == "all" else [variant])))
    if "auto" in wanted and field.auto in wanted:
        wanted.remove("auto")  # it is there by its own name
    have = f"{spec.backend} has no such variant; it has {', '.join(field.variants)}"
    reasons = {"auto": None, **field.variants}
    entries = [
        Entry(spec.model_copy(update={"variant": name}), reason=field.problem or reasons.get(name, have))
        for name in wanted
    ]
    there = {field.auto if e.spec.variant == "auto" else e.spec.variant for e in entries if not e.reason}
    if field.stock and there and field.stock not in there:
        entries.append(Entry(spec.model_copy(update={"variant": field.stock}), added=True))
    return entries
