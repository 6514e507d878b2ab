"""A study file: many specs, stated by the options of ``harness run`` and the axes along which they vary."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from harness.errors import UsageError
from harness.specs.base import StudyMark
from harness.specs.options import RUN, Option, option_named
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
    "cpus": "cpus is an option of harness study: --cpus",
    "data": "data is an option of harness study: --data",
    "look": "look is an option of harness study: --look",
    "wait-quiet": "wait-quiet is an option of harness study: --wait-quiet",
    "require-quiet": "require-quiet is an option of harness study: --require-quiet",
}
_TOP: Final = ("name", "results", "timeout", "tries", "fixed", "axes", "zip", "exclude")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)
#: What decides where a statement of TOML ends: strings, which may have brackets in them, comments, and brackets.
_MARKS = re.compile(r'"""|\'\'\'|"(?:[^"\\]|\\.)*"|\'[^\']*\'|#.*|[][{}]')
#: The name of a table, or a key, at the beginning of a line: bare or quoted words with dots between them.
_WORD = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEY = re.compile(rf"(?P<open>\[{{0,2}})\s*(?P<key>{_WORD}(?:\s*\.\s*{_WORD})*)\s*[]=]")
#: Letters of a word in a message.
_SHOWN: Final = 60

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
        axes: several, which multiply: lists, or a ``range``.
        zipped: tables of axes whose values go together.
        exclude: combinations that are left out.
        lines: of the exclusions, where each stands in the file.
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
    lines: Sequence[int] = ()

    @property
    def name(self) -> str:
        """The study's."""
        return self.mark.name


def read(path: Path) -> Study:
    """The study in a file, as a whole or not at all.

    Raises:
        UsageError: it cannot be read, or something in it cannot be right; names the line where one is to blame.
    """
    content, text, document = toml(path, "study file", "; harness study --init writes an example")
    return Reader(path, text).study(document, hashlib.sha256(content).hexdigest())


def toml(path: Path, what: str, instead: str = "") -> tuple[bytes, str, dict[str, Any]]:
    """A TOML file's bytes, its text and what that says.

    Args:
        what: the file should be; instead: what else to do where it cannot be read, for the messages.

    Raises:
        UsageError: it cannot be read, or is not TOML.
    """
    if "\0" in str(path):
        raise UsageError(f"{str(path)!r} is no name of a file")
    try:
        if path.exists() and not path.is_file():  # a pipe would keep this process waiting
            raise UsageError(f"{path}: not a file")
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}{instead}") from None
    if len(content) > LARGEST_BYTES:
        raise UsageError(f"{path}: larger than any {what} ({LARGEST_BYTES // 2**20} MiB)")
    try:
        text = content.decode("utf-8-sig")  # as some editors write it
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8, at byte {error.start + 1:,}") from None
    except tomllib.TOMLDecodeError as error:
        lines = text.split("\n")
        end = f"at line {len(lines)}, column {len(lines[-1]) + 1}"
        raise UsageError(f"{path}: not TOML: {str(error).replace('at end of document', end)}") from None
    except RecursionError:
        raise UsageError(f"{path}: not TOML: nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits
        raise UsageError(f"{path}: {str(error).partition(';')[0]}") from None
    return content, text, document


@dataclass
class Reader:
    """Of one file; ``text`` is what the messages count lines in, ``within`` the table that holds the study, if any."""

    path: Path
    text: str
    within: str = ""

    def study(self, document: Mapping[str, Any], sha256: str) -> Study:
        """The study that a document, or a table of one, says.

        Args:
            sha256: of the file.

        Raises:
            UsageError: something in it cannot be right.
        """
        for key in document:
            if key not in _TOP:
                known = nearest("key", key[:_SHOWN], list(_TOP))
                self.wrong(f"{key} belongs under [fixed] or [axes]" if self._as_option(key) else known, key)
        name = document.get("name", self.path.stem)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            needed = "small letters, digits, '.', '_' and '-', at most 64"
            self.wrong(f"name: {needed}" if "name" in document else f'a name is needed: name = "…", {needed}', "name")
        results = document.get("results", name)
        if not isinstance(results, str) or not results or "\0" in results:
            self.wrong("results: a folder, as text", "results")
        try:
            folder = Path(results).expanduser()
        except RuntimeError:
            self.wrong(f"results: there is no home folder {Path(results).parts[0]:.60}", "results")
        zips, excluded = self._tables(document, "zip"), self._tables(document, "exclude")
        found = Study(
            mark=StudyMark(name=name, sha256=sha256),
            path=self.path,
            results=Path(os.path.normpath(self.path.parent / folder)),
            timeout=self._number(document, "timeout", 0.0),
            tries=self._tries(document),
            fixed=self.fixed(self.table(document, "fixed"), "fixed"),
            axes=self.axes(self.table(document, "axes"), "axes"),
            zipped=[self._zipped(each, number) for number, each in enumerate(zips)],
            exclude=[self._excluded(each, number) for number, each in enumerate(excluded)],
            lines=[line_of(self.text, "exclude", None, number) for number in range(len(excluded))],
        )
        self._check_said_once(found)
        return found

    def _check_said_once(self, study: Study) -> None:
        """No option is at two places: one would silently win."""
        words = {word.partition("=")[0]: word for word in study.fixed.get("parameter", [])}
        fixed = {**study.fixed, "parameter": words}
        places: list[tuple[str, int, Mapping[str, Any]]] = [("fixed", 0, fixed), ("axes", 0, study.axes)]
        places += [("zip", number, each) for number, each in enumerate(study.zipped)]
        seen: dict[str, str] = {}
        for section, number, axes in places:
            name = f"[[{section}]]" if section == "zip" else f"[{section}]"
            for key, _ in flat(axes):
                if other := seen.get(key):
                    said = key if key.startswith("parameter.") else option_named(key).name
                    self.wrong(f"{said} is in {other} already", key, section, number)
                seen[key] = name

    def _number(self, document: Mapping[str, Any], key: str, least: float) -> float | None:
        found = document.get(key)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not least < found < 1e12:
            self.wrong(f"{key}: seconds, above {least:g}", key)
        return float(found)

    def _tries(self, document: Mapping[str, Any]) -> int:
        found = document.get("tries", TRIES)
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= 1000:
            self.wrong("tries: a whole number from 0 to 1000", "tries")
        return found

    def table(self, document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        """The table of that name; empty where there is none. Raises UsageError."""
        found = document.get(key, {})
        if not isinstance(found, dict):
            self.wrong(f"{key} is a table: [{key}], then one option in each line", key)
        return found

    def _tables(self, document: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
        found = document.get(key, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            self.wrong(f"{key} is one table or more: [[{key}]], then one option in each line", key)
        return found

    def fixed(self, table: Mapping[str, Any], section: str) -> Values:
        """One value for each option of a table. Raises UsageError."""
        found: Values = {}
        for key, given in table.items():
            option = self._new(key, found, section)
            found[option.parameter] = self._typed(option, given, key, section)
            for name, each in given.items() if option.kind is dict else ():
                self._single(each, f"{key}.{name}", section)
        return found

    def axes(self, table: Mapping[str, Any], section: str, number: int = 0) -> dict[str, Any]:
        """Several values for each option of a table. Raises UsageError."""
        found: dict[str, Any] = {}
        for key, given in table.items():
            option = self._new(key, found, section, number)
            if option.kind is dict:
                if not isinstance(given, dict):
                    what = f"{key} is a table: [{section}.{key}], then one task parameter in each line"
                    self.wrong(what, key, section, number)
                found[option.parameter] = {
                    name: self._parameters(each, f"{key}.{name}", section, number) for name, each in given.items()
                }
                continue
            values = self._filled(self._unrolled(option, given, section, number), key, section, number)
            if not isinstance(values, range):
                values = [self._typed(option, each, key, section, number) for each in values]
            found[option.parameter] = values
        return found

    def _zipped(self, table: Mapping[str, Any], number: int) -> dict[str, Any]:
        found = {name: list(each) if isinstance(each, range) else each
                 for name, each in self.axes(table, "zip", number).items()}  # fmt: skip
        lengths = {name: len(each) for name, each in flat(found)}
        if not lengths:
            self.wrong("zipped axes: name two options at least", "zip", None, number)
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            self.wrong(f"zipped axes are of one length: {counts}", next(iter(table)), "zip", number)
        return found

    def _excluded(self, table: Mapping[str, Any], number: int) -> Values:
        found = self.axes(table, "exclude", number)
        if not flat(found):
            self.wrong("an exclusion names one option at least", "exclude", None, number)
        for key in table:
            option = self._option(key, "exclude", number)
            if not option.fills and option.name not in ("backend", "task"):
                self.wrong(f"{key} decides no spec, so nothing can be excluded by it", key, "exclude", number)
        return found

    def _unrolled(self, option: Option, given: Any, section: str, number: int) -> Sequence[Any]:
        """The values of an axis: a list of them, one alone, or a range of whole numbers such as "0-4"."""
        if option.kind is int and isinstance(given, str) and (ends := _RANGE.fullmatch(given.strip())):
            values = range(int(ends[1]), int(ends[2]) + 1)
            if not values:
                what = f'{option.name}: "{given.strip()}" has no values: the smaller number comes first'
                self.wrong(what, option.name, section, number)
            return values
        return _listed(given)

    def _filled(self, values: Sequence[Any], key: str, section: str, number: int) -> Sequence[Any]:
        if not values:
            self.wrong(f"{key} has no values: name one at least, or leave it out", key, section, number)
        return values

    def _parameters(self, given: Any, key: str, section: str, number: int) -> list[Any]:
        values = self._filled(_listed(given), key, section, number)
        return [self._single(each, key, section, number) for each in values]

    def _single(self, given: Any, key: str, section: str, number: int = 0) -> Any:
        """``given``, which is one value."""
        if isinstance(given, list | dict):
            where = "here; several are under [axes]" if section == "fixed" else f"in each place, not {given!r:.60}"
            self.wrong(f"{key} takes one value {where}", key, section, number)
        return given

    def _typed(self, option: Option, given: Any, key: str, section: str, number: int = 0) -> Any:
        if option.kind is not dict:
            self._single(given, key, section, number)
        try:
            found = value(option, given)
            return found[0] if isinstance(found, list) and option.kind is not dict else found
        except UsageError as error:
            self.wrong(str(error), key, section, number)

    def _as_option(self, key: str) -> Option | None:
        return next((each for each in RUN if key in (each.name, each.parameter)), None)

    def _option(self, key: str, section: str, number: int = 0) -> Option:
        found = self._as_option(key)
        if found is not None and found.name in _NOT_HERE:
            self.wrong(_NOT_HERE[found.name], key, section, number)
        if found is None or found.group == "Output":
            known = [each.name for each in RUN if each.group != "Output" and each.name not in _NOT_HERE]
            self.wrong(nearest("option", key[:_SHOWN], known), key, section, number)
        return found

    def _new(self, key: str, found: Mapping[str, Any], section: str, number: int = 0) -> Option:
        option = self._option(key, section, number)
        if option.parameter in found:  # with "-" and with "_"
            self.wrong(f"{key} is given twice", key, section, number)
        return option

    def wrong(self, what: str, key: str, section: str | None = None, number: int = 0) -> NoReturn:
        """Raise UsageError that says ``what`` is not right, and in which line: see ``line_of``."""
        inside = ".".join(filter(None, (self.within, section))) or None
        raise UsageError(f"{self.path}, line {line_of(self.text, key, inside, number)}: {what}")


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
        section: the table that it is in, with dots between the words of its name; None for the top.
        number: of several tables of that name, counted from 0.
    """
    wanted = [*(section.split(".") if section else []), *key.split(".")]
    best, closest = (0, 0), 1
    for line, path, of in _statements(text):
        if of in (number, -1):
            same = _common(path, wanted)
            if same > best:
                best, closest = same, line
    return closest


def _common(path: Sequence[str], wanted: Sequence[str]) -> tuple[int, int]:
    """How many words a key, or a table's name, has in common with ``wanted``, where "-" is as good as "_"; and how many
    of these are the same letter by letter.
    """
    count = same = 0
    for one, other in zip(".".join(path).split("."), wanted, strict=False):
        if one.replace("-", "_") != other.replace("-", "_"):
            break
        count, same = count + 1, same + (one == other)
    return count, same


def _statements(text: str) -> Iterator[tuple[int, list[str], int]]:
    """What a TOML document states: the line of each table and key, its words from the top, and, in a table of those
    that have one name, the table's number counted from 0; else -1.
    """
    table: list[str] = []
    numbers: dict[str, int] = {}
    number, depth, quote = -1, 0, ""
    for line, content in enumerate(text.split("\n"), 1):
        stripped = content.strip()
        found = None if depth or quote else _KEY.match(stripped)
        if found:
            path = _words(found["key"])
            if found["open"]:
                table = path
                if found["open"] == "[[":
                    numbers[".".join(path)] = numbers.get(".".join(path), -1) + 1
                number = _number(path, numbers)
                yield line, table, number
                continue
            yield line, [*table, *path], number
        depth, quote = _open(stripped, depth, quote)


def _number(path: Sequence[str], numbers: Mapping[str, int]) -> int:
    """Which of the tables of one name a table is, or is in; -1 where it is in none."""
    known = (numbers.get(".".join(path[:end])) for end in range(len(path), 0, -1))
    return next((number for number in known if number is not None), -1)


def _open(line: str, depth: int, quote: str) -> tuple[int, str]:
    """How many brackets are open after a line, and which quote of a string of several lines; as they were before it."""
    at = 0
    while True:
        if quote:
            end = line.find(quote, at)
            if end < 0:
                return depth, quote
            at, quote = end + len(quote), ""
        mark = _MARKS.search(line, at)
        if mark is None:
            return depth, quote
        at = mark.end()
        if mark[0] in ('"""', "'''"):
            quote = mark[0]
        depth += (mark[0] in "[{") - (mark[0] in "]}")


def _words(key: str) -> list[str]:
    """The words of a key, without quotes."""
    words, found = [], tomllib.loads(f"{key} = 0")
    while isinstance(found, dict):
        (word,) = found
        words.append(word)
        found = found[word]
    return words
