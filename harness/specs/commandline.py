"""The command that repeats a run, made from its spec."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from harness.specs.base import SOURCE, Optimizer
from harness.specs.options import RUN, SPEED, WITHOUT_OPTION, WITHOUT_SPEED_OPTION, value_at
from harness.specs.run import RunSpec
from harness.specs.shapes import DEFAULT_SHAPE
from harness.specs.speed import SpeedSpec

#: A backend and one of its variants.
Contender = tuple[str, str]

#: A model of a user's own, in the folder where the command is given.
_SOURCE = re.compile(SOURCE)
#: Words without a character that a shell, or ``shlex.join``, treats in a special way.
_NOTHING_QUOTED = re.compile(r"[\w@%+=:,./-]+( [\w@%+=:,./-]+)*", re.ASCII)
_NUMBER = re.compile(r"-[0-9.]+(e[+-]?[0-9]+)?")


def words(spec: RunSpec, version: str | None = None) -> list[str]:
    """``harness run`` with exactly this spec, every option named, so that no default can change it.

    Args:
        version: of the framework, where a certain one was asked for.
    """
    found = ["harness", "run"]
    for option in RUN:
        if option.fills is None:
            continue
        value = value_at(spec, option.fills)
        found += option.words(f"{value}@{version}" if option.name == "backend" and version else value)
    return found


def command_line(spec: RunSpec, version: str | None = None) -> str | None:
    """The command as a shell takes it; None for a spec with values that no option can give."""
    usual = Optimizer()
    for path in WITHOUT_OPTION:
        if value_at(spec, path) != getattr(usual, path.removeprefix("optimizer.")):
            return None
    return shlex.join(words(spec, version))


#: What decides how long an update of a run takes; and of a contest, what its command always names.
_OF_SPEED = frozenset({
    "task", "preset", "cell", "model", "device", "precision", "hidden", "layers", "bidirectional", "batch",
    "accumulate", "parameter", "threads", "denormals",
})  # fmt: skip
_NAMED = frozenset({"cell", "batch", "length", "features", "hidden", "threads"})


def comparison(spec: RunSpec, a: Contender, b: Contender) -> str:
    """``harness compare`` of the speed of two contenders, live, at a run's sizes; usual values go without saying.

    Args:
        a, b: backend and variant of each.
    """
    found = ["harness", "compare"]
    for side, (backend, variant) in (("--a", a), ("--b", b)):
        found += [side, f"--backend {backend} --variant {variant}"]
    usual = {name: field.default for name, field in RunSpec.model_fields.items() if not field.is_required()}
    for option in RUN:
        if option.name in _OF_SPEED and option.fills:
            value = value_at(spec, option.fills)
            if option.fills not in usual or value != usual[option.fills]:
                found += option.words(value)
    return shlex.join(found)


def contest(spec: SpeedSpec, contenders: Sequence[Contender]) -> str | None:
    """``harness speed`` of these contenders; usual values go without saying. None where no option can give a value.

    Args:
        spec: of one of them.
        contenders: backend and variant of each.
    """
    usual = SpeedSpec.of_shape(DEFAULT_SHAPE, backend=spec.backend, threads=spec.threads)
    if any(value_at(spec, path) != value_at(usual, path) for path in WITHOUT_SPEED_OPTION):
        return None
    found = ["harness", "speed", "--backend", ",".join(dict.fromkeys(backend for backend, _ in contenders))]
    found += ["--variant", ",".join(f"{backend}:{variant}" for backend, variant in contenders)]
    for option in SPEED:
        if option.fills and option.name not in ("backend", "variant"):
            value = value_at(spec, option.fills)
            if option.name in _NAMED or value != value_at(usual, option.fills):
                found += option.words(value)
    return shlex.join(found)


def runs_only(command: str) -> bool:
    """Whether a shell that is given ``command`` starts ``harness run`` with options of a spec, and does nothing else.

    A record may come from anyone, and its command is there to be pasted: no other program, no other folder.
    """
    if _NOTHING_QUOTED.fullmatch(command):
        found = command.split(" ")  # what a shell does with it, at a tenth of the time
    else:
        try:
            found = shlex.split(command)
        except ValueError:
            return False
        if shlex.join(found) != command:
            return False
    flags = (word for word in found[2:] if word.startswith("-") and not _NUMBER.fullmatch(word))
    models = [value for flag, value in pairwise(found) if flag == "--model"]
    if not all(map(_SOURCE.fullmatch, models)):
        return False
    return found[:2] == ["harness", "run"] and _spellings().issuperset(flags)


@cache
def _spellings() -> frozenset[str | None]:
    """Every way to write an option of a spec."""
    spellings = [(f"--{each.name}", f"--no-{each.name}", each.short) for each in RUN if each.fills]
    return frozenset(flag for flags in spellings for flag in flags)
