"""What may make two results of one spec differ: everything around them that is recorded, the likeliest cause first.

A script of the published site compares traits by the same rule: ``templates/site/static/judge.js``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from harness.records.base import Environment
from harness.records.former import current_packages, current_wording
from harness.records.run import Record

#: From which rank on traits are those of the machine and the installation, and of all other packages.
_AROUND, _LAST = 100, 200


class Trait(NamedTuple):
    """Something around a result.

    Attributes:
        rank: the lower, the likelier as a cause.
        what: its name.
        value: None where it is unknown. Of a list, what only one side has is a difference.
        needs: a kind of traits: a difference counts only where both sides know some of that kind.
        unless: a kind of traits: a difference counts only where not both sides know some of that kind.
    """

    rank: int
    what: str
    value: Any
    needs: str = ""
    unless: str = ""


class Apart(NamedTuple):
    """A trait in which two sides differ, and what each has."""

    what: str
    first: Any
    second: Any


def traits_of(
    environment: Environment, framework: str, executed: str | None, model_sha256: str | None = None
) -> list[Trait]:
    """The traits of a result, by rank.

    Args:
        framework: the backend's name, whose version is among the likeliest causes.
        executed: what computed the recurrence.
        model_sha256: of a user's own model.
    """
    e = environment
    versions = [name for name in dict.fromkeys((framework, "numpy")) if name in e.versions]
    packages = {name: version for name, version in current_packages(e.packages).items() if name not in versions}
    return [
        Trait(0, "the model's source", model_sha256 and f"SHA-256 {short_digest(model_sha256)}"),
        Trait(1, "what computed the recurrence", current_wording(executed)),
        Trait(2, "the backend's code", e.plugins.get("backend"), "plugin"),
        *(Trait(3, f"source of {floor}", digest, "sources") for floor, digest in sorted(e.sources.items())),
        Trait(4, "commit of the harness", e.git_commit, unless="sources"),
        *(Trait(5 + (name != framework), name, e.versions[name]) for name in versions),
        Trait(_AROUND, "processor", e.cpu),
        Trait(_AROUND + 1, "processor features", sorted(e.cpu_flags) or None, "flags"),
        Trait(_AROUND + 2, "kernels of matrix products", _kernels(e), "kernels"),
        Trait(_AROUND + 3, "number of CPUs", len(e.affinity)),
        Trait(_AROUND + 4, "threads", e.threads),
        Trait(_AROUND + 5, "GPU", e.device_name),
        Trait(_AROUND + 6, "Python", e.python),
        Trait(_AROUND + 7, "C library", e.libc, "libc"),
        Trait(_AROUND + 8, "operating system", e.os),
        *(Trait(_LAST, name, packages[name], "packages") for name in sorted(packages)),
    ]


def parted(traits: Sequence[Trait]) -> tuple[list[Trait], list[Trait]]:
    """The traits of the result itself, and those of its machine and installation, which many results share."""
    return [each for each in traits if each.rank < _AROUND], [each for each in traits if each.rank >= _AROUND]


def apart(first: Sequence[Trait], second: Sequence[Trait]) -> Iterator[Apart]:
    """The traits in which two sides differ, the likeliest cause first."""
    ours, theirs = ({each.what: each for each in side} for side in (first, second))
    for each in _in_order(ours, theirs):
        if each.needs and not _both_know(each.needs, first, second):
            continue
        if each.unless and _both_know(each.unless, first, second):
            continue
        a, b = (side[each.what].value if each.what in side else None for side in (ours, theirs))
        if isinstance(a, list) and isinstance(b, list):
            a, b = ([value for value in one if value not in other] for one, other in ((a, b), (b, a)))
        if a != b:
            yield Apart(each.what, a, b)


def _in_order(ours: Mapping[str, Trait], theirs: Mapping[str, Trait]) -> list[Trait]:
    """Every trait of either side once, at the lower of its ranks."""
    least: dict[str, Trait] = dict(ours)
    for what, each in theirs.items():
        if what not in least or each.rank < least[what].rank:
            least[what] = each
    return sorted(least.values(), key=lambda each: (each.rank, each.what))


def _both_know(kind: str, *sides: Sequence[Trait]) -> bool:
    return all(any(each.needs == kind and each.value is not None for each in side) for side in sides)


def causes(record: Record, again: Record) -> Iterator[str]:
    """What differs between the two runs' environments, the most likely cause first."""
    for what, recorded, found in apart(*(record_traits(each) for each in (record, again))):
        yield f"{what}: {_short(found)}, recorded {_short(recorded)}"


def record_traits(record: Record) -> list[Trait]:
    """The traits of a run."""
    return traits_of(record.environment, record.spec.backend, record.executed, record.spec.model.sha256)


def _kernels(environment: Environment) -> str | None:
    kernels = (filter(None, (each.library, each.version, each.kernel)) for each in environment.blas)
    return ", ".join(map(" ".join, kernels)) or None


def short_digest(digest: str | None) -> str:
    """The start of a digest, for people."""
    return f"{digest[:12]}…" if digest else "none"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
