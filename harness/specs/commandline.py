"""The command that repeats a run, made from its spec."""

from __future__ import annotations

import re
import shlex
from functools import cache
from itertools import pairwise

from harness.specs.base import SOURCE, Optimizer
from harness.specs.options import RUN, WITHOUT_OPTION, value_at
from harness.specs.run import RunSpec

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
