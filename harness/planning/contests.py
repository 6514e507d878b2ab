"""Plans contests from the options of ``harness speed``: one per shape, each with its contestants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

import backends
from backends.base import Tier
from backends.job import CELLS, Device
from harness.errors import UsageError
from harness.planning.limits import check_memory
from harness.planning.runs import check_cell, check_device, check_threads, default_threads, expand, named_cpus
from harness.processes import supervise
from harness.processes.channel import WorkerDied
from harness.specs.base import one_line
from harness.specs.options import SPEED, complete, option, value_at
from harness.specs.shapes import ALL_SHAPES, BRAUN, DEFAULT_SHAPE, SHAPES, SIZES
from harness.specs.speed import Changes, SpeedSpec
from tasks.registry import UnknownName, nearest

#: Digits of a number, fewer than: no array has a side of 10¹¹.
LONGEST_NUMBER = 12


class BackendOnDevice(NamedTuple):
    """A backend on a device. Its variants share one stock layer, to which their ratios are taken."""

    backend: str
    device: str


@dataclass(frozen=True)
class Contestant:
    """A planned contestant.

    Attributes:
        spec: what it computes.
        added: whether nobody asked for it: a stock layer, so that there is a ratio.
        reason: why it cannot take part; None where it can.
        eligible: whether ``auto`` may take it: not what hands over several updates at once, and no rival.
    """

    spec: SpeedSpec
    added: bool = False
    reason: str | None = None
    eligible: bool = True


@dataclass(frozen=True)
class PlannedContest:
    """A contest to be held: one shape and all who take part.

    Attributes:
        name: of the named shape; None where no shape was named.
        contestants: in the order in which they get ready.
        references: the variant that ratios are taken to.
        changed: fields that differ from the named shape.
        rules: the variant that each backend's own rule takes.
    """

    name: str | None
    contestants: list[Contestant]
    references: dict[BackendOnDevice, str]
    changed: Changes = field(default_factory=dict)
    rules: dict[BackendOnDevice, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Offer:
    """What a backend has on a device for one shape.

    Attributes:
        variants: by name, why it cannot compute the shape; None where it can.
        elsewhere: those of the variants that are for other devices.
        stock: the framework's own layer, where it can compute the shape.
        auto: the variant that ``auto`` stands for.
        tiers: of the variants, by name.
        default: the one that ``default`` stands for: the first of tier ``default``, whether it can compute the shape
            or not.
        rule: the variant that the backend's own rule takes; None where it was not asked.
        problem: why the backend cannot be loaded; None where it can.
    """

    variants: Mapping[str, str | None]
    elsewhere: frozenset[str] = frozenset()
    stock: str | None = None
    auto: str = "auto"
    default: str = "default"
    rule: str | None = None
    problem: str | None = None
    tiers: Mapping[str, str] = field(default_factory=dict)

    def of_tiers(self, tiers: Sequence[str]) -> _Offer:
        """Only what is of these tiers; all of it without any."""
        if not tiers:
            return self
        return replace(self, variants={name: why for name, why in self.variants.items() if self.tiers[name] in tiers})


def plan(given: Mapping[str, Any]) -> list[PlannedContest]:
    """All contests asked for, in the order in which they will be held.

    Args:
        given: options of ``harness speed`` by their names in Python; the others have their defaults. A list may be
            one, or text as on the command line: ``{"hidden": [32, 64]}``, ``{"hidden": "32,64"}``.

    Raises:
        UsageError: a name, size or combination that cannot be right, in one line.
    """
    options = complete(SPEED, given)
    try:
        names = expand(items("backend", options), backends.registry.names(), backends.registry.check)
        devices = expand(items("device", options), get_args(Device), _check_device)
        tiers = [_check_tier(word) for word in items("tier", options)]
        variants = items("variant", options) or ["all" if tiers else "auto"]
        contests = _shapes_asked_for(options, names[0])
    except UnknownName as error:
        raise UsageError(str(error)) from None
    except ValidationError as error:
        raise UsageError(one_line(error)) from None
    for threads in {spec.threads for _, spec in contests}:
        check_threads(threads, named_cpus(options["cpus"]))
    for _, spec in contests:
        check_memory(spec.job(), spec.chunk)
    offers = _ask(names, devices, [spec for _, spec in contests])
    _check_variants(variants, names, offers)
    return [
        _contest(shape, spec, {where: found[number].of_tiers(tiers) for where, found in offers.items()}, variants)
        for number, (shape, spec) in enumerate(contests)
    ]


def items(name: str, options: Mapping[str, Any]) -> list[Any]:
    """The items of an option's comma-separated lists, without repetition; whole numbers where it takes numbers.

    Raises:
        UsageError: an item is empty, or a number is none or less than 1.
    """
    given = options[name] or []
    words = [word.strip() for text in given for word in str(text).split(",")]
    if "" in words:
        raise UsageError(f"--{name}: an item of {','.join(map(str, given))!r} is empty")
    if option(name, SPEED).kind is int:
        for word in words:
            if not (word.isascii() and word.isdigit() and len(word) < LONGEST_NUMBER and int(word)):
                raise UsageError(f"--{name} takes whole numbers from 1 on, separated by commas, not {word!r}")
        return list(dict.fromkeys(map(int, words)))
    return list(dict.fromkeys(words))


def _shapes_asked_for(options: Mapping[str, Any], backend: str) -> list[tuple[str | None, SpeedSpec]]:
    """Name and spec for each combination of named shape, cell and sizes; the specs name one backend, to be replaced."""
    words = [name for word in items("shape", options) for name in (BRAUN if word.lower() == "braun" else [word])]
    shapes: list[str | None] = [*expand(words, SHAPES, _check_shape)]
    cells = expand(items("cell", options), CELLS, check_cell)
    sizes = {name: values for name in SIZES if (values := items(name, options))}
    lists = {each.parameter for each in SPEED if each.lists}
    single = {name: value for name, value in options.items() if name not in lists}
    found: list[tuple[str | None, SpeedSpec]] = [
        (shape, _spec(shape, {**single, **dict(zip(sizes, values, strict=True)), "backend": backend, "cell": cell}))
        for shape, cell, values in product(shapes or [None], cells, product(*sizes.values()))
    ]
    return list(dict.fromkeys(found))


def _spec(shape: str | None, chosen: Mapping[str, Any]) -> SpeedSpec:
    """The spec of a named shape with the values that were given, one for each option."""
    given = {name: value for name, value in chosen.items() if value is not None}
    base = ALL_SHAPES[shape] if shape else DEFAULT_SHAPE
    if "length" in given:
        base = base.with_length(given["length"])
    if "loss" in given:
        base = base.with_loss(given["loss"])
    threads = default_threads(named_cpus(given.get("cpus"))).number
    return SpeedSpec.of_shape(base, **{"threads": threads} | given)


def _check_shape(name: str) -> str:
    known = {known.lower(): known for known in ALL_SHAPES}
    if name.lower() not in known:
        raise UnknownName(nearest("shape", name, [*ALL_SHAPES, "braun"]))
    return known[name.lower()]


def _check_tier(name: str) -> str:
    if name not in get_args(Tier):
        raise UnknownName(nearest("tier", name, list(get_args(Tier))))
    return name


def _check_device(name: str) -> str:
    if check_device(name) not in get_args(Device):
        raise UnknownName(nearest("device", name, list(get_args(Device))))
    return name


def changes(shape: str | None, spec: SpeedSpec) -> Changes:
    """Fields of ``spec`` that differ from the named shape, by name: the shape's value and the spec's."""
    if shape is None:
        return {}
    found: Changes = {}
    for name, value in ALL_SHAPES[shape].fields().items():
        own = value_at(spec, option(name, SPEED).fills or name)
        if own != value:
            found[name] = (value, own)
    return found


def _ask(
    names: Sequence[str], devices: Sequence[str], specs: Sequence[SpeedSpec]
) -> dict[BackendOnDevice, list[_Offer]]:
    """What each backend has on each device for each spec. All backends are asked at once, in processes of their own."""
    asked = {
        name: [spec.model_copy(update={"backend": name, "device": device}) for device in devices for spec in specs]
        for name in names
    }
    return {
        BackendOnDevice(name, device): offers[i * len(specs) :][: len(specs)]
        for name, answer in supervise.variants_for(asked).items()
        for offers in [_offers(answer, asked[name])]
        for i, device in enumerate(devices)
    }


def _offers(answer: list[dict[str, Any]] | WorkerDied, asked: Sequence[SpeedSpec]) -> list[_Offer]:
    """What a backend has for each spec."""
    if isinstance(answer, WorkerDied):
        return [_Offer({}, problem=f"cannot load: {answer}")] * len(asked)
    return [_offer(each, spec.device) for each, spec in zip(answer, asked, strict=True)]


def _offer(answer: Mapping[str, Any], device: Device) -> _Offer:
    variants = answer["variants"]
    # the first of tier default; where it cannot compute the shape there is no reference: the others are rivals
    stock = next((variant for variant in variants if variant["tier"] == "default"), None)
    return _Offer(
        {variant["name"]: variant["reason"] for variant in variants},
        frozenset(variant["name"] for variant in variants if device not in variant["devices"]),
        stock["name"] if stock and not stock["reason"] else None,
        answer["auto"],
        rule=answer["rule"],
        default=stock["name"] if stock else "default",
        tiers={variant["name"]: variant["tier"] for variant in variants},
    )


def _check_variants(
    variants: Sequence[str], names: Sequence[str], offers: Mapping[BackendOnDevice, Sequence[_Offer]]
) -> None:
    """Raises UsageError for a variant that none of the backends has; where only some lack it, their rows say so."""
    every = [offer for found in offers.values() for offer in found]
    known = {name for offer in every for name in offer.variants} | {"auto", "default", "all"}
    for word in variants:
        owner, variant = split_owner(word)
        if owner and owner not in names:
            raise UsageError(nearest("backend of this contest", owner, list(names)))
        present = {backends.current_variant(name, variant) for name in ([owner] if owner else names)}
        if known.isdisjoint(present) and not any(offer.problem for offer in every):
            raise UsageError(nearest(f"variant of {', '.join(names)}", variant, sorted(known)))


def split_owner(word: str) -> tuple[str, str]:
    """Backend and variant of ``torch:graph``; the backend is empty where all are meant."""
    owner, _, variant = word.rpartition(":")
    return owner, variant


def _contest(
    shape: str | None, spec: SpeedSpec, offers: Mapping[BackendOnDevice, _Offer], variants: Sequence[str]
) -> PlannedContest:
    contestants = [
        contestant
        for where, offer in offers.items()
        for contestant in _contestants(spec.model_copy(update=where._asdict()), offer, variants)
    ]
    references = {where: offer.stock for where, offer in offers.items() if offer.stock}
    rules = {where: offer.rule for where, offer in offers.items() if offer.rule}
    return PlannedContest(shape, contestants, references, changes(shape, spec), rules)


def _contestants(spec: SpeedSpec, offer: _Offer, variants: Sequence[str]) -> list[Contestant]:
    """The contestants of one backend on one device; its stock layer is added if need be, so that there is a ratio."""
    own = [
        backends.current_variant(spec.backend, variant)
        for owner, variant in map(split_owner, variants)
        if owner in ("", spec.backend)
    ]
    here = [name for name in offer.variants if name not in offer.elsewhere]
    stands_for = {"all": here, "default": [offer.default]}
    if "auto" in own and offer.auto == offer.default:
        stands_for["default"] = []  # one contestant is both, under the name of auto
    wanted = list(dict.fromkeys(name for variant in own for name in stands_for.get(variant, [variant])))
    if "auto" in wanted and offer.auto in wanted:
        wanted.remove("auto")  # the variant that it stands for takes part under its own name
    have = f"{spec.backend} has no such variant; it has {', '.join(offer.variants)}"
    reasons = {"auto": None, **offer.variants}
    found = [
        Contestant(
            spec.model_copy(update={"variant": name}),
            reason=offer.problem or reasons.get(name, have),
            eligible=name == offer.default or offer.tiers.get(name) not in ("default", "fused"),
        )
        for name in wanted
    ]
    able = {offer.auto if each.spec.variant == "auto" else each.spec.variant for each in found if not each.reason}
    if offer.stock and able and offer.stock not in able:
        found.append(Contestant(spec.model_copy(update={"variant": offer.stock}), added=True))
    return found
