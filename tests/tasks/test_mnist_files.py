"""The MNIST files: the named folder, the cache, the download, and every way in which a file can be wrong."""

from __future__ import annotations

import gzip
import hashlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from tasks import mnist_files
from tasks.base import DataUnavailable
from tasks.mnist_files import File
from tests.tasks.idx_bytes import encoded

TRAIN_IMAGES = mnist_files.FILES["train"][0]


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No HARNESS_DATA, and an empty cache."""
    monkeypatch.delenv(mnist_files.ENVIRONMENT, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(mnist_files, "cache_folder", lambda: tmp_path / "cache" / "mnist")
    return tmp_path / "cache" / "mnist"


def refusal(file: File = TRAIN_IMAGES) -> str:
    with pytest.raises(DataUnavailable) as refused:
        mnist_files.read(file)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# -- a named folder ---------------------------------------------------------------------
def test_a_named_folder_without_mnist_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(mnist_files.ENVIRONMENT, str(tmp_path))
    assert f"{tmp_path} (--data or HARNESS_DATA) holds no folder mnist" in refusal()


def test_a_missing_file_is_named_with_its_folder(named: Path) -> None:
    assert f"train-images-idx3-ubyte (or train-images-idx3-ubyte.gz) is missing in {named}" in refusal()


def test_a_folder_in_place_of_a_file_is_refused(named: Path) -> None:
    (named / "train-images-idx3-ubyte").mkdir()
    assert refusal().startswith(f"cannot read {named / 'train-images-idx3-ubyte'}: Is a directory")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>", "not an IDX file: it begins with b'<!DOCTYP'"),
        (b"", "not an IDX file: it begins with b''"),
        (encoded(np.zeros((3, 28, 28), np.uint8))[:-1], "it has 2367 bytes where its header promises 2368"),
        (encoded(np.zeros(5, np.uint8)), "it holds uint8 of shape (5,)"),
        # its header would hold the time, and so would the test's name
        (gzip.compress(encoded(np.zeros(9, np.uint8)), mtime=0)[:-9], "the gzip stream is cut short or corrupt"),
    ],
    ids=["html", "empty", "truncated", "labels", "cut-gzip"],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_other_contents_are_refused_with_what_they_are(named: Path, data: bytes, what: str, suffix: str) -> None:
    path = named / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(data)
    assert refusal().startswith(f"{path}: checksum of its contents does not match: {what}")


def test_a_truncated_real_file_is_refused_and_a_plain_copy_is_not(
    real: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    labels = mnist_files.FILES["t10k"][1]
    whole = gzip.decompress((real / f"{labels.name}.gz").read_bytes())
    monkeypatch.setenv(mnist_files.ENVIRONMENT, str(tmp_path))
    (tmp_path / "mnist").mkdir()
    plain = tmp_path / "mnist" / labels.name
    plain.write_bytes(whole[:5000])
    assert "checksum of its contents does not match: it has 5000 bytes where its header promises 10008" in refusal(
        labels
    )
    plain.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "checksum of its contents does not match: it holds uint8 of shape (10000,)" in refusal(labels)
    plain.write_bytes(whole)
    assert mnist_files.read(labels).shape == (10_000,)


# -- the cache and the download ---------------------------------------------------------
SMALL = encoded(np.arange(6, dtype=np.uint8).reshape(2, 3))
SMALL_FILE = File("small-idx2-ubyte", hashlib.sha256(SMALL).hexdigest())


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on the loopback and the folder that it serves."""
    served = tmp_path / "served"
    served.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs) -> None:  # type: ignore[no-untyped-def]
            super().__init__(*args, directory=str(served), **kwargs)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", served
        server.shutdown()
        thread.join()


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def test_without_network_the_line_says_how_to_bring_the_data(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist_files, "MIRRORS", (closed_port(), closed_port()))
    line = refusal()
    assert "no mirror gave it (127.0.0.1:" in line
    assert line.count("ConnectionError") == 2
    assert "pass --data DIR or set HARNESS_DATA=DIR" in line
    assert list(cache.iterdir()) == []


def test_a_download_is_checked_kept_and_used_again(
    cache: Path, mirror: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    url, served = mirror
    (served / f"{SMALL_FILE.name}.gz").write_bytes(gzip.compress(SMALL))
    monkeypatch.setattr(mnist_files, "MIRRORS", (closed_port(), url))
    assert mnist_files.read(SMALL_FILE).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert [path.name for path in cache.iterdir()] == [f"{SMALL_FILE.name}.gz"]
    monkeypatch.setattr(mnist_files, "MIRRORS", ())
    assert mnist_files.read(SMALL_FILE).shape == (2, 3)
    assert capfd.readouterr() == ("", "")


def test_what_a_mirror_sends_instead_is_not_kept(
    cache: Path, mirror: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, served = mirror
    (served / f"{SMALL_FILE.name}.gz").write_bytes(b"<html>please sign in</html>")
    monkeypatch.setattr(mnist_files, "MIRRORS", (url,))
    assert "sent something else" in refusal(SMALL_FILE)
    assert list(cache.iterdir()) == []


def test_a_corrupt_cached_file_is_refused_with_the_cure(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / f"{SMALL_FILE.name}.gz").write_bytes(b"half")
    assert refusal(SMALL_FILE).endswith("delete it and run again")


def test_two_downloads_at_once_both_succeed(
    cache: Path, mirror: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, served = mirror
    (served / f"{SMALL_FILE.name}.gz").write_bytes(gzip.compress(SMALL))
    program = (
        "import sys; from pathlib import Path; from tasks import mnist_files as m; "
        f"m.MIRRORS = ({url!r},); m.cache_folder = lambda: Path({str(cache)!r}); "
        f"print(m.read(m.File({SMALL_FILE.name!r}, {SMALL_FILE.sha256!r})).sum())"
    )
    running = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0].strip() for process in running] == ["15", "15"]
    assert [path.name for path in cache.iterdir()] == [f"{SMALL_FILE.name}.gz"]
