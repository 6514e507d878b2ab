"""Which software is installed, and which source of this project runs."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import Distribution, PackageNotFoundError, distributions, version
from pathlib import Path

import backends
import tasks
from tasks.registry import Registry, places, project_version

#: Libraries that every run uses.
LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "pydantic")
#: The folder that holds the floors: of a checkout, its root.
SOURCE = Path(__file__).resolve().parents[2]
FLOORS = ("tasks", "backends", "harness")


def library_versions() -> dict[str, str]:
    """Versions of this project, under the name ``harness``, and of the libraries that every run uses."""
    ours = project_version()
    found = {"harness": ours} if ours else {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@lru_cache
def source_state() -> tuple[str | None, bool | None]:
    """The commit of this checkout, and whether its code was changed since; (None, None) outside a checkout."""
    if not (SOURCE / ".git").exists():
        return None, None
    try:
        commit = _git("rev-parse", "HEAD")
        # results are what runs produce: a new record does not make the code dirty
        changes = _git("status", "--porcelain", "--", "harness", "backends", "tasks", "pyproject.toml")
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit, bool(changes)


def _git(*words: str) -> str:
    command = ["git", "-C", str(SOURCE), *words]
    # a session of its own: Ctrl-C at the end of a run must not take the commit from the record
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20, start_new_session=True)
    return done.stdout.strip()


def packages() -> dict[str, str]:
    """Every installed distribution and its version, by normalised name (PEP 503)."""
    return _packages(places())


@lru_cache
def _packages(seen: tuple[tuple[str, int], ...]) -> dict[str, str]:
    del seen  # what is installed while this process runs is found
    return named(distributions())


def named(of: Iterable[Distribution]) -> dict[str, str]:
    """The versions of distributions by normalised name (PEP 503), the first of a name."""
    found: dict[str, str] = {}
    for each in of:
        name, version = _name_and_version(each)
        if name:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
    return dict(sorted(found.items()))


def _name_and_version(of: Distribution) -> tuple[str | None, str]:
    """What the head of a distribution's metadata says, whose other fields and description take long to parse."""
    text = of.read_text("METADATA") or of.read_text("PKG-INFO") or ""
    head = text.partition("\n\n")[0]
    name, version = (re.search(rf"^{field}:[ \t]*(.*\S)", head, re.M | re.I) for field in ("Name", "Version"))
    return (name[1], version[1]) if name and version else (of.metadata["Name"], of.version)


@lru_cache
def sources() -> dict[str, str]:
    """SHA-256 of each floor's Python source: names and contents, in order of name."""
    return sources_of(SOURCE)


def sources_of(root: Path) -> dict[str, str]:
    """The same of the code in a folder."""
    return {floor: _source_digest(root / floor) for floor in FLOORS}


def plugins(backend: str, task: str) -> dict[str, str]:
    """Digests of the source of a backend and a task, where they are third parties'."""
    found = {"backend": plugin_source(backends.registry, backend)}
    if task in tasks.registry.registered():  # a data set has no code, and may have another name by now
        found["task"] = plugin_source(tasks.registry, task)
    return {what: digest for what, digest in found.items() if digest is not None}


def plugin_source(registry: Registry, name: str) -> str | None:
    """SHA-256 of the Python source of what a third party registered as ``name``; None for this project's own.

    That is the source of its distribution, as far as that lists its files, and of the package or module that defines
    the class: names and contents, in order of name.
    """
    module = registry.load(name).__module__
    if module.partition(".")[0] in FLOORS:
        return None
    found = {**dict(_of_distribution(registry.distribution(name))), **dict(_of_package(module))}
    return _digest_of(found)


def _of_distribution(distribution: Distribution | None) -> Iterator[tuple[str, Path]]:
    for each in (distribution and distribution.files) or ():
        path = Path(str(each.locate()))
        if each.suffix == ".py" and path.is_file():
            yield each.as_posix(), path


def _of_package(module: str) -> Iterator[tuple[str, Path]]:
    """The source of the outermost package with a file that holds this module; of the module itself without one."""
    parts = module.split(".")
    names = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    for found in filter(None, map(sys.modules.get, names)):
        if found.__file__ is None:  # a namespace package: others may share it
            continue
        path = Path(found.__file__)
        root = path.parents[found.__name__.count(".") + hasattr(found, "__path__")]
        for each in path.parent.rglob("*.py") if hasattr(found, "__path__") else [path]:
            yield each.relative_to(root).as_posix(), each
        return


def _source_digest(folder: Path) -> str:
    return _digest_of({path.relative_to(folder).as_posix(): path for path in folder.rglob("*.py")})


def _digest_of(files: Mapping[str, Path]) -> str:
    return digest_of((name, path.read_bytes()) for name, path in sorted(files.items()))


def digest_of(files: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 of names and contents, which come in the order of the names."""
    digest = hashlib.sha256()
    for name, content in files:
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()
