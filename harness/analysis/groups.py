"""Which runs may be compared: those that differ only in backend, variant, device, cell and seed."""

from __future__ import annotations

import hashlib
import json
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any, Final

import backends
from backends.job import CELLS
from backends.own import OWN
from harness.analysis.disturbance import flags
from harness.records.base import Environment
from harness.records.kept import Kept, Run
from harness.records.machines import slug
from harness.records.run import Record
from harness.specs.run import RunSpec

#: Fields of a model that say which it is: people want to compare those.
_WHICH = ("cell", "source", "sha256")
#: Share of its time that a device may be idle before a run counts as launch-bound: limited by dispatch.
LAUNCH_BOUND = 0.5


def _measured(name: str) -> Callable[[Record], Any]:
    """One of the metrics; None where there are none."""
    return lambda record: getattr(record.metrics, name, None)


def _machine(record: Record) -> str:
    return (record.environment.device_name if record.spec.device == "cuda" else None) or record.environment.cpu


def project(environment: Environment) -> str:
    """Which source of this project it was, as the start of a digest; of records without one, by its commit."""
    if environment.sources:
        return hashlib.sha256(json.dumps(environment.sources, sort_keys=True).encode()).hexdigest()[:12]
    changed = ", changed" * bool(environment.git_dirty)
    return f"commit {environment.git_commit[:12]}{changed}" if environment.git_commit else "unknown"


#: What groups need to know of a run, by name. An index keeps it, so that no record is read for it; what a column of
#: tables shows too has the column's name.
TRAITS: Final[Mapping[str, Callable[[Record], Any]]] = {
    "status": attrgetter("status"),
    "created": attrgetter("created"),
    "measured": lambda record: record.metrics is not None,
    "task": attrgetter("spec.task"),
    "preset": attrgetter("spec.preset"),
    "cell": attrgetter("spec.model.name"),
    "cell_place": lambda record: [*CELLS, OWN].index(record.spec.model.cell),
    "model_sha256": attrgetter("spec.model.sha256"),
    "backend": attrgetter("spec.backend"),
    "version": attrgetter("framework_version"),
    "variant": attrgetter("current_variant"),
    "tier": attrgetter("tier"),
    "device": attrgetter("spec.device"),
    "device_name": attrgetter("environment.device_name"),
    "machine": _machine,
    "machine_slug": lambda record: slug(record.environment),
    "logical_cpus": attrgetter("environment.logical_cpus"),
    "harness": lambda record: record.environment.versions.get("harness"),
    "git_commit": attrgetter("environment.git_commit"),
    "project": lambda record: project(record.environment),
    "memory_bytes": attrgetter("environment.memory_bytes"),
    "os": attrgetter("environment.os"),
    "python": attrgetter("environment.python"),
    "node": lambda record: record.place.node if record.place else None,
    "share": lambda record: record.place.share if record.place else None,
    "seed": attrgetter("spec.seed"),
    "data_sha256": _measured("data_sha256"),
    "solved": _measured("solved"),
    "score_name": _measured("main_score"),
    "stopped_at": _measured("stopped_at"),
    "device_idle_share": _measured("device_idle_share"),
    "flags": lambda record: " ".join(flags(record.noise)),
    "common": lambda record: json.dumps(_common(record)),
    "seedless": lambda record: present_spec(record).model_dump_json(exclude={"seed"}),
}


def trait(run: Run, name: str) -> Any:
    """What ``TRAITS`` says of a run: from the index where it is of one."""
    return run.value(name) if type(run) is Kept else TRAITS[name](run)  # type: ignore[arg-type]


def finished(run: Run) -> bool:
    """Whether it has figures to compare."""
    return trait(run, "status") == "ok" and bool(trait(run, "measured"))


def shares(run: Run) -> bool:
    """Whether it shared its machine with others of its study, so that none of its speed was measured."""
    return (trait(run, "share") or 1) > 1


def noise_of(run: Run) -> list[str]:
    """The names of what disturbed it."""
    found: list[str] = trait(run, "flags").split()
    return found


@dataclass(frozen=True)
class Group:
    """Runs that differ only in backend, variant, device, cell and seed.

    Attributes:
        title: task and preset, as in "copy, quick", and what distinguishes it from other groups of these.
        slug: the title, for file names.
        about: everything that the runs have in common, in one line.
        records: by cell, then by contender, then by seed.
        differing: what distinguishes it from other groups of its task and preset; empty where it is the only one.
    """

    title: str
    slug: str
    about: str
    records: list[Run]
    differing: str = ""

    @cached_property
    def ok(self) -> list[Run]:
        """The runs that finished."""
        return [record for record in self.records if finished(record)]

    @cached_property
    def not_ok(self) -> Counter[str]:
        """How many runs did not finish, by what was asked for, seed aside: see ``seedless``."""
        return Counter(seedless(record) for record in self.records if trait(record, "status") != "ok")

    @cached_property
    def _seeds(self) -> set[int]:
        return {trait(record, "seed") for record in self.records}

    @cached_property
    def _devices(self) -> list[str]:
        return _devices(self.records)

    @cached_property
    def _logical_cpus(self) -> set[int]:
        return {trait(record, "logical_cpus") for record in self.records}

    @cached_property
    def _gpus(self) -> list[str]:
        return _gpus(self.records)

    @cached_property
    def _by_backend(self) -> dict[str, tuple[set[str | None], set[str | None]]]:
        """By backend, variants and versions of the runs that were ok. Cached: a group may have thousands of runs."""
        found: dict[str, tuple[set[str | None], set[str | None]]] = {}
        for record in self.ok:
            variants, versions = found.setdefault(trait(record, "backend"), (set(), set()))
            variants.add(trait(record, "variant"))
            versions.add(trait(record, "version"))
        return found

    @cached_property
    def _systems(self) -> set[str]:
        return _varied(list(map(dict, {tuple(_system(record).items()) for record in self.records})))

    @cached_property
    def _data_differs(self) -> bool:
        """Whether runs of one seed learned from different data."""
        found: dict[int, set[str]] = {}
        for record in self.records:
            if digest := trait(record, "data_sha256"):
                found.setdefault(trait(record, "seed"), set()).add(digest)
        return any(len(digests) > 1 for digests in found.values())

    def _data(self, record: Run) -> str:
        """The start of the data's digest, where the group has several for one seed."""
        if not self._data_differs:
            return ""
        digest = trait(record, "data_sha256")
        return f"data {digest[:8]}" if digest else ""

    def distinction(self, record: Run) -> list[str]:
        """What distinguishes this record within its group, besides cell, backend and variant: where and how it ran."""
        words = [where] if (where := self._where(record)) else []
        words += [words for name, words in _system(record).items() if words and name in self._systems]
        if len(self._seeds) > 1:
            words.append(f"seed {trait(record, 'seed')}")
        return [*words, *filter(None, (self._source(record), self._data(record), self._versions(record)))]

    def settings(self, record: Run) -> str:
        """What distinguishes this record within its group, where it ended early, and what disturbed or limited it."""
        words = self.distinction(record)
        if (stopped_at := trait(record, "stopped_at")) is not None:
            words.append(f"stopped after {stopped_at:,} updates")
        if shares(record):
            words.append(f"one of {trait(record, 'share')} side by side: speed not measured")
        if noise := noise_of(record):
            words.append(f"noisy: {' '.join(noise)}")
        if idle := launch_bound(record):
            words.append(idle)
        return ", ".join(words)

    @cached_property
    def _sources(self) -> dict[str, set[str | None]]:
        """The digests of own models' files by their names."""
        found: dict[str, set[str | None]] = {}
        for record in self.records:
            found.setdefault(trait(record, "cell"), set()).add(trait(record, "model_sha256"))
        return found

    def _source(self, record: Run) -> str:
        """The start of the digest of a user's own model, where the group has several of its name."""
        digest = trait(record, "model_sha256")
        return f"source {digest[:8]}" if digest and len(self._sources[trait(record, "cell")]) > 1 else ""

    def _versions(self, record: Run) -> str:
        _, versions = self._by_backend.get(trait(record, "backend"), (set(), set()))
        return trait(record, "version") or "" if len(versions) > 1 else ""

    def _where(self, record: Run) -> str:
        """The device, the GPU's name and the number of logical CPUs, each only where the group has several."""
        words: list[str] = [trait(record, "device")] if len(self._devices) > 1 else []
        if len(self._logical_cpus) > 1:
            words.append(f"{trait(record, 'logical_cpus')} logical CPUs")
        if len(self._gpus) > 1 and (gpu := trait(record, "device_name")):
            words.append(gpu)
        return ", ".join(words)

    def contender(self, record: Run) -> str:
        """Who computed it: the backend; variant, device, GPU and version if the group has several; fused is marked."""
        backend = trait(record, "backend")
        variants, _ = self._by_backend.get(backend, (set(), set()))
        words = [backend]
        if len(variants) > 1:
            words.append(trait(record, "variant"))
        if trait(record, "tier") == "fused":  # several updates per dispatch: never beside the others unmarked
            words.append("(fused)")
        if where := self._where(record):
            words.append(f"({where})")
        return " ".join([*words, *filter(None, (self._source(record), self._data(record), self._versions(record)))])

    def contenders(self) -> dict[tuple[str, str], list[Run]]:
        """The runs that were ok by cell and contender; one entry holds all seeds and repetitions."""
        found: dict[tuple[str, str], list[Run]] = {}
        for record in self.ok:
            found.setdefault((trait(record, "cell"), self.contender(record)), []).append(record)
        return found


def launch_bound(record: Run) -> str | None:
    """A remark where the device waited for the host more than it computed; else None."""
    idle = trait(record, "device_idle_share")
    return None if idle is None or idle <= LAUNCH_BOUND else f"launch-bound: device idle {100 * idle:.0f} %"


def groups(records: Iterable[Run]) -> list[Group]:
    """The groups of these records: two records share one where everything is equal that must be for a comparison."""
    members: dict[str, list[Run]] = {}
    for record in records:
        members.setdefault(trait(record, "common"), []).append(record)
    shared = {common: json.loads(common) for common in members}
    by_name: dict[tuple[str, str], list[list[Run]]] = {}
    in_order = sorted(members, key=lambda common: _natural(json.dumps(shared[common], sort_keys=True)))
    for found in map(members.__getitem__, in_order):
        by_name.setdefault((trait(found[0], "task"), trait(found[0], "preset")), []).append(found)
    made, slugs = [], _Slugs()
    for (task, preset), several in sorted(by_name.items()):
        commons = [shared[trait(found[0], "common")] for found in several]
        varied = _varied(commons)
        for common, found in zip(commons, several, strict=True):
            differing = [_phrase(name, value) for name, value in common.items() if name in varied]
            title = ", ".join([task, preset, *differing])
            about, members_in_order = _about(common, found), sorted(found, key=_place)
            made.append(Group(title, slugs(title), about, members_in_order, ", ".join(differing)))
    return made


def _varied(settings: Sequence[Mapping[str, Any]]) -> set[str]:
    """The names under which these do not all have the same value; one that is missing has None."""
    names = {name for each in settings for name in each}
    return {name for name in names if len({each.get(name) for each in settings}) > 1}


class _Slugs:
    """Titles as parts of file names; of titles that are written alike, all but the first get a number."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def __call__(self, title: str) -> str:
        slug = base = re.sub(r"[^a-z0-9.]+", "-", title.lower()).strip("-.")[:80]
        while slug in self._last:
            self._last[base] += 1
            slug = f"{base}-{self._last[base]}"
        self._last[slug] = 1
        return slug


def seedless(record: Run) -> str:
    """Everything that was asked for but the seed, the variant by its present name; equal for repetitions."""
    found: str = trait(record, "seedless")
    return found


def present_spec(record: Record) -> RunSpec:
    """The spec, its variant by the present name."""
    spec = record.spec
    return spec.model_copy(update={"variant": backends.current_variant(spec.backend, spec.variant)})


def _about(common: Mapping[str, Any], records: Iterable[Run]) -> str:
    """Everything that the records share, and the devices that they ran on."""
    records = list(records)
    shown: dict[str, Any] = {}
    for name, value in common.items():
        if name == "precision":
            shown["device"] = " and ".join(_devices(records))
        shown[name] = value
    shown |= {"gpu": " and ".join(gpus)} if (gpus := _gpus(records)) else {}
    return " · ".join(_phrase(name, value) for name, value in shown.items() if name not in ("task", "preset"))


def _devices(records: Iterable[Run]) -> list[str]:
    return sorted({trait(record, "device") for record in records})


def _system(record: Run) -> dict[str, str]:
    """What ran on the machine: shown where it differs, but no reason to tell repetitions apart."""
    node = trait(record, "node")
    return {
        "os": trait(record, "os"), "python": f"Python {trait(record, 'python')}", "node": f"on {node}" if node else "",
    }  # fmt: skip


def _gpus(records: Iterable[Run]) -> list[str]:
    return sorted(filter(None, {trait(record, "device_name") for record in records}))


def _natural(text: str) -> list[tuple[int, str]]:
    """A sort key for text with numbers in it: 2 comes before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,18})", text)]


def _place(record: Run) -> tuple[Any, ...]:
    which = [trait(record, name) for name in ("cell_place", "cell", "backend", "device", "variant", "seed")]
    return *which, trait(record, "created").isoformat()


def _common(record: Record) -> dict[str, Any]:
    """What a group has in common: the processor, and the spec without cell, seed and contender.

    The device belongs to the contender, and with it the GPU: people want to compare a GPU with a CPU.
    """
    fields = record.spec.model_dump(exclude={"seed", "backend", "variant", "device", "parameters"})
    model = {name: value for name, value in fields.pop("model").items() if name not in _WHICH}
    optimizer, init = fields.pop("optimizer"), fields.pop("initialisation")
    for name in RunSpec.younger & record.spec.unsaid().keys():
        del fields[name]
    return {
        "task": fields.pop("task"), "preset": fields.pop("preset"),
        **{f"P.{name}": value for name, value in sorted(record.spec.parameters.items())},
        **model, "batch": fields.pop("batch"), "steps": fields.pop("steps"),
        **dict(_optimizer(optimizer)), "init": _initialisation(init), **fields, "cpu": record.environment.cpu,
    }  # fmt: skip


def _optimizer(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The update rule in words, each part on its own, so that where runs differ in one it alone is named."""
    adam = ("beta1", "beta2", "epsilon")
    own = {"adam": adam, "adamw": adam, "rmsprop": ("alpha", "epsilon")}.get(fields["name"], ())
    clip = "no clipping" if fields["clip"] is None else f"clip {fields['clip']:g}"
    if fields["clip_value"] is not None:
        clip = f"clip by value {fields['clip_value']:g}"
    yield "optimizer", fields["name"]
    yield "lr", f"lr {fields['lr']:g}"
    if schedule := " ".join(_schedule(fields)):
        yield "schedule", schedule
    yield "clip", clip
    if fields["weight_decay"]:
        yield "weight_decay", f"weight decay {fields['weight_decay']:g}"
    if own:
        yield "constants", " ".join(f"{name} {fields[name]:g}" for name in own)


def _schedule(fields: Mapping[str, Any]) -> Iterator[str]:
    """What changes the learning rate."""
    if fields["warmup"]:
        yield f"warm-up {fields['warmup']}"
    if fields["schedule"] == "step":
        yield f"times {fields['decay_by']:g} every {fields['decay_every']}"
    elif fields["schedule"] != "constant":
        yield fields["schedule"]


def _initialisation(fields: Mapping[str, Any]) -> str:
    forget = f"chrono {fields['chrono']}" if fields["chrono"] else f"forget bias {fields['forget_bias']:g}"
    return f"{fields['input']} inputs, {fields['recurrent']} recurrence, {forget}"


def _phrase(name: str, value: Any) -> str:
    """A setting in words."""
    words = {
        "hidden": f"hidden {value}",
        "layers": f"{value} layer" + "s" * (value != 1),
        "bidirectional": "bidirectional" if value else "one direction",
        "batch": f"batch {value}",
        "steps": f"{value} updates",
        **dict.fromkeys(("optimizer", "lr", "schedule", "clip", "weight_decay", "constants"), value),
        "init": f"init {value}",
        "device": value,
        "precision": value,
        "chunk": f"timed in chunks of {value}",
        "evaluate_every": f"evaluated every {value}",
        "threads": f"{value} thread" + "s" * (value != 1),
        "denormals": f"denormals: {value}",
        "deterministic": "deterministic kernels" if value else "any kernels",
        "score_at": f"scored at {value}",
        "label_smoothing": f"labels smoothed by {value}",
        "dropout": f"dropout {value}",
        "input_dropout": f"input dropout {value}",
        "patience": f"patience {value}",
        "accumulate": f"in {value} micro-batches",
        "start": f"from saved parameters {value[:8]}" if name == "start" else "",
        "cpu": value,
        "gpu": value,
    }
    return str(words.get(name, f"{name.removeprefix('P.')} {value}"))


def median_of(values: Iterable[float | None]) -> float | None:
    """The median of the values that are not None; None where there are none."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
