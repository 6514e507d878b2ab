"""Odd values of the options of every command: each is refused in one clear line, or accepted, as is stated for it here.

    python tests/drills/option_values.py [--quick]

Numbers out of range and in other notations, names near right ones, folders that are files, lists with holes. The
commands run in this process, every tenth also in one of its own; nothing trains: ``run`` is dry, and where another
command would begin its work it is stopped, which shows that its values were accepted. A value that is refused ends
the command with status 2 and one line on standard error that begins with ``harness:``; in no case is anything written
into the working folder. Prints what was counted and each finding; exits 1 if there was one. It takes a minute.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from typer.testing import CliRunner  # noqa: E402

from harness.cli import app  # noqa: E402
from tests.harness.conftest import made_record  # noqa: E402

LONGEST_S = 20
#: Where work begins that a drill does not do.
WORK = (
    "run.run_all", "speed.measure", "compare.compare", "parity.measure", "verify.verify_all", "reproduce.reproduce",
    "reproduce.by_current_code",
)  # fmt: skip
#: Every how many-th refusal is also tried in a process of its own.
ALONE = 10
Expected = Literal["refused", "accepted", "either"]
#: What stands before the values, the option, if there is one, and its values; a value of several words is all of them.
Line = tuple[str, str, Sequence[str | tuple[str, ...]]]
KINDS = ("wrongly accepted", "wrongly refused", "unclear", "tracebacks", "hangs", "written")

RUN, SPEED = "run --backend numpy --dry-run", "speed --backend numpy"
LIVE = "compare --a --backend=numpy --b --backend=numpy"
RECORDED, PARITY = "compare RECORD --against FOLDER", "parity --backend numpy"
LONG = "x" * 300
#: By what stands before it: option and values that no command may take.
REFUSED: Final[Sequence[Line]] = (
    *((RUN, each, ("0", "-1", "1.5", "1e3", "0x10", "ten", "nan", "inf", "", "9" * 30, "-" + "9" * 5000))
      for each in ("--hidden", "--batch", "--steps", "--threads")),
    *((RUN, each, ("0", "-1", "", "two", "1e2")) for each in ("--layers", "--chunk", "--evaluate-every")),
    (RUN, "--layers", ("999999999999",)), (RUN, "--batch", ("9999999999",)), (RUN, "--threads", ("99999",)),
    (RUN, "--steps", (str(2**63),)),
    (RUN, "--model", ("", ":", "x", ".py", ".py:X", "nowhere.py:X", "a" * 5000 + ".py:X", "~nobody/m.py")),
    (RUN, "--lr", ("0", "-1", "nan", "inf", "-inf", "1e-400", "1e999", "", "one", "1,0")),
    *((f"{RUN} --task copy --layers 2", each, ("-0.1", "1", "nan", "inf", "", "half", "1e400", "0,5"))
      for each in ("--dropout", "--input-dropout", "--label-smoothing")),
    (RUN, "--dropout", ("0.5", "1e-300")), (RUN, "--label-smoothing", ("0.1",)),
    (RUN, "--weight-decay", ("-1", "nan", "inf", "", "x")), (RUN, "--clip-value", ("-1", "nan", "inf", "", "x")),
    *((RUN, each, ("-1", "1.5", "", "x", "1e2")) for each in ("--warmup", "--patience", "--accumulate")),
    (RUN, "--patience", ("0",)), (RUN, "--accumulate", ("0", "7", "99999999999999999999")),
    (RUN, "--schedule", ("", "cosin", "step")),
    (f"{RUN} --schedule step --decay-every 2", "--decay-by", ("0", "-1", "nan")),
    (f"{RUN} --schedule cosine", "--decay-by", ("0.5",)),
    (RUN, "--clip", ("-1", "nan", "inf", "")), (RUN, "--forget-bias", ("nan", "inf", "x")),
    (RUN, "--chrono", ("2", "0", "-1", "1e3", "")),
    (RUN, "--seed", ("-1", "1.5", "", "x", str(2**63), str(2**70), "9" * 5000)),
    (RUN, "--seeds", ("0", "-1", str(10**9), "1,1", "1,,2", "1_0", "\u0663", "", " ", f"{2**63},1", "a", "0..5")),
    (RUN, "--cpus", ("4-2", "999", "a", "", "-1", "0-99999999999", "0,,1", "\u0660", "0x0")),
    (RUN, "--device", ("cuda:1", "cuda:\u00b2", "cuda:x\ny", "", "gpu", "CPU", "cpu,cuda")),
    (RUN, "--precision", ("float8", "", "FLOAT32", "float32,float64")),
    (RUN, "--task", ("", "../x", "adding,copy", "ading", "adding ", "\x1b[31m", "a" * 5000)),
    (RUN, "--cell", ("", "lstn", "LSTM")), (RUN, "--preset", ("", "quik", "smoke,quick")),
    (RUN, "--variant", ("", "nummba", "numba,parts")), (RUN, "--optimizer", ("Adam", "", "lion")),
    (RUN, "--init", ("none", "")), (RUN, "--denormals", ("on", "")), (RUN, "--score-at", ("best", "")),
    (RUN, "-P", ("length", "=4", "", "length=", "length=0", "length=-3", "length=1e3", "length=nan", "lenght=4",
                 "length=" + "9" * 20, "length=" + "9" * 5000, "markers=", "x\x1b[31m=4", "length==4")),
    (f"{RUN} --task sine", "-P", ("noise=nan", "noise=inf", "noise=-1", "noise=x", "noise=")),
    (RUN, "--timeout", ("nan", "-1", "-inf", "", "x", "1h")), (RUN, "--clip", (("1", "--clip", "2"),)),
    (RUN, "--preset", (("quick", "--preset", "smoke"),)), (f"{RUN} --deterministic", "", ("--no-deterministic",)),
    (RUN, "--data", ("FILE", "~nobody-there/x", LONG)),
    (RUN, "--from", ("FILE", "FOLDER", "RECORD", "nowhere", "", ".", "/", LONG, "0" * 64, ("RECORD", "--from", "x"))),
    (RUN, "--hiden", ("8",)), (RUN, "", ("stray",)), (RUN, "--json", ("x",)),
    ("run --dry-run", "--backend", ("numpy@../../x", "numpy@", "numpy@1.0;x", "@1.0", "", "numpy,torch", "nunpy",
                                    "numpy@1e999", "numpy@2.3.0@2", "-", "*", "numpy@" + "9." * 5000)),
    ("run --backend numpy", "--results", ("FILE", "FILE/x", "/dev/null", "/dev/null/x", "/proc/x", LONG)),
    (SPEED, "--rounds", ("0", "-1", "99999", "1e3", "")),
    (SPEED, "--block", ("0", "-1", "nan", "inf", "1e300", "1e-400")),
    (SPEED, "--timeout", ("nan", "-1")), (SPEED, "--ready", ("nan", "-1")), (SPEED, "--starts", ("0", "-1", "x")),
    *((SPEED, each, ("0", "-1", "", "8,,9", "1_0", "\u0663", "9" * 12, "1e3", "0x10", ","))
      for each in ("--batch", "--length", "--hidden")),
    (SPEED, "--shape", ("G", "", "braum", "A,,B")), (SPEED, "--loss", ("mes", "ctc")),
    (SPEED, "--labels", ("-1", "3")), (SPEED, "--shortest", ("0", "999999")), (SPEED, "--outputs", ("0", "x")),
    (SPEED, "--readout", ("first", "")), (SPEED, "--device", ("cuda:1", "gpu", "cpu,,cuda")),
    (SPEED, "--precision", ("float8",)), (SPEED, "--variant", ("torch:graph", "nummba", "numba,,parts")),
    (SPEED, "--seed", ("-1", str(2**63), ("0", "--seed", "1"))), (SPEED, "--chunk", ("0", "9" * 14)),
    (SPEED, "--cpus", ("a",)),
    (SPEED, "--results", ("FILE", "FILE/x")), ("speed", "--backend", ("numpy@2.3.0", "", "numpy,,jax")),
    (LIVE, "--pairs", ("0", "-1", "x", "9" * 20, "99999999")),
    (LIVE, "--restarts", ("1", "0", "-1", ("99999999", "--pairs", "99999999"))),
    (LIVE, "--block", ("0", "nan", "inf", "61")), (LIVE, "--timeout", ("nan", "-1")), (LIVE, "--hiden", ("5",)),
    (LIVE, "--against", ("FOLDER",)), (LIVE, "--b", ("--backend=jax",)),
    ("compare --a --backend=numpy", "--b", ("", "'", "--backend=nunpy", "--hidden=0", "--help", "--seeds=2", "x\x00y")),
    ("compare", "--a", ("--backend=numpy",)), ("compare RECORD", "", ((), ("RECORD", "RECORD"))),
    (RECORDED, "--tolerance", ("nan", "-1", "inf", "1e300", "5%", "")),
    (PARITY, "--updates", ("0", "1001", "nan")), (PARITY, "--drift", ("-1", "100001", "1e2")),
    (PARITY, "--timeout", ("nan", "-1")), (PARITY, "--precision", ("float8",)), (PARITY, "--batch", ("0",)),
    (PARITY, "--hidden", ("0",)), (PARITY, "--hiden", ("5",)), (PARITY, "--cpus", ("4-2",)), (PARITY, "", ("stray",)),
    *((f"{each} RECORD", "--timeout", ("nan", "-1", "x", "")) for each in ("verify", "reproduce")),
    *((f"{each} RECORD", "--data", ("FILE", LONG)) for each in ("verify", "reproduce")),
    ("verify RECORD", "--within", ("nan", "-1", "x", "")), ("verify RECORD", "--results", ("FILE", "FILE/x", LONG)),
    ("verify RECORD", "--updates", ("0", "-1", "x", "1.5", "")), ("reproduce RECORD", "--results", ("FILE", "FILE/x")),
    *(("reproduce RECORD --current-code", each, ("x",)) for each in ("--source", "--results")),
    ("reproduce", "", ((), ("RECORD", "RECORD"))),
    ("table FOLDER", "--columns", ("scoer", "score,tsk", ("x", "--columns", "y"))),
    ("table FOLDER", "--sort", ("scoer", "-", "--")),
    ("table FOLDER", "--where", ("backend", "bakend=numpy", "=x", "score>x", "solved=maybe", "", "~")),
    ("table FOLDER", "--decimal", ("", ";", "..", "comma")),
    ("table FOLDER", "--format", ("xlsx", "CSV", "parquet")),
    ("table FOLDER", "--out", ("x.xlsx", "x", "FOLDER", "", ".csv", "FILE/x.csv", "FILE/x.md", "/proc/x.csv",
                               f"{LONG}.csv")),
    ("table FOLDER --format csv", "--out", ("FOLDER", "/dev/full")),
    ("table FOLDER --summary", "--columns", ("backend",)),
    ("plot FOLDER", "--out", ("FILE", "FILE/x", "/proc/x", LONG)), ("plot FOLDER", "--only", ("nowhere",)),
    ("report FOLDER", "--out", ("FILE", "FILE/x", "/proc/x", LONG)), ("report FOLDER", "--only", ("nowhere",)),
    ("report FOLDER", "--title", (("a", "--title", "b"),)), ("show", "", ((), ("RECORD", "RECORD"))),
    ("show RECORD", "", ("--json",)),
    ("export --to jax", "", ("FILE", "FOLDER", "RECORD", "nowhere", "", ".", "/", LONG, ("RECORD", "RECORD"))),
    ("export RECORD", "--to", ("pytorch", "", "jax,torch", ("jax", "--to", "jax"))), ("export RECORD", "", ((),)),
    (PARITY, "--from", ("0" * 64,)), (PARITY, "--save", ((),)), (LIVE, "--save", ((),)),
    ("list", "", ("x", "--json")), ("doctor", "", ("x", "--jsn")),
    ("env", "", ("ad", ("list", "x"), "add", "remove")), ("env remove", "", ("nowhere", "../../x", ".", "/", "", LONG)),
    ("env add", "", ("torch@--help", "torch@../x", "torch@")), ("", "", ("nonsense", "--nonsense", "tabel")),
)  # fmt: skip
ACCEPTED: Final[Sequence[Line]] = (
    (RUN, "--hidden", ("1", "+8", "008")), (RUN, "--lr", ("1e-300", "5e-324", "1e300", ".5", "1E-3")),
    *((f"{RUN} --task copy --layers 2", each, ("0", "-0.0", "1e-300", ".999"))
      for each in ("--dropout", "--input-dropout", "--label-smoothing")),
    (RUN, "--weight-decay", ("0", "-0.0", "1e-300", "1e300")), (RUN, "--accumulate", ("1", "5", "50")),
    (RUN, "--clip", ("0", "-0.0", "1e300")), (RUN, "--forget-bias", ("-1e300", "1e-400")), (RUN, "--chrono", ("3",)),
    (RUN, "--timeout", ("0", "inf", "1e300", "1e999", "1e-400")), (RUN, "--seed", ("0", str(2**63 - 1),
    ("0", "--seed", "0"))),
    (RUN, "--seeds", ("1", "3, 7", "0,9")), (RUN, "--chunk", ("9" * 11,)), (RUN, "--evaluate-every", ("9" * 11,)),
    (f"{RUN} --threads 1", "--cpus", ("0", " 0 ", "0,0", "0-0")), (RUN, "--data", ("/nowhere", "", "FILE/x")),
    (RUN, "-P", (("length=4", "-P", "length=4"), ("length=4", "-P", "length=5"))),
    (RUN, "--device", (("cpu", "--device", "cpu"),)),
    (f"{RUN} --task sine", "-P", ("noise=0", "noise=1e-400", "noise=1e300")),
    (RUN, "--task", ("all", ("adding", "--task", "adding"))),
    (f"{SPEED} --results OUT", "--timeout", ("0", "inf", "1e300")), (f"{SPEED} --results OUT", "--ready", ("0", "inf")),
    (f"{SPEED} --results OUT", "--block", ("1e-300", "60")), (f"{SPEED} --results OUT", "--batch", (" 8 , 9 ",)),
    (LIVE, "--timeout", ("0", "inf")), (LIVE, "--pairs", ("8", "40000")),
    (RECORDED, "--tolerance", ("0", "1e-300")), ("compare RECORD", "", ("RECORD",)),
    ("table FOLDER", "--columns", ("", ",", "score,,task", " score ")), ("table FOLDER", "--sort", ("", ",", "-score")),
    ("table FOLDER", "--where", ("backend=", "score<nan", "batch=1e300", "score<inf",
                                 ("backend=numpy", "--where", "backend=jax"))),
    ("table FOLDER", "--decimal", (",", ".")),
    ("table FOLDER", "--format", ("csv", "markdown")), ("table FOLDER", "--out", ("OUT/a/b.csv", "OUT/x.md")),
    ("plot FOLDER --out OUT", "--only", ("",)),
    ("report FOLDER --out OUT", "--title", ("", "<b>", "\x1b[31m", "a\nb", "x" * 5000)),
    ("env", "", ("list",)), ("verify RECORD", "--updates", ("1", str(2**63 - 1))),
    ("verify RECORD", "--timeout", ("0", "inf")), ("verify RECORD", "--within", ("0", "1e300")),
    ("reproduce RECORD", "--timeout", ("0", "1e300")),
)  # fmt: skip
#: What versions of typer do not agree on.
EITHER: Final[Sequence[Line]] = (
    (RUN, "--hidden", ("1_000", "\u0663", " 8 ", "8.0")), (RUN, "--seed", ("1_0", " 0", "1.0")),
    (RUN, "--lr", ("\u0661", "1_0", " 1 ")),
    (RUN, "-P", ("length=1_0", "length= 8")), (RUN, "--results", ("a\x00b",)), (RUN, "--data", ("a\x00b",)),
)  # fmt: skip


class Case(NamedTuple):
    """A command line, and what becomes of it."""

    words: list[str]
    expected: Expected


class Reached(Exception):
    """The values were accepted: the work would begin."""


def cases() -> Iterator[Case]:
    """Every command line of this drill."""
    stated: Mapping[Expected, Sequence[Line]] = {"refused": REFUSED, "accepted": ACCEPTED, "either": EITHER}
    for expected, lines in stated.items():
        for before, option, values in lines:
            for value in values:
                words = (value,) if isinstance(value, str) else value
                yield Case([*before.split(), *([option] if option else []), *words], expected)


class Ended(NamedTuple):
    """How a command ended; the status is None where it would have begun its work."""

    status: int | None
    out: str
    err: str


def in_this_process(words: Sequence[str]) -> Ended:
    """Run a command up to its work. Raises what it raises, and TimeoutError."""
    with ExitStack() as patches, limited():
        for name in WORK:
            patches.enter_context(mock.patch(f"harness.workflows.{name}", side_effect=Reached))
        patches.enter_context(mock.patch.dict(os.environ))
        done = CliRunner().invoke(app, list(words))
    if isinstance(done.exception, Reached):
        return Ended(None, done.stdout, done.stderr)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ended(done.exit_code, done.stdout, done.stderr)


@contextmanager
def limited() -> Iterator[None]:
    """Raise TimeoutError in the block after as long as a command may take."""

    def late(number: int, frame: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    signal.alarm(LONGEST_S)
    try:
        yield
    finally:
        signal.alarm(0)


def in_a_process(words: Sequence[str]) -> Ended:
    """Run a command that is to be refused. Raises TimeoutExpired."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", *words], capture_output=True, text=True, timeout=LONGEST_S,
        stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    if "Traceback" in done.stderr:
        raise RuntimeError(done.stderr[-1500:])
    return Ended(done.returncode, done.stdout, done.stderr)


def judged(expected: Expected, ended: Ended) -> Iterator[tuple[str, str]]:
    """What is wrong with how a command ended."""
    if not all(line.isprintable() for line in ended.err.split("\n")):
        yield "unclear", repr(ended.err[:200])
    if ended.status in (0, None):
        if expected == "refused":
            yield "wrongly accepted", repr(ended.out[:100])
    elif expected == "accepted":
        yield "wrongly refused", ended.err
    elif ended.status != 2 or ended.out:
        yield "unclear", f"status {ended.status}, {ended.out[:100]!r}"
    elif not ended.err.startswith("harness: ") or ended.err.count("\n") != 1 or "[Errno" in ended.err:
        yield "unclear", repr(ended.err[:300])


def tried(case: Case, alone: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with what becomes of a command line."""
    try:
        ended = in_a_process(case.words) if alone else in_this_process(case.words)
    except (TimeoutError, subprocess.TimeoutExpired):
        yield "hangs", f"after {LONGEST_S} s"
    except Exception:
        yield "tracebacks", traceback.format_exc()[-1500:]
    else:
        yield from judged(case.expected, ended)
    for path in Path.cwd().iterdir():
        yield "written", str(path)
        path.rename(path.parent.parent / f"written-{path.name}")


def placed(words: Sequence[str], place: Path) -> list[str]:
    """The words, with what they name in capitals in a folder of its own."""
    names = {"RECORD": "records/0.json", "FOLDER": "records", "FILE": "file", "OUT": "out"}
    found = []
    for word in words:
        first, slash, rest = word.partition("/")
        found.append(f"{place / names[first]}{slash}{rest}" if first in names else word)
    return found


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one value of ten, none in a process of its own")
    asked = parser.parse_args()
    counts = Counter(dict.fromkeys(("refused", "accepted", "either", "in a process of its own", *KINDS), 0))
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        for name in ("records", "work", "out", "cache"):
            (place / name).mkdir()
        for seed in (0, 1):
            text = made_record(seed=seed, number=seed, backend="numpy", variant="textbook").model_dump_json()
            (place / "records" / f"{seed}.json").write_text(text)
        (place / "file").touch()
        os.environ |= {"XDG_CACHE_HOME": str(place / "cache"), "COLUMNS": "120"}
        os.chdir(place / "work")
        for number, case in enumerate(list(cases())[:: 10 if asked.quick else 1]):
            case = case._replace(words=placed(case.words, place))
            counts[case.expected] += 1
            alone = case.expected == "refused" and number % ALONE == 0 and "\0" not in "".join(case.words)
            ways = [False, True] if alone and not asked.quick else [False]
            counts["in a process of its own"] += True in ways
            for kind, what in (found for alone in ways for found in tried(case, alone)):
                counts[kind] += 1
                print(
                    f"{kind}: harness {' '.join(word[:60] or repr(word) for word in case.words)!r}: {what}", flush=True
                )
        os.chdir(ROOT)
    print(", ".join(f"{name} {count}" for name, count in counts.items()))
    return 1 if any(counts[kind] for kind in KINDS) else 0


if __name__ == "__main__":
    sys.exit(main())
