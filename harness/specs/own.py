"""Files of models of users' own: what a spec says of one, and where this process finds it.

A spec has a file's name and the digest of its text, never where it lies: planning notes that here, for the workers that
it starts.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path

from harness.errors import UsageError
from harness.specs.base import SOURCE, Model

#: By digest, the files that were named to this process.
_FILES: dict[str, Path] = {}


def split(words: str) -> tuple[Path, str]:
    """File and name of ``path/to/my_model.py:Name``; no name where the file itself is the model.

    Raises:
        UsageError: it is not of that form, or there is no such file.
    """
    place, _, name = (words, "", "") if words.endswith(".py") else words.rpartition(":")
    file = Path(place).name
    if (
        re.fullmatch(SOURCE, f"a.py:{name}".removesuffix(":"))
        and file.endswith(".py")
        and not re.fullmatch(SOURCE, file)
    ):
        raise UsageError(
            "--model: the name of the file, which records, commands and tables show, may have the letters a to z and A "
            f"to Z, digits, _, . and -, and begins with none of the last two: not {file!r:.100}"
        )
    if not re.fullmatch(SOURCE, f"{Path(place).name}:{name}".removesuffix(":")):
        raise UsageError(f"--model takes FILE.py:NAME, the file and what it calls the model, not {words!r:.100}")
    try:
        path = Path(place).expanduser()
        there, other = path.is_file(), path.exists()
    except (OSError, RuntimeError):  # a name that none can have, or the home of a user whom the system does not know
        there = other = False
    if other and not there:
        raise UsageError(f"--model: {place:.200} is no regular file")
    if not there:
        raise UsageError(f"--model: there is no file {place:.200}")
    return path, name


def placed(words: Path) -> tuple[Path, str]:
    """File or folder, and the name that follows a file's as in ``split``; no name where none is given.

    Raises:
        UsageError: there is neither.
    """
    with suppress(OSError):  # a name that none can have
        if words.is_file() or words.is_dir():
            return words, ""
    if ".py" not in words.name:
        raise UsageError(f"--model: there is no file or folder {words!s:.200}")
    return split(str(words))


def noted(path: Path) -> str:
    """The SHA-256 of a file's text, by which workers of this process get the file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"--model: {path}: {error.strerror}") from None
    _FILES[digest] = path.resolve()
    return digest


def file_of(model: Model) -> str | None:
    """Where the file of a spec's model lies; None where the model is a cell's, or no such file was named."""
    found = _FILES.get(model.sha256 or "")
    return str(found) if found else None
