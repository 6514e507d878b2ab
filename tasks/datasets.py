"""Data sets of a user's own, as they are kept: where, under which names, and reading their arrays.

Arrays lie in the user's data folder under the digest of their contents, and a name is a small file that holds a digest:

    sets/<SHA-256>/set.json      what it is: ``DataSet``
    sets/<SHA-256>/train-x.npy   inputs, float32 (sequences, length, inputs); also validation-x and test-x
    sets/<SHA-256>/train-y.npy   targets; where sequences differ in length also train-lengths.npy
    names/<name>                 the digest

``harness data add`` writes them (``harness.datasets``). Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tasks.base import SPLITS, Array, DataUnavailable, Loss, Readout, Split, TaskError

#: Names another folder than the user's.
ENVIRONMENT = "HARNESS_DATASETS"
DESCRIPTION = "set.json"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
#: A digest, and how much of it names a data set where people read it: enough that no two are ever alike by chance.
DIGEST = re.compile(r"[0-9a-f]{64}")
SHORT = 16
#: Data sets up to this size are read whole, and checked against their digest, before anything is measured. Larger ones
#: are mapped into memory, of which the kernel reads what a batch needs.
IN_MEMORY = 256 * 2**20


class MissingData(DataUnavailable):
    """A data set that was asked for by its digest is not here.

    Attributes:
        here: digest of the data set that has the name instead; None where none has.
    """

    def __init__(self, name: str, digest: str, here: str | None) -> None:
        self.here = here
        where = f"under another name than {name}, which is other data here" if here else "again"
        super().__init__(
            f"data set {name!r} of SHA-256 {digest[:SHORT]} is missing; add the same data {where}: "
            f"harness data add {'NAME' if here else name} --x X.npy --y Y.npy, or its file, with the options of then"
        )


@dataclass(frozen=True)
class DataSet:
    """What a stored data set is. Whence it came is not kept.

    Attributes:
        sha256: of its arrays and of what they mean.
        loss, readout: ``mse`` for numbers, ``cross-entropy`` for classes; one target per sequence or one per step.
        length, inputs, outputs: time steps of the longest sequence, features per step, numbers or classes per readout.
        shortest: time steps of the shortest sequence where lengths differ; None where all are equally long.
        splits: sequences in each.
        split_by: the rule, in words.
        standardised: mean and standard deviation by feature (``x_mean``, ``x_std``) and by output (``y_mean``,
            ``y_std``) that were subtracted and divided by; None where values are as they were given.
        baseline: scores of a model that learned nothing.
        columns: names of the features, then of the target, of a series read from a table; else none.
        files: SHA-256, type and shape of each array, by its file's name without the ending.
    """

    sha256: str
    loss: Loss
    readout: Readout
    length: int
    inputs: int
    outputs: int
    shortest: int | None
    splits: Mapping[Split, int]
    split_by: str
    standardised: Mapping[str, list[float]] | None
    baseline: Mapping[str, float]
    columns: list[str]
    files: Mapping[str, Mapping[str, Any]]

    @property
    def short(self) -> str:
        """The beginning of the digest, which people read and specs have."""
        return self.sha256[:SHORT]

    @property
    def bytes(self) -> int:
        """Of all arrays."""
        return sum(int(np.dtype(each["dtype"]).itemsize * np.prod(each["shape"])) for each in self.files.values())

    @staticmethod
    def digest_of(content: Mapping[str, Any]) -> str:
        """SHA-256 of the files' digests and of what decides what is learned from them.

        Args:
            content: values of ``CONTENT``, by name.
        """
        return hashlib.sha256(
            json.dumps({name: content[name] for name in CONTENT}, sort_keys=True).encode()
        ).hexdigest()

    def arrays(self, split: Split) -> tuple[Array, Array, Array | None]:
        """Inputs, targets and, where they differ, lengths of a split.

        Raises:
            DataUnavailable: files are missing, or not as they were written.
        """
        return _arrays(folder() / "sets" / self.sha256, split)


#: What the digest is of.
CONTENT = ("loss", "readout", "outputs", "shortest", "splits", "files")


def folder() -> Path:
    """The folder that holds all data sets: that in HARNESS_DATASETS, else one in the user's data folder."""
    if named := os.environ.get(ENVIRONMENT):
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("harness") / "datasets"


def names() -> dict[str, str]:
    """Digest by name of every data set that can be read."""
    return {name: digest for name, digest in _names().items() if _read(digest) is not None}


def digest_of(name: str) -> str | None:
    """The digest that a name stands for; None where there is no such name, or its data set cannot be read."""
    digest = _names().get(name)
    return digest if digest and _read(digest) else None


def named(name: str) -> DataSet:
    """The data set of that name. Raises LookupError where there is none."""
    digest = digest_of(name)
    found = _read(digest) if digest else None
    if found is None:
        raise LookupError(f"no data set {name!r}")
    return found


def find(name: str, short: str) -> DataSet:
    """The data set whose digest begins so, whatever it is called here.

    Args:
        name: by which it was known, for the message.

    Raises:
        TaskError: this is no beginning of a digest.
        MissingData: there is none.
    """
    if not SHORT <= len(short) <= 64 or set(short) - set("0123456789abcdef"):
        raise TaskError(f"{name}: data must be a SHA-256, or its first {SHORT} digits, not {short[:64]!r}")
    for place in sorted((folder() / "sets").glob(f"{short}*")):
        if found := _read(place.name):
            return found
    raise MissingData(name, short, digest_of(name))


def _names() -> dict[str, str]:
    found = {}
    try:
        places = sorted((folder() / "names").iterdir())
    except OSError:
        return {}
    for place in places:
        try:
            text = place.read_text(encoding="ascii").strip() if NAME.fullmatch(place.name) else ""
        except (OSError, ValueError):
            continue
        if DIGEST.fullmatch(text):
            found[place.name] = text
    return found


def _read(digest: str) -> DataSet | None:
    place = folder() / "sets" / digest / DESCRIPTION
    try:
        return _parsed(place, place.stat().st_mtime_ns)
    except (OSError, ValueError, TypeError, KeyError):
        return None


@lru_cache(maxsize=256)
def _parsed(place: Path, written: int) -> DataSet:
    del written  # a file that was written anew is read anew
    content = json.loads(place.read_text(encoding="utf-8"))
    found = DataSet(**{field.name: content[field.name] for field in fields(DataSet)})
    if found.sha256 != place.parent.name or found.sha256 != DataSet.digest_of(content):
        raise ValueError(f"{place} does not describe the data set of its folder")
    if set(found.splits) != set(SPLITS):
        raise ValueError(f"{place} has other splits")
    return found


@lru_cache(maxsize=6)
def _arrays(place: Path, split: Split) -> tuple[Array, Array, Array | None]:
    stored = _read(place.name)
    if stored is None:
        raise DataUnavailable(f"data set {place.name[:SHORT]} was removed")
    whole = stored.bytes <= IN_MEMORY
    x, y = (_array(place, f"{split}-{what}", stored, whole) for what in "xy")
    return x, y, None if stored.shortest is None else _array(place, f"{split}-lengths", stored, whole)


def _array(place: Path, name: str, stored: DataSet, whole: bool) -> Array:
    about, path = stored.files[name], place / f"{name}.npy"
    try:
        array: Array = np.load(path, mmap_mode=None if whole else "r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        # an OSError would name the folder, and records keep why a run failed
        why = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise DataUnavailable(f"cannot read {name} of data set {stored.short}: {why}") from None
    if [array.dtype.str, list(array.shape)] != [about["dtype"], list(about["shape"])] or (
        whole and hashlib.sha256(np.ascontiguousarray(array).data).hexdigest() != about["sha256"]
    ):
        raise DataUnavailable(
            f"{name} of data set {stored.short} was changed since it was added; remove and add it again"
        )
    return array
