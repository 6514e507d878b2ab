"""A claim's file, read as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NoReturn

from pydantic import ValidationError

from harness.errors import UsageError
from harness.specs.base import StudyMark
from harness.specs.claim import (
    MEASUREMENTS,
    Claim,
    Drift,
    DriftRule,
    MeanRule,
    Needs,
    RatioRule,
    Rule,
    ShareRule,
    Sides,
    Source,
    SpreadRule,
    StepsRule,
    Words,
)
from harness.specs.options import SPEED, Option
from harness.specs.study import Reader, Study, Values, flat, toml
from harness.specs.study import read as read_study
from harness.specs.values import value
from tasks.registry import nearest

#: Where the claims of this project are.
CLAIMS: Final = Path("results/claims")
ENDING: Final = ".toml"
#: Options of ``harness speed`` that the command decides, or that decide no figure.
_NOT_IN_SPEED: Final = ("results", "out", "json", "cpus", "look", "wait-quiet", "require-quiet")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
#: Letters of a word in a message.
_SHOWN: Final = 60

_RULES: Final[Mapping[str, type[Rule]]] = {
    "ratio": RatioRule, "share": ShareRule, "mean": MeanRule, "steps": StepsRule, "spread": SpreadRule,
    "drift": DriftRule,
}  # fmt: skip
#: What each kind of measurement can be judged by.
_JUDGED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "study": ("share", "mean", "steps", "spread"), "speed": ("ratio",), "compare": ("ratio",), "parity": ("drift",),
}  # fmt: skip
_IN_WORDS: Final = (Words, Source, Needs)


def files(folder: Path = CLAIMS) -> list[Path]:
    """The claim files of a folder, by name."""
    return sorted(folder.glob(f"*{ENDING}"))


def read(path: Path, results: Path) -> Claim:
    """The claim in a file, as a whole or not at all.

    Args:
        results: the folder for records of claims: this one's are in a folder of its own within.

    Raises:
        UsageError: it cannot be read, or something in it cannot be right; names the line where one is to blame.
    """
    name = path.name.removesuffix(ENDING)
    if not path.name.endswith(ENDING) or not _ID.fullmatch(name):
        raise UsageError(f"{path}: a claim's file is ID.toml, its id of small letters, digits and '-', at most 64")
    _, text, document = toml(path, "claim file")
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return _ClaimReader(path, text, sha256, name, results / name).claim(document)


def said_in(text: str) -> tuple[Words, Source, Needs] | None:
    """What a claim's file says in words, of its text alone, as a record has it; None where it is none.

    What tests it is not looked at: options may have changed since, and a study's file need not be there.
    """
    try:
        document = tomllib.loads(text)
        words = {key: each for key, each in document.items() if key in Words.model_fields}
        given = (words, document["source"], document.get("needs", {}))
        return tuple(kind.model_validate_json(json.dumps(each)) for kind, each in zip(_IN_WORDS, given, strict=True))  # type: ignore[attr-defined]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


@dataclass
class _ClaimReader:
    """Of one file."""

    path: Path
    text: str
    sha256: str
    id: str
    results: Path

    def claim(self, document: Mapping[str, Any]) -> Claim:
        top = [*Words.model_fields, "source", "needs", "rule", *MEASUREMENTS]
        for key in document:
            if key not in top:
                self.wrong(nearest("key", key[:_SHOWN], top), key)
        words = self.model(Words, {key: each for key, each in document.items() if key in Words.model_fields}, None)
        source = self.model(Source, self.table(document, "source", needed=True), "source")
        needs = self.model(Needs, self.table(document, "needs"), "needs")
        given = [name for name in MEASUREMENTS if name in document]
        if len(given) > 1:
            self.wrong(f"a claim has one measurement, not {' and '.join(given)}", given[1])
        measured = given[0] if given else None
        if measured is None and not (needs.missing or needs.gpu):
            what = "what tests it is missing: [study], [speed], [compare] or [parity]; else [needs] says what it takes"
            self.wrong(what, "statement")
        rules, which = self.rules(document, measured)
        study = self.study(self.table(document, "study")) if measured == "study" else None
        return Claim(self.id, self.path, self.results, self.text, self.sha256, words, source, needs, rules, which,
            study=study,
            also=self.also(self.table(document, "study"), study) if study else None,
            speed=self.speed(self.table(document, "speed")) if measured == "speed" else None,
            compare=self.compare(self.table(document, "compare")) if measured == "compare" else None,
            parity=self.parity(self.table(document, "parity")) if measured == "parity" else None,
        )  # fmt: skip

    def rules(self, document: Mapping[str, Any], measured: str | None) -> tuple[list[Rule], list[dict[str, Any]]]:
        given = document.get("rule", [])
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            self.wrong("rule is one table or more: [[rule]], then kind = …", "rule")
        if measured and not given:
            self.wrong('a claim that is measured has a rule: [[rule]], then kind = "…"', measured)
        found: list[Rule] = []
        chosen: list[dict[str, Any]] = []
        for number, table in enumerate(given):
            kind = table.get("kind")
            if kind not in _RULES:
                known = list(_RULES)
                self.wrong(nearest("kind of rule", str(kind)[:_SHOWN], known), "kind", "rule", number)
            if measured is None or kind not in _JUDGED_BY[measured]:
                judged = ", ".join(_JUDGED_BY[measured]) if measured else "no rule: nothing is measured"
                self.wrong(f"{kind} is no rule of [{measured}], which is judged by {judged}", "kind", "rule", number)
            rule = self.model(_RULES[kind], table, "rule", number)
            reader = Reader(self.path, self.text)
            sides = {side: table[side] for side in ("of", "to") if isinstance(table.get(side), dict)}
            chosen.append({side: self.which(reader, given, f"rule.{side}", number) for side, given in sides.items()})
            found.append(rule)
        return found, chosen

    def which(self, reader: Reader, table: Mapping[str, Any], section: str, number: int) -> dict[str, Any]:
        """The options that choose runs, with lists of values, and ``also`` as it is."""
        rest = {key: each for key, each in table.items() if key != "also"}
        also = table.get("also")
        if also is not None and not isinstance(also, bool):
            self.wrong("also: true or false", "also", section, number)
        return reader.axes(rest, section, number) | ({} if also is None else {"also": also})

    def also(self, table: Mapping[str, Any], study: Study) -> Study | None:
        """The study once more, with the values of [study.also]."""
        if "also" not in table:
            return None
        reader = Reader(self.path, self.text, "study")
        more = reader.fixed(reader.table(table, "also"), "also")
        for name in more:
            if name in study.fixed or any(name == key for axes in (study.axes, *study.zipped) for key, _ in flat(axes)):
                self.wrong(f"{name} has a value in the study already", name, "study.also")
        return replace(study, fixed={**study.fixed, **more})

    def study(self, table: Mapping[str, Any], within: str = "study") -> Study:
        if "file" in table:
            return self._of_file(table, within)
        for key in ("name", "results"):
            if key in table:
                self.wrong(f"{key}: a claim's study has the claim's", key, within)
        rest = {key: each for key, each in table.items() if key != "also"}
        return Reader(self.path, self.text, within).study(
            {**rest, "name": self.id, "results": os.path.relpath(self.results, self.path.parent)}, self.sha256
        )

    def _of_file(self, table: Mapping[str, Any], within: str) -> Study:
        """A study that has a file of its own, and its records in a folder of its own."""
        file = table["file"]
        if len(table) > 1:
            other = next(key for key in table if key != "file")
            self.wrong("file stands alone: all else is in the study's file", other, within)
        if not isinstance(file, str) or not file:
            self.wrong("file: the path of a study's file, as text", "file", within)
        found = read_study(self.path.parent / file)
        return replace(found, path=Path(os.path.normpath(found.path)))

    def speed(self, table: Mapping[str, Any]) -> Values:
        known = [each.name for each in SPEED if each.name not in _NOT_IN_SPEED]
        found: Values = {}
        for key, given in table.items():
            option: Option | None = next((each for each in SPEED if key in (each.name, each.parameter)), None)
            if option is None or option.name not in known:
                self.wrong(nearest("option", key[:_SHOWN], known), key, "speed")
            try:
                found[option.parameter] = value(option, given)
            except UsageError as error:
                self.wrong(str(error), key, "speed")
        return found

    def compare(self, table: Mapping[str, Any]) -> Sides:
        numbers = dict.fromkeys(("pairs", "restarts", "block"))
        known = [*numbers, "fixed", "a", "b", "each"]
        for key in table:
            if key not in known:
                self.wrong(nearest("key", key[:_SHOWN], known), key, "compare")
        reader = Reader(self.path, self.text, "compare")
        fixed = reader.fixed(reader.table(table, "fixed"), "fixed")
        each = reader.axes(reader.table(table, "each"), "each")
        sides = []
        for side in ("a", "b"):
            own = reader.fixed(reader.table(table, side), side)
            for name in own:
                if name in fixed or name in {key for key, _ in flat(each)}:
                    self.wrong(f"{name} is for both sides already", name, f"compare.{side}")
            sides.append(self._specs({**fixed, **own}, each))
        if table.get("a", {}) == table.get("b", {}):
            self.wrong("the sides are the same: [compare.a] and [compare.b] say how they differ", "compare")
        effort: dict[str, Any] = {}
        for name in numbers.keys() & table.keys():
            given, whole = table[name], name != "block"
            if isinstance(given, bool) or not isinstance(given, int if whole else int | float) or not 0 < given < 1e6:
                self.wrong(f"{name}: {'a whole number' if whole else 'seconds'} above 0", name, "compare")
            effort[name] = given
        return Sides(sides[0], sides[1], **effort)

    def parity(self, table: Mapping[str, Any]) -> Drift:
        rest = {key: each for key, each in table.items() if key != "updates"}
        updates = table.get("updates")
        if isinstance(updates, bool) or not isinstance(updates, int) or not 1 <= updates <= 100_000:
            self.wrong("updates: over how many losses are compared, from 1 to 100,000", "updates", "parity")
        return Drift(self.study(rest, "parity"), updates)

    def _specs(self, fixed: Values, axes: Values) -> Study:
        mark = StudyMark(name=self.id, sha256=self.sha256)
        return Study(mark, self.path, self.results, fixed=fixed, axes=axes)

    def table(self, document: Mapping[str, Any], key: str, needed: bool = False) -> Mapping[str, Any]:
        found: Mapping[str, Any] = document.get(key, {})
        if not isinstance(found, dict) or (needed and not found):
            self.wrong(f"{key} is a table: [{key}], then one key in each line", key)
        return found

    def model(self, kind: type[Any], table: Mapping[str, Any], section: str | None, number: int = 0) -> Any:
        """A table as a model of it. Raises UsageError."""
        try:
            return kind.model_validate_json(json.dumps(dict(table), default=str), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(each) for each in first["loc"] if not isinstance(each, int))
            if first["type"] == "extra_forbidden":
                what = nearest("key", key[:_SHOWN], list(kind.model_fields))
            elif first["type"] == "missing":
                what = f"{key} is missing"
            else:
                said = first["msg"].removeprefix("Value error, ")
                what = f"{key}: {said}" if key else said
            self.wrong(what, key or section or "statement", section if key else None, number)

    def wrong(self, what: str, key: str, section: str | None = None, number: int = 0) -> NoReturn:
        Reader(self.path, self.text).wrong(what, key, section, number)
