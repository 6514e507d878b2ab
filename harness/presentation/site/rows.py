"""All runs and contestants as one table for scripts: columns, packed, in a file for each few of them.

A page loads the first file, which has what is usually shown, and a further one when a column of it is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final, NamedTuple

from harness.presentation import contest_columns, contest_words, run_columns
from harness.presentation.contest_columns import Entry
from harness.presentation.folders import prepared
from harness.presentation.site.frame import Site
from harness.presentation.table import Column, Kind
from harness.records.kept import Kept, Run
from harness.records.naming import run_name
from harness.records.store import Found
from harness.text import printable, score_text

#: Digits of a record's digest that name its rows in addresses and its data file: more than enough to tell them apart.
DIGITS: Final = 16
#: What is shown unless other columns are chosen, as far as any row has it.
USUAL: Final = (
    "task", "cell", "hidden", "backend", "variant", "train_seq_s", "score_name", "score", "host_growth_mib", "step_ms",
    "noise", "shape", "ratio", "preset", "tier", "status", "seed", "machine",
)  # fmt: skip
#: Beside these in the first file: what rows are found by and grouped by.
FIRST: Final = ("kind", "created", "study", "device", "batch", "version", "solved")
#: Columns of contestants that say what a run's column of another name does.
ALIKE: Final[Mapping[str, str]] = {"seq_s": "train_seq_s", "growth_mib": "host_growth_mib"}
#: Further columns in each file.
AT_ONCE: Final = 20
#: Beyond these, a script's numbers are not exact: such are told as texts.
_EXACT: Final = 2**53
_FORMS: Final[Mapping[Kind, str]] = {
    "Int64": "whole", "float64": "number", "boolean": "truth", "string": "text", "datetime64[us, UTC]": "text",
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """A column of the table.

    Attributes:
        form: how a script writes its values: text, truth, whole, number, score, or plain for a number without commas.
        values: for each row; None where it has none.
    """

    name: str
    about: str
    form: str
    values: list[Any]


class Row(NamedTuple):
    """A row of the table: a run, or a contestant of a speed contest.

    Attributes:
        seal: the digest of its record.
        place: of a contestant, its number among all of its record.
        name: in words.
        created: when it was measured.
    """

    seal: str
    place: int | None
    name: str
    created: datetime
    run: Run | None = None
    entry: Entry | None = None

    @property
    def key(self) -> str:
        """What addresses call it."""
        return key_of(self.seal, self.place)


def key_of(seal: str, place: int | None = None) -> str:
    """What addresses call the row of a record: the start of its digest, and the number of the contestant."""
    return seal[:DIGITS] if place is None else f"{seal[:DIGITS]}-{place}"


def rows(found: Found) -> list[Row]:
    """Every run and every contestant, the newest first."""
    assert found.index is not None
    seals = dict(zip(found.index.columns["id"], found.index.seals, strict=True))
    made = []
    for run in found.records:
        assert isinstance(run, Kept)
        made.append(Row(run.seal, None, printable(run_name(run)), run.created, run))
    places: Counter[str] = Counter()
    for entry in contest_columns.entries(found.speeds):
        identity = entry.record.id
        name = f"{contest_words.title(entry.contest, brief=True)} {entry.record.name_of(entry.row)}"
        made.append(Row(seals[identity], places[identity], printable(name), entry.record.created, None, entry))
        places[identity] += 1
    return sorted(made, key=lambda row: row.created, reverse=True)


def fields(found: Found, of: Sequence[Row]) -> list[Field]:
    """Every column in which any of these rows has a value: those of runs, then those that only contestants have."""
    with prepared(found, run_columns.COLUMNS):
        made = list(_fields(of))
    return [field for field in made if any(value is not None for value in field.values)]


def _fields(of: Sequence[Row]) -> Iterator[Field]:
    yield Field("kind", "run, or contestant of a speed contest", "text", [_kind(row) for row in of])
    contests = {ALIKE.get(name, name): each for name, each in contest_columns.COLUMNS.items() if each.exported}
    yield _field("shape", of, None, contests.pop("shape"))  # what contests have instead of a task
    for name, column in run_columns.COLUMNS.items():
        yield _field(name, of, column, contests.pop(name, None))
    for prefix, (about, get) in run_columns.PREFIXES.items():
        found = [{} if row.run is None else get(row.run) for row in of]
        for name in sorted({name for values in found for name in values}):
            values = [values.get(name) for values in found]
            form = "text" if any(isinstance(value, str) for value in values) else "number"
            form = "score" if prefix in ("score.", "baseline.") else "plain" if name == "seed" else form
            yield Field(printable(f"{prefix}{name}"), about, form, [_plain(value) for value in values])
    for name, contest in contests.items():
        yield _field(name, of, None, contest)


def _kind(row: Row) -> str:
    return "contestant" if row.run is None else "run"


def _field(name: str, of: Sequence[Row], run: Column[Run] | None, contest: Column[Entry] | None) -> Field:
    """A column that runs have, contestants, or both."""

    def value(row: Row) -> Any:
        if row.run is not None:
            return None if run is None else run.get(row.run)
        return None if contest is None or row.entry is None else contest.get(row.entry)

    column: Column[Any] | None = run or contest
    assert column is not None
    form = {score_text: "score", str: "plain"}.get(column.write, _FORMS[column.kind])
    return Field(name, column.about, form, [_plain(value(row)) for row in of])


def _plain(value: Any) -> Any:
    """A value as JSON has it: moments as texts, numbers that a script would round as texts too."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > _EXACT:
        return str(value)
    return printable(value) if isinstance(value, str) else value


def packed(values: Sequence[Any]) -> Any:
    """A column in few characters: a list of its values, or the different ones (``of``) and which each row has (``at``).

    ``static/rows.js`` unpacks it.
    """
    places: dict[tuple[type, Any], int] = {}
    at = [places.setdefault((type(value), value), len(places)) for value in values]
    if len(places) > len(values) // 2:
        return list(values)
    of = [value for _, value in places]
    return {"of": of, "at": at if len(of) > 1 else []}


def write(site: Site, of: Sequence[Row]) -> list[str]:
    """Write the table of these rows below ``data/``: ``table.js``, and ``columns0.js`` and so on.

    Returns:
        The addresses of the scripts that a page needs from the start.
    """
    made = fields(site.found, of)
    first = [field for field in made if field.name in USUAL or field.name in FIRST]
    rest = [field for field in made if field not in first]
    chunks = [first, *(rest[start : start + AT_ONCE] for start in range(0, len(rest), AT_ONCE))]
    chunk_of = {field.name: number for number, chunk in enumerate(chunks) for field in chunk}
    table = site.data("table", {
        "count": len(of),
        "digits": DIGITS,
        "seals": packed([row.seal for row in of]),
        "places": packed([row.place for row in of]),
        "names": packed([row.name for row in of]),
        "columns": [
            {"name": field.name, "about": field.about, "form": field.form, "chunk": chunk_of[field.name]}
            for field in made
        ],
        "usual": [name for name in USUAL if name in chunk_of],
    })  # fmt: skip
    written = [site.data(f"columns{n}", {f.name: packed(f.values) for f in chunk}) for n, chunk in enumerate(chunks)]
    return [table, written[0]]
