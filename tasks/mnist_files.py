"""Where the MNIST files come from: a folder that the user names, the user's cache, or a download into the cache.

In each case the checksum of the uncompressed contents decides, as the same images are in circulation
compressed in several ways. A folder that the user names is never silently replaced by another source.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from urllib.parse import urlsplit

from tasks import idx
from tasks.base import Array, DataUnavailable

Part = Literal["train", "t10k"]

ENVIRONMENT = "HARNESS_DATA"
MIRRORS: tuple[str, ...] = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
#: Seconds without an answer after which the next mirror is tried.
TIMEOUT = 5.0
ADVICE = f"pass --data DIR or set {ENVIRONMENT}=DIR, where DIR/mnist/ holds the four MNIST files, gzipped or not"


@dataclass(frozen=True)
class File:
    """One of the four files: its name without ``.gz``, and the SHA-256 of its uncompressed contents."""

    name: str
    sha256: str


FILES: dict[Part, tuple[File, File]] = {
    "train": (
        File("train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        File("train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    ),
    "t10k": (
        File("t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        File("t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ),
}


@cache
def load(part: Part) -> tuple[Array, Array]:
    """Images (n, 28, 28) and labels (n,), uint8, read once per process.

    Raises:
        DataUnavailable: a file is missing or corrupt; the message, one line, says which and what to do.
    """
    images, labels = FILES[part]
    return read(images), read(labels)


def read(file: File) -> Array:
    """The array in one file: from the folder in HARNESS_DATA if that is set, else the cache, else a download.

    Raises:
        DataUnavailable: the file is missing or corrupt; the message, one line, says what to do.
    """
    if named := os.environ.get(ENVIRONMENT):
        return verified(_in_named_folder(Path(named), file), file, "replace it with a good copy")
    folder = cache_folder()
    if path := _present(folder, file):
        return verified(path, file, "delete it and run again")
    return download(folder, file)


def cache_folder() -> Path:
    """The folder in the user's cache where downloads are kept."""
    from platformdirs import user_cache_path

    return user_cache_path("harness") / "mnist"


def verified(path: Path, file: File, advice: str) -> Array:
    """Read the array at ``path`` and check by its SHA-256 that it is ``file``.

    Raises:
        DataUnavailable: it is not; the message says what it is instead, and ends with ``advice``.
    """
    try:
        data = idx.contents(path)
    except OSError as error:
        raise DataUnavailable(f"cannot read {path}: {error.strerror or error}; {advice}") from None
    except idx.IdxError as error:
        raise DataUnavailable(f"{path}: checksum of its contents does not match: {error}; {advice}") from None
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise DataUnavailable(f"{path}: checksum of its contents does not match: {_described(data)}; {advice}")
    return idx.parse(data)


def _described(data: bytes) -> str:
    try:
        array = idx.parse(data)
    except idx.IdxError as error:
        return str(error)
    return f"it holds {array.dtype} of shape {array.shape}, but not this part of MNIST"


def _present(folder: Path, file: File) -> Path | None:
    return next((path for path in (folder / file.name, folder / f"{file.name}.gz") if path.exists()), None)


def _in_named_folder(named: Path, file: File) -> Path:
    folder = named.expanduser() / "mnist"
    if not folder.is_dir():
        raise DataUnavailable(f"{named} (--data or {ENVIRONMENT}) holds no folder mnist; {ADVICE}")
    if path := _present(folder, file):
        return path
    raise DataUnavailable(f"{file.name} (or {file.name}.gz) is missing in {folder}; {ADVICE}")


def download(folder: Path, file: File) -> Array:
    """Download ``file`` into ``folder`` from the first mirror that has it, and read it.

    A download is checked in a scratch folder and then renamed into place, so that no partial
    file ever has the final name; of two processes at once the later replaces the file by an equal one.

    Raises:
        DataUnavailable: no mirror sent the file; the message, one line, says what each did instead.
    """
    import pooch

    pooch.get_logger().setLevel("CRITICAL")
    downloader = pooch.HTTPDownloader(timeout=TIMEOUT)
    failures = []
    for mirror in MIRRORS:
        host = urlsplit(mirror).netloc
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=".download-", dir=folder) as scratch:
                url = f"{mirror}{file.name}.gz"
                path = Path(pooch.retrieve(url, None, fname=f"{file.name}.gz", path=scratch, downloader=downloader))
                array = verified(path, file, "tried the next mirror")
                path.replace(folder / path.name)
                return array
        except DataUnavailable:
            failures.append(f"{host}: sent something else")
        except OSError as error:  # includes all errors of requests, the library under pooch
            failures.append(f"{host}: {type(error).__name__}")
    raise DataUnavailable(f"{file.name} is not in {folder} and no mirror gave it ({', '.join(failures)}); {ADVICE}")
