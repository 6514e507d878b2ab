"""Virtual environments with exact versions: built once, named after their contents, never left half-built."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock
from packaging.version import InvalidVersion, Version
from platformdirs import user_cache_path

import backends
from harness.machine import software
from harness.records.run import Record
from tasks.registry import DISTRIBUTION

Tell = Callable[[str], None]
#: Names as PEP 508 allows them, no longer than any on the index.
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?", re.IGNORECASE)
#: Ours comes from this checkout (older records call it ``harness``); the others come with any environment.
_NOT_PINNED = {DISTRIBUTION, "harness", "pip", "setuptools", "wheel"}
#: Parts of this project that bring a framework.
EXTRAS = ("numpy", "numba", "torch", "tensorflow", "jax", "cupy", "rivals")
#: The only words that may name a Python to uv, which would also start a file of that name.
_PYTHON = re.compile(r"[0-9]+\.[0-9]+")
_DONE = "harness-environment.json"


class NotBuilt(RuntimeError):
    """The environment could not be built, in one line; nothing of it is left."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides an environment.

    Attributes:
        extra: the part of this project that brings the framework, such as ``torch``.
        python: major and minor version.
        pins: the exact version of each distribution, if it is installed at all.
        reads_saved: whether it reads saved parameters, for which this project has another part.
        more: other parts of this project that the variant needs, such as ``rivals``.
        commit: of this project's code, where it is not what is here; code: the folder that has it.
    """

    extra: str
    python: str
    pins: Mapping[str, str]
    reads_saved: bool = False
    commit: str | None = None
    more: tuple[str, ...] = ()
    code: Path = field(default=software.SOURCE, compare=False)

    @property
    def extras(self) -> list[str]:
        """All parts of this project that are installed."""
        return [self.extra, *self.more, *["save"] * self.reads_saved]

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits, equal for equal recipes."""
        more = [*self.extras[1:], *([self.commit] if self.commit else [])]
        content = json.dumps([self.extra, self.python, sorted(self.pins.items()), *more])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """The environment's folder."""
        return f"{self.extra}-{self.digest}"


def recipe(record: Record) -> Recipe:
    """The environment that a record was made in.

    Raises:
        NotBuilt: the record names an invalid distribution or version, of Python too.
    """
    where = record.environment
    pins = dict(where.packages or where.versions)
    for name, version in pins.items():
        _check_pin(name, version)
    pins = {name: str(Version(version).public) for name, version in pins.items() if name not in _NOT_PINNED}
    name = record.spec.backend
    known = name in backends.registry.names()
    extra, *more = backends.load(name).extras(record.variant or record.spec.variant) if known else (name,)
    for each in (extra, *more):
        if each not in EXTRAS:
            raise NotBuilt(f"this project has no extra that brings {each!r}; it has {', '.join(EXTRAS)}")
    python = re.match(_PYTHON, where.python)
    if python is None or not re.fullmatch(r"[0-9.]+((a|b|rc)[0-9]+)?\+?", where.python):
        raise NotBuilt(f"the record names Python {where.python[:40]!r}, which is not a version")
    return Recipe(extra, python[0], pins, reads_saved=record.spec.start is not None, more=tuple(more))


def recipe_for(backend: str, version: str | None) -> Recipe:
    """This Python and the libraries of this environment, with ``version`` of one framework; None for any version.

    Raises:
        NotBuilt: the backend is not one of this project's, or ``version`` is not a valid one.
    """
    if backend not in EXTRAS:
        raise NotBuilt(f"this project has no extra that brings {backend!r}; it has {', '.join(EXTRAS)}")
    pins = {name: version for name, version in software.library_versions().items() if name not in _NOT_PINNED}
    if version is not None:
        _check_pin(backend, version)
        pins[backend] = str(Version(version))
    return Recipe(backend, ".".join(map(str, sys.version_info[:2])), pins)


def find(backend: str, version: str | None, tell: Tell) -> Path | None:
    """The interpreter of an environment with that version of a framework, built if need be.

    Without a version: that of an existing environment, whatever version it has; None where there is none.

    Raises:
        NotBuilt: it could not be built.
    """
    return existing(backend) if version is None else python(recipe_for(backend, version), tell)


def needed(backend: str, version: str | None) -> bool:
    """Whether a run needs another environment: a version is asked for, or the framework is not installed here."""
    return version is not None or (find_spec(backend) is None and backend in EXTRAS)


def existing(backend: str) -> Path | None:
    """The interpreter of an environment that ``harness env add`` built for ``backend``, at any version; or None."""
    for name, _, _ in built():
        if name.rpartition("-")[0] == backend:
            return _interpreter(folder() / name)
    return None


def known(backend: str, version: str) -> Path | None:
    """The interpreter of the environment with that version of a framework; None where it is not built yet.

    Raises:
        NotBuilt: as ``recipe_for``.
    """
    place = folder() / recipe_for(backend, version).name
    return _interpreter(place) if (place / _DONE).exists() else None


def _check_pin(name: str, version: str) -> None:
    """A record may come from anyone: only plain names and versions go onto pip's command line and into its files."""
    if not _NAME.fullmatch(name):
        raise NotBuilt(f"the record names a distribution {name[:40]!r}, which is not a valid name")
    try:
        Version(version)
    except InvalidVersion:
        raise NotBuilt(f"the record names version {version[:40]!r} of {name}, which is not a valid version") from None


def folder() -> Path:
    """Where environments are kept: the user's cache."""
    return user_cache_path("harness") / "environments"


def python(recipe: Recipe, tell: Tell) -> Path:
    """The interpreter of the environment, built if it does not exist. A lock keeps two builders apart.

    Raises:
        NotBuilt: it could not be built; nothing of it is left.
    """
    if not _PYTHON.fullmatch(recipe.python):
        raise NotBuilt(f"{recipe.python[:40]!r} is no version of Python, such as 3.11")
    place = folder() / recipe.name
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{place}.lock"):
        if not (place / _DONE).exists():
            shutil.rmtree(place, ignore_errors=True)  # of a builder that was killed
            try:
                _build(place, recipe, tell)
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise
    return _interpreter(place)


def _interpreter(place: Path) -> Path:
    return place / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def _build(place: Path, recipe: Recipe, tell: Tell) -> None:
    if not (recipe.code / "pyproject.toml").exists():
        raise NotBuilt("environments are built from a checkout of this project, and this harness does not run from one")
    uv = shutil.which("uv")
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not uv and recipe.python != here:
        raise NotBuilt(f"the record is of Python {recipe.python}, this is {here}; install uv, which brings any Python")
    tell(f"a new environment for {recipe.extra}")
    _run(
        [uv, "venv", "-q", "--python", recipe.python, str(place)] if uv else [sys.executable, "-m", "venv", str(place)]
    )
    constraints = place / "constraints.txt"
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in sorted(recipe.pins.items())))
    tell(f"installing {recipe.extra} at the recorded versions")
    pip = [uv, "pip", "install", "--python", str(_interpreter(place))] if uv else [
        str(_interpreter(place)), "-m", "pip", "install", "--disable-pip-version-check"
    ]  # fmt: skip
    _run([*pip, "-q", "-c", str(constraints), f"{recipe.code}[{','.join(recipe.extras)}]"])
    (place / _DONE).write_text(json.dumps({"extra": recipe.extra, "python": recipe.python, "pins": dict(recipe.pins)}))


def _run(command: Sequence[str | None]) -> None:
    words = [word for word in command if word is not None]
    pipe, void = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, stdin=void, text=True, start_new_session=True) as installing:
        try:
            out, err = installing.communicate()
        except BaseException:
            _end(installing)
            raise
    if installing.returncode:
        lines = [line.strip() for line in (err + out).splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith(("error", "×", "x "))]
        raise NotBuilt(f"cannot build the environment: {(errors or lines or ['no reason was given'])[-1][:300]}")


def _end(installing: subprocess.Popen[str]) -> None:
    """End an installation and what it started: its own child builds the project."""
    if sys.platform == "win32":
        installing.kill()
    else:
        os.killpg(installing.pid, signal.SIGKILL)


def built() -> Iterator[tuple[str, Mapping[str, str], int]]:
    """Every environment that was built: its name, its pins, its size in bytes."""
    for done in sorted(folder().glob(f"*/{_DONE}")):
        size = sum(path.lstat().st_size for path in done.parent.rglob("*") if path.is_file())
        yield done.parent.name, json.loads(done.read_text())["pins"], size


def remove(name: str) -> bool:
    """Delete an environment; False where there is none of that name."""
    if name not in {known for known, _, _ in built()}:
        return False
    with FileLock(f"{folder() / name}.lock"):
        shutil.rmtree(folder() / name)
    return True
