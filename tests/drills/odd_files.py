"""Files that are no record, or no file, beside a good record: through every command that reads records.

    python tests/drills/odd_files.py [--quick]

FIFOs, devices, sockets, loops of links, files larger than any record, every broken encoding of JSON, names with line
breaks or bytes that are no text, reports that never end. Each stands in a folder of its own. Each command that reads
records is run on it by a process of its own, forked from this one, with twenty seconds and 4 GiB of memory; ``verify``
is handed another record for a run, ``reproduce`` is refused an environment. Samples in ``../shared/data/odd`` are read
too, where there are any. Prints what was counted and each finding with the file's name; exits 1 if there was one. It
takes about six minutes.
"""

from __future__ import annotations

import argparse
import codecs
import gzip
import json
import os
import resource
import signal
import socket
import sys
import tempfile
import traceback
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from typer.testing import CliRunner  # noqa: E402

from harness.cli import app  # noqa: E402
from harness.cli import main as main_of_harness  # noqa: E402
from harness.processes.virtual_environments import NotBuilt  # noqa: E402
from tests.harness.conftest import made_record  # noqa: E402

SAMPLES = ROOT.parent / "shared" / "data" / "odd"
LONGEST_S, MEMORY_BYTES = 20, 4 * 2**30
#: More than a line for each bad file of a sample.
MOST_LINES = 12
KINDS = (
    "tracebacks", "hangs", "out of memory", "other statuses", "long messages", "strange lines", "control characters",
    "left behind",
)  # fmt: skip
ENDS = ("ended with 0", "ended with 1", "ended with 2")
#: Who may read less than root may.
NOBODY = 65534
Make = Callable[[Path], object]
Found = Iterator[tuple[str, str]]


def text(content: str | bytes) -> Make:
    """Makes a file of this content."""
    return lambda path: path.write_bytes(content.encode() if isinstance(content, str) else content)


def link(target: str) -> Make:
    """Makes a link to it."""
    return lambda path: path.symlink_to(target)


def a_socket(path: Path) -> None:
    """Bound, and closed again: the file stays."""
    with socket.socket(socket.AF_UNIX) as bound:
        before = Path.cwd()
        os.chdir(path.parent)  # its address may have some hundred bytes only
        bound.bind(path.name)
        os.chdir(before)


def a_sparse_file(path: Path) -> None:
    """One byte larger than any record."""
    with path.open("wb") as file:
        file.truncate(64 * 2**20 + 1)


def an_unreadable_file(path: Path) -> None:
    """For everyone but root."""
    path.write_text(RECORD)
    path.chmod(0)


def a_closed_folder(path: Path) -> None:
    """A folder that only root may look into."""
    path.mkdir()
    (path / "odd.json").write_text(RECORD)
    path.chmod(0)


def a_loop_of_folders(path: Path) -> None:
    """A folder with a link to the folder that it stands in."""
    path.mkdir()
    (path / "up").symlink_to("..")
    (path / "itself.json").symlink_to(".")


def changed(**fields: object) -> str:
    """The record with these fields, its digest as it was."""
    return json.dumps({**json.loads(RECORD), **fields})


RECORD: Final = made_record(number=7).model_dump_json()
HUGE: Final = RECORD.replace('"seed":0', '"seed":1' + "0" * 5000)
DEEP: Final = '{"a":' * 100_000
#: What stands at ``odd.json``.
CONTENTS: Final[Mapping[str, Make]] = {
    "FIFO": os.mkfifo, "link to /dev/zero": link("/dev/zero"), "link to /dev/stdin": link("/dev/stdin"),
    "link to /dev/full": link("/dev/full"), "link to /dev/null": link("/dev/null"),
    "link to /dev/random": link("/dev/random"), "link to /dev/tty": link("/dev/tty"), "socket": a_socket,
    "folder": Path.mkdir, "link to itself": link("odd.json"), "gone since it was listed": link("nowhere"),
    "loop of folders": a_loop_of_folders, "link to descriptors": link("/proc/self/fd"),
    "unreadable": an_unreadable_file, "closed folder": a_closed_folder, "a file of the kernel": link("/proc/self/mem"),
    "empty": text(""),
    "a byte order mark alone": text(b"\xef\xbb\xbf"), "with a byte order mark": text(b"\xef\xbb\xbf" + RECORD.encode()),
    "UTF-16": text(RECORD.encode("utf-16")), "UTF-32": text(RECORD.encode("utf-32")),
    "Latin-1": text(RECORD.replace("Intel", "Int\xe9l").encode("latin-1")), "NUL bytes": text(b"\0" * 5000),
    "NUL in a text": text(RECORD.replace("Intel", "Int\\u0000l")), "lone surrogate": text(changed(reason="\ud800")),
    "truncated": text(RECORD[: len(RECORD) // 2]), "64 MiB and a byte": a_sparse_file, "nested objects": text(DEEP),
    "nested lists": text("[" * 200_000), "nested in a record": text(RECORD[:-1] + ',"x":' + DEEP),
    "an integer of 5,000 digits": text(HUGE), "an integer of 5,000 digits alone": text("1" + "0" * 5000),
    "a version of 4,000 digits": text(RECORD.replace('"schema_version":4', '"schema_version":' + "4" * 4000)),
    "NaN": text(RECORD.replace('"batch":50', '"batch":NaN')),
    "Infinity": text(RECORD.replace('"lr":0.005', '"lr":Infinity')),
    "1e999": text(RECORD.replace('"lr":0.005', '"lr":1e999')), "keys twice": text(RECORD[:-1] + ',"id":"other"}'),
    "altered": text(changed(reason="x")), "a list": text("[]"), "a list of records": text(f"[{RECORD}]"),
    "a string": text('"record"'), "null": text("null"), "true": text("true"), "a number": text("1e5"),
    "an empty object": text("{}"), "JSON lines": text(f"{RECORD}\n{RECORD}\n"),
    "gzip": text(gzip.compress(RECORD.encode())),
    "trailing garbage": text(RECORD + "}"), "a comment": text(f"// a record\n{RECORD}"),
    "no version": text(changed(schema_version=None)), "version true": text(changed(schema_version=True)),
    "version 10**30": text(changed(schema_version=10**30)), "kind of speed": text(changed(kind="speed")),
    "kind that is a list": text(changed(kind=["speed"])), "digest that is a list": text(changed(digest=[])),
    "id that is a path": text(changed(id="../../x")), "contents that are HTML": text("<!doctype html><p>x"),
    "a zip's first bytes": text(b"PK\x03\x04" + bytes(range(256))),
    "a record under another's id": text(changed(reason=None)),
}  # fmt: skip
#: Names of an odd file, whose content is a good record or none.
NAMES: Final[Sequence[bytes]] = (
    b"with two  spaces.json", b"line\nbreak.json", b"carriage\rreturn.json", b"tab\there.json", b"\x1b[31mred.json",
    b"\x1b]0;owned\x07.json", "\x9b2J.json".encode(), "\u202egnp.json".encode(), b"-leading.json", b"--help.json",
    b"\xff\xfe.json", b"\xed\xa0\x80.json", b"n" * 250 + b".json", b"*?[a-z].json", b"[red]x.json", b".json",
    b".hidden.json", b"UPPER.JSON", b"a.json.json", b"~.json", b"$(touch x).json", b";touch x.json", b"'\".json",
    b"%s%n{0}.json", b"\xf0\x9f\x98\x80.json", b"a\\b.json", b" .json", b"@x.json", b"=1+1.json",
)  # fmt: skip
#: Places that are named and cannot be, or must not be, read.
PLACES: Final[Sequence[str]] = (
    "nowhere.json", "", ".", "/dev/zero", "/dev/stdin", "good.json/x.json", "x" * 300 + ".json", "y/" * 3000,
    "/proc/self/mem", "..", "\N{REPLACEMENT CHARACTER}.json", "~", "-", "*.json", "nowhere\nat all.json",
)  # fmt: skip
#: What ``verify`` takes for a report.
PAGES: Final[Mapping[str, Make]] = {
    "FIFO": os.mkfifo, "link to /dev/zero": link("/dev/zero"), "folder": Path.mkdir, "empty": text(""),
    "link to itself": link("page.html"), "bytes": text(bytes(range(256)) * 100), "64 MiB and a byte": a_sparse_file,
    "names of records that are not there": text("20260101T000000Z-x-01234567 " * 1000),
    "a name without an end": text("20260101T000000Z-" + "a-" * 500_000),
    "the id of a path": text("20260101T000000Z-../../etc/passwd-01234567"),
}  # fmt: skip
#: What stands in the way of what ``report`` and ``table --out`` write. A pipe is not among it: it is written to, and
#: waits for its reader.
TAKEN: Final[Mapping[str, Make]] = {
    "link to /dev/full": link("/dev/full"), "link to /dev/zero": link("/dev/zero"), "folder": Path.mkdir,
    "dangling link": link("nowhere"), "link to itself": link("report.md"), "socket": a_socket,
    "unreadable": an_unreadable_file, "closed folder": a_closed_folder,
}  # fmt: skip


class Drill:
    """Commands on one odd file after the other, and what was found."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.counts: Counter[str] = Counter()
        self.stdin, self._never_written = os.pipe()

    def folder(self) -> Path:
        """A new folder for one odd file, with a good record in it, and places beside it that are to stay empty."""
        self.counts["odd files"] += 1
        place = Path(tempfile.mkdtemp(dir=self.scratch))
        place.chmod(0o777)
        for name in ("records", "work", "tmp", "out", "cache"):
            (place / name).mkdir(parents=True)
            (place / name).chmod(0o777)
        (place / "records" / "good.json").write_text(made_record(seed=3).model_dump_json())
        return place / "records"

    def run(self, what: str, folder: Path, *words: str | Path) -> None:
        """Run a command in a process of its own, and print what is wrong with how it ends."""
        self.counts["commands"] += 1
        place = folder.parent
        before = sorted(folder.iterdir())
        with (place / "stdout").open("w+b") as out, (place / "stderr").open("w+b") as err:
            sys.stdout.flush()
            child = os.fork()
            if not child:
                self._become(place, list(map(str, words)), out.fileno(), err.fileno())
            status = os.waitpid(child, 0)[1]
            out.seek(0)
            err.seek(0)
            printed, said = (file.read().decode(errors="surrogateescape") for file in (out, err))
        if os.WIFEXITED(status):
            self.counts[f"ended with {os.WEXITSTATUS(status)}"] += 1
        for kind, about in (*judged(status, printed, said), *left_in(place, before)):
            self.counts[kind] += 1
            print(f"{kind}: {what}: harness {' '.join(map(str, words))[:160]!r}: {about}", flush=True)

    def _become(self, place: Path, words: list[str], out: int, err: int) -> NoReturn:
        """The child: a command with what limits it, as whoever may read least."""
        try:
            for descriptor, standard in ((self.stdin, 0), (out, 1), (err, 2)):
                os.dup2(descriptor, standard)
            os.chdir(place / "work")
            os.environ |= {"TMPDIR": str(place / "tmp"), "XDG_CACHE_HOME": str(place / "cache"), "COLUMNS": "120"}
            tempfile.tempdir = None
            if os.geteuid() == 0:
                os.setuid(NOBODY)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(LONGEST_S)
            sys.argv = ["harness", *words]
            main_of_harness()
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        except BaseException:
            traceback.print_exc()
        os._exit(70)


def judged(status: int, printed: str, said: str) -> Found:
    """What is wrong with how a command ended and with what it printed."""
    if os.WIFSIGNALED(status):
        ended = os.WTERMSIG(status)
        yield "hangs" if ended == signal.SIGALRM else "out of memory", signal.Signals(ended).name
    elif os.WEXITSTATUS(status) not in (0, 1, 2):
        yield "other statuses", str(os.WEXITSTATUS(status))
    if "MemoryError" in said:
        yield "out of memory", said[-300:]
    elif "Traceback" in said:
        yield "tracebacks", said[-1500:]
    lines = said.splitlines()
    if len(lines) > MOST_LINES:
        yield "long messages", f"{len(lines)} lines"
    if strange := [line for line in said.split("\n") if line and not line.startswith("harness: ")]:
        yield "strange lines", strange[0][:200]
    for line in (printed + said).split("\n"):
        if any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in line):
            yield "control characters", repr(line[:200])


def left_in(place: Path, before: list[Path]) -> Found:
    """What a command left where it was to leave nothing, or left half-written."""
    for folder in ("work", "tmp"):
        for path in (place / folder).iterdir():
            yield "left behind", f"{folder}/{path.name!r}"
    if sorted((place / "records").iterdir()) != before:
        yield "left behind", "beside the records"
    for path in (place / "out").rglob("*"):
        if path.suffix == ".tmp" or (path.is_file() and not path.stat().st_size):
            yield "left behind", f"out/{path.name!r}"


def on_a_file(drill: Drill, what: str, folder: Path, odd: Path | str) -> None:
    """Every command that reads records on one file alone, beside a good record, and against it."""
    good, out = folder / "good.json", folder.parent / "out"
    for words in (["table"], ["table", "--summary"], ["show"], ["verify", "--json"], ["reproduce"]):
        drill.run(what, folder, *words, odd)
    drill.run(what, folder, "compare", odd, good)
    drill.run(what, folder, "compare", good, odd)
    drill.run(what, folder, "compare", odd, "--against", good)
    on_a_folder(drill, what, folder, folder)
    drill.run(what, folder, "plot", odd, "--out", out / "alone")


def on_a_folder(drill: Drill, what: str, folder: Path, read: Path) -> None:
    """The commands that read folders."""
    out = folder.parent / "out"
    drill.run(what, folder, "table", read)
    drill.run(what, folder, "answers", read)
    drill.run(what, folder, "verify", read)
    drill.run(what, folder, "compare", read, "--against", folder / "good.json")
    drill.run(what, folder, "plot", read, "--out", out / "plots")
    drill.run(what, folder, "report", read, "--out", out / "report")


def loaded(folder: Path) -> None:
    """Import what the commands import, once and for all processes that are forked: some of them may read no module."""
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        codecs.lookup(encoding)
    good, out = str(folder / "good.json"), ("--out", str(folder))
    for words in ("table", "table --summary", "table --format markdown", "show", "verify", "reproduce"):
        CliRunner().invoke(app, [*words.split(), good])
    CliRunner().invoke(app, ["compare", good, good])
    for command in ("report", "plot"):
        CliRunner().invoke(app, [command, good, *out])
    CliRunner().invoke(app, ["table", good, "--out", f"{folder}/table.parquet"])


def drilled(drill: Drill, samples: Path, every: int) -> None:
    """All odd files, or one of ``every`` so many."""
    for what, make in list(CONTENTS.items())[::every]:
        folder = drill.folder()
        make(folder / "odd.json")
        on_a_file(drill, what, folder, folder / "odd.json")
    for name in NAMES[::every]:
        folder = drill.folder()
        path = folder / os.fsdecode(name)
        path.write_text(RECORD)
        on_a_file(drill, repr(name), folder, path)
    for place in PLACES[::every]:
        on_a_file(drill, repr(place[:40]), drill.folder(), place)
    for what, make in list(PAGES.items())[::every]:
        for page in ("page.html", "page.md"):
            folder = drill.folder()
            make(folder / page)
            drill.run(f"a report: {what}", folder, "verify", folder / page)
    for what, make in list(TAKEN.items())[::every]:
        for page in ("report.md", "report.html", "figures"):
            folder = drill.folder()
            make(folder.parent / "out" / page)
            drill.run(f"{page} is taken: {what}", folder, "report", folder, "--out", folder.parent / "out")
        for page in ("table.csv", "table.md", "table.parquet"):
            make(folder.parent / "out" / page)
            drill.run(f"{page} is taken: {what}", folder, "table", folder, "--out", folder.parent / "out" / page)
    for sample in sorted(each for each in samples.glob("*") if each.is_dir())[::every]:
        on_a_folder(drill, f"sample {sample.name}", drill.folder(), sample)
        for path in sorted(sample.rglob("*.json")):
            on_a_file(drill, f"sample {sample.name}/{path.name}", drill.folder(), path)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, default=SAMPLES, help="folder of folders of odd records")
    parser.add_argument("--quick", action="store_true", help="one of ten")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        mock.patch("harness.workflows.verify.execute", return_value=made_record(seed=3)),
        mock.patch("harness.workflows.reproduce.fetch"),
        mock.patch("harness.workflows.reproduce.python", side_effect=NotBuilt("not in a drill")),
    ):
        Path(scratch).chmod(0o755)
        drill = Drill(Path(scratch))
        os.environ["XDG_CACHE_HOME"] = f"{scratch}/cache"
        loaded(drill.folder())
        drill.counts.clear()
        drilled(drill, asked.samples, 10 if asked.quick else 1)
        for path in Path(scratch).glob("*/*/*"):  # or the folder could not be deleted
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
    if not asked.samples.is_dir():
        print("no samples were read: that folder is not there")
    print(", ".join(f"{name} {drill.counts[name]}" for name in ("odd files", "commands", *ENDS, *KINDS)))
    return 1 if any(drill.counts[kind] for kind in KINDS) else 0


if __name__ == "__main__":
    sys.exit(main())
