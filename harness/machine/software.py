"""Which software is installed, and which source of this project runs."""

from __future__ import annotations

import hashlib
import re
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from tasks.registry import project_version

#: Libraries that every run uses.
LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "pydantic")
#: The folder that holds the floors: of a checkout, its root.
SOURCE = Path(__file__).resolve().parents[2]


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


@lru_cache
def packages() -> dict[str, str]:
    """Every installed distribution and its version, by normalised name (PEP 503)."""
    found: dict[str, str] = {}
    for each in distributions():
        name = each.metadata["Name"]
        if name:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), each.version)
    return dict(sorted(found.items()))


@lru_cache
def sources() -> dict[str, str]:
    """SHA-256 of each floor's Python source: names and contents, in order of name."""
    return {floor: _source_digest(SOURCE / floor) for floor in ("tasks", "backends", "harness")}


def _source_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
