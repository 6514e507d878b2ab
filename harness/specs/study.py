"""A study file: many specs, stated by the options of ``harness run`` and the axes along which they vary."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, NoReturn

from harness.errors import UsageError
from harness.specs.base import StudyMark
from harness.specs.options import RUN, Option
from harness.specs.values import value
from tasks.registry import nearest

#: Far more than any study needs: a larger file is not read.
LARGEST_BYTES: Final = 2**20
#: Runs that a study may have where nobody says otherwise.
MOST_RUNS: Final = 100_000
#: Times that a run is tried again where a fault of the infrastructure ended it.
TRIES: Final = 3
#: Options of ``harness run`` that the command, or the study as a whole, decides.
_NOT_HERE = {
    "results": "results stands at the top of the file, before [fixed]",
    "timeout": "timeout stands at the top of the file, before [fixed]",
    "seeds": 'seeds are an axis: seed = "0-4" under [axes]',
    "save": "save is of harness run alone",
    "model": "a model of your own is for harness run; make it a backend of its own for a study (docs/extending.md)",
    "from": "from is of harness run alone",
}
_TOP: Final = ("name", "results", "timeout", "tries", "fixed", "axes", "zip", "exclude")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_RANGE = re.compile(r"(\d{1,9})-(\d{1,9})")

Values = dict[str, Any]


@dataclass(frozen=True)
class Study:
    """What a study file says, each value in its option's type and under the option's name in Python.

    Attributes:
        mark: the study's name and the digest of its file.
        path: of the file.
        results: the folder of its records.
        timeout: seconds that one run may take; None for as long as it takes.
        tries: times that a run is tried again after a fault of the infrastructure.
        fixed: one value for each option.
        axes: several, which multiply.
        zipped: tables of axes whose values go together.
        exclude: combinations that are left out.
    """

    mark: StudyMark
    path: Path
    results: Path
    timeout: float | None = None
    tries: int = TRIES
    fixed: Values = field(default_factory=dict)
    axes: dict[str, Any] = field(default_factory=dict)
    zipped: Sequence[dict[str, Any]] = ()
    exclude: Sequence[Values] = ()

    @property
    def name(self) -> str:
        """The study's."""
        return self.mark.name


def read(path: Path) -> Study:
    """The study in a file, as a whole or not at all.

    Raises:
        UsageError: it cannot be read, or something in it cannot be right; names the line where one is to blame.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; harness study --init writes an example") from None
    if len(content) > LARGEST_BYTES:
        raise UsageError(f"{path}: larger than any study file ({LARGEST_BYTES // 2**20} MiB)")
    try:
        text = content.decode()
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8, at byte {error.start + 1:,}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: not TOML: {str(error) or 'nested too deeply'}") from None
    return _Reader(path, text).study(document, hashlib.sha256(content).hexdigest())


@dataclass
class _Reader:
    """Of one file; ``text`` is what the messages count lines in."""

    path: Path
    text: str

    def study(self, document: Mapping[str, Any], sha256: str) -> Study:
        for key in document:
            if key not in _TOP:
                where = [self._as_option(key)] if self._as_option(key) else []
                known = f"{nearest('key', key, list(_TOP))}" if not where else f"{key} belongs under [fixed] or [axes]"
                self._wrong(known, key)
        name = document.get("name", self.path.stem)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self._wrong("name: small letters, digits, '.', '_' and '-', at most 64", "name")
        results = document.get("results", name)
        if not isinstance(results, str) or not results or "\0" in results:
            self._wrong("results: a folder, as text", "results")
        return Study(
            mark=StudyMark(name=name, sha256=sha256),
            path=self.path,
            results=Path(os.path.normpath(self.path.parent / Path(results).expanduser())),
            timeout=self._number(document, "timeout", 0.0),
            tries=self._tries(document),
            fixed=self._fixed(self._table(document, "fixed"), "fixed"),
            axes=self._axes(self._table(document, "axes"), "axes"),
            zipped=[self._zipped(each, number) for number, each in enumerate(self._tables(document, "zip"))],
            exclude=[self._excluded(each, number) for number, each in enumerate(self._tables(document, "exclude"))],
        )

    def _number(self, document: Mapping[str, Any], key: str, least: float) -> float | None:
        found = document.get(key)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not least < found < 1e12:
            self._wrong(f"{key}: seconds, above {least:g}", key)
        return float(found)

    def _tries(self, document: Mapping[str, Any]) -> int:
        found = document.get("tries", TRIES)
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= 1000:
            self._wrong("tries: a whole number from 0 to 1000", "tries")
        return found

    def _table(self, document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        found = document.get(key, {})
        if not isinstance(found, dict):
            self._wrong(f"{key} is a table: [{key}], then one option in each line", key)
        return found

    def _tables(self, document: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
        found = document.get(key, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            self._wrong(f"{key} is one table or more: [[{key}]], then one option in each line", key)
        return found

    def _fixed(self, table: Mapping[str, Any], section: str) -> Values:
        return {option.parameter: self._typed(option, found, key, section)
                for key, found in table.items() for option in [self._option(key, section)]}  # fmt: skip

    def _axes(self, table: Mapping[str, Any], section: str, number: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, given in table.items():
            option = self._option(key, section, number)
            if option.kind is dict:
                if not isinstance(given, dict):
                    what = f"{key} is a table: [{section}.{key}], then one task parameter in each line"
                    self._wrong(what, key, section, number)
                found[option.parameter] = {
                    name: self._filled(_listed(each), f"{key}.{name}", section, number) for name, each in given.items()
                }
                continue
            values = self._filled(self._unrolled(option, given), key, section, number)
            found[option.parameter] = [self._typed(option, each, key, section, number) for each in values]
        return found

    def _zipped(self, table: Mapping[str, Any], number: int) -> dict[str, Any]:
        found = self._axes(table, "zip", number)
        lengths = {name: len(each) for name, each in flat(found)}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            self._wrong(f"zipped axes are of one length: {counts}", next(iter(table)), "zip", number)
        return found

    def _excluded(self, table: Mapping[str, Any], number: int) -> Values:
        if not table:
            self._wrong("an exclusion names at least one option", "exclude")
        found = self._axes(table, "exclude", number)
        for key in found:
            option = self._option(key, "exclude", number)
            if not option.fills:
                self._wrong(f"{key} decides no spec, so nothing can be excluded by it", key, "exclude", number)
        return found

    def _unrolled(self, option: Option, given: Any) -> list[Any]:
        """The values of an axis: a list of them, one alone, or a range of whole numbers such as "0-4"."""
        if option.kind is int and isinstance(given, str) and (ends := _RANGE.fullmatch(given.strip())):
            first, last = int(ends[1]), int(ends[2])
            return list(islice(range(first, last + 1), MOST_RUNS * 100 + 1))
        return _listed(given)

    def _filled(self, values: list[Any], key: str, section: str, number: int) -> list[Any]:
        if not values:
            self._wrong(f"{key} has no values: name one at least, or leave it out", key, section, number)
        return values

    def _typed(self, option: Option, given: Any, key: str, section: str, number: int = 0) -> Any:
        try:
            if isinstance(given, dict) != (option.kind is dict) or isinstance(given, list):
                raise UsageError(f"{key} takes one value here" if section == "fixed" else f"{key}: {given!r:.60}")
            found = value(option, given)
            return found[0] if isinstance(found, list) and option.kind is not dict else found
        except UsageError as error:
            self._wrong(str(error), key, section, number)

    def _as_option(self, key: str) -> Option | None:
        return next((each for each in RUN if key in (each.name, each.parameter)), None)

    def _option(self, key: str, section: str, number: int = 0) -> Option:
        if key in _NOT_HERE:
            self._wrong(_NOT_HERE[key], key, section, number)
        found = self._as_option(key)
        if found is None or found.group == "Output":
            known = [each.name for each in RUN if each.group != "Output" and each.name not in _NOT_HERE]
            self._wrong(nearest("option", key, known), key, section, number)
        return found

    def _wrong(self, what: str, key: str, section: str | None = None, number: int = 0) -> NoReturn:
        raise UsageError(f"{self.path}, line {line_of(self.text, key, section, number)}: {what}")


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list) else [given]


def flat(axes: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """The axes with their values, one for each task parameter: ``[("lr", […]), ("parameter.length", […])]``."""
    found: list[tuple[str, list[Any]]] = []
    for name, values in axes.items():
        inner = values.items() if isinstance(values, dict) else None
        found += [(name, values)] if inner is None else [(f"{name}.{each}", of) for each, of in inner]
    return found


def line_of(text: str, key: str, section: str | None = None, number: int = 0) -> int:
    """The line in which a key stands, counted from 1; that of its table, or the first, where it is not found.

    Args:
        section: the table that it is in; None for the top.
        number: of several tables of that name, counted from 0.
    """
    inside, found, seen = section is None, 1, -1
    last = key.rpartition(".")[2]
    for line, content in enumerate(text.splitlines(), 1):
        stripped = content.strip()
        if stripped.startswith("["):
            name = stripped.strip("[] \t").split("#")[0].strip("] ")
            if section is None and re.match(rf"{re.escape(key)}\b", name):
                return line
            seen += name == section
            ours = section is not None and (name == section or name.startswith(f"{section}."))
            inside = ours and seen in (number, -1)
            found = line if inside else found
        elif inside and re.match(rf"""["']?{re.escape(last)}["']?\s*[.=]""", stripped):
            return line
    return found
