"""A thousand records with one thing odd in each, through every command that reads records.

    python tests/drills/odd_records.py [--count 1000] [--first 0] [--seconds S] [--quick]

Each mutant that is accepted as a record stands in a folder beside a good one, and the commands run on both: ``table``,
``table --summary``, ``show``, ``plot``, ``report``, ``compare`` both ways, and what ``verify`` reads. Prints the counts
and each traceback with the mutant's name; exits 1 if there was one. With all figures it takes about half an hour; where
``--seconds`` ended it, ``--first`` goes on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from typer.testing import CliRunner  # noqa: E402

from harness.analysis.groups import seedless  # noqa: E402
from harness.cli import app  # noqa: E402
from harness.records.run import Record  # noqa: E402
from harness.records.store import StoreError, read  # noqa: E402
from harness.workflows.verify import unknown  # noqa: E402
from tests.fixtures.odd_records import Mutant, mutants  # noqa: E402
from tests.harness.conftest import made_record  # noqa: E402


def commands(folder: Path, odd: Path, good: Path) -> Iterator[list[str]]:
    """The command lines that read the odd record, alone and beside the good one."""
    for places in ([str(odd)], [str(folder)]):
        yield ["table", *places]
        yield ["table", *places, "--summary"]
        yield ["table", *places, "--format", "csv"]
    yield ["show", str(odd)]
    yield ["plot", str(folder), "--out", str(folder / "plots")]
    yield ["report", str(folder), "--out", str(folder / "report")]
    for pair in ((odd, good), (good, odd)):
        yield ["compare", *map(str, pair)]
        yield ["compare", str(pair[0]), "--against", str(pair[1])]


def tracebacks(mutant: Mutant, folder: Path) -> list[str] | None:
    """What broke on a mutant, command by command; None where it is refused as a record."""
    odd, good = folder / "odd.json", folder / "good.json"
    odd.write_bytes(mutant.text)
    good.write_text(made_record(seed=3).model_dump_json())
    try:
        record = read(odd)
    except StoreError:
        return None
    found = []
    for words in commands(folder, odd, good):
        error = CliRunner().invoke(app, words).exception
        if error is not None and not isinstance(error, SystemExit):
            lines = traceback.format_exception(error)
            found.append(f"{mutant.name}: harness {words[0]}: {''.join(lines)}")
    if isinstance(record, Record):
        seedless(record)
        unknown(record.spec)
    return found


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="after which it ends")
    parser.add_argument("--quick", action="store_true", help="twenty mutants")
    words = parser.parse_args()
    words.count = 20 if words.quick else words.count
    end, accepted, broken, number = time.monotonic() + words.seconds, 0, 0, words.first
    for number, mutant in enumerate(mutants(words.count)):
        if number < words.first:
            continue
        if time.monotonic() > end:
            break
        with tempfile.TemporaryDirectory() as folder:
            found = tracebacks(mutant, Path(folder))
        accepted += found is not None
        broken += bool(found)
        print(*(found or []), sep="\n", end="\n" if found else "", flush=True)
    print(f"mutants {words.first} to {number}: {accepted} accepted as records, {broken} with a traceback")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
