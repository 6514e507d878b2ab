"""A claim file is read as a whole or not at all, and a mistake in it has its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.specs.claim_file import files, read, said_in
from tests.conftest import ROOT

STUDY = """statement = "One."
otherwise = "Two."

[source]
who = "Somebody"
folklore = true

[study.fixed]
backend = "numpy"
task = "adding"

[study.axes]
cell = ["lstm", "gru"]

[study.also]
chrono = 20

[[rule]]
kind = "mean"
of = { cell = "gru", also = true }
below = 0.1
"""
COMPARE = """statement = "One."
otherwise = "Two."

[source]
who = "Somebody"
where = "arXiv:2001.00001"

[compare]
restarts = 3

[compare.fixed]
backend = "numpy"

[compare.each]
hidden = [8, 16]

[compare.a]
cell = "gru"

[compare.b]
cell = "lstm"

[[rule]]
kind = "ratio"
of = "a"
to = "b"
above = 1
"""


def write(folder: Path, text: str, name: str = "one.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_what_a_file_says(tmp_path: Path) -> None:
    found = read(write(tmp_path, STUDY), tmp_path / "results")
    assert (found.id, found.measurement, found.words.statement) == ("one", "study", "One.")
    assert found.study is not None
    assert found.also is not None
    assert found.study.results == tmp_path / "results" / "one"
    assert (found.study.fixed.get("chrono"), found.also.fixed["chrono"]) == (None, 20)
    assert found.which == [{"of": {"cell": ["gru"], "also": True}}]
    found = read(write(tmp_path, COMPARE), tmp_path)
    assert found.compare is not None
    assert (found.compare.a.fixed["cell"], found.compare.b.fixed["cell"]) == ("gru", "lstm")
    assert found.compare.restarts == 3


@pytest.mark.parametrize(
    ("text", "old", "new", "says"),
    [
        (STUDY, "otherwise", "otherwize", r"line 2: unknown key 'otherwize'; did you mean 'otherwise'"),
        (STUDY, 'who = "Somebody"\n', "", r"line 4: who is missing"),
        (STUDY, "folklore = true", 'where = "a book"', r"line 6: where: an address"),
        (STUDY, "folklore = true", "", r"line 4: where says where it was published"),
        (STUDY, "cell = [", "cel = [", r"line 13: unknown option 'cel'; did you mean 'cell'"),
        (STUDY, "chrono = 20", 'task = "copy"', r"line 16: task has a value in the study already"),
        (STUDY, 'kind = "mean"', 'kind = "meen"', r"line 19: unknown kind of rule 'meen'; did you mean 'mean'"),
        (STUDY, 'kind = "mean"', 'kind = "drift"', r"line 19: drift is no rule of \[study\], which is judged by share"),
        (STUDY, "below = 0.1", "", r"line 18: a rule has a bound"),
        (STUDY, "below = 0.1", "below = 0.1\nabove = 0.2", r"line 18: above is the lower bound"),
        (STUDY, "of = { cell", "of = { cel", r"line 20: unknown option 'cel'"),
        (STUDY, "[[rule]]", "[parity]\nupdates = 3\n\n[[rule]]", r"one measurement, not study and parity"),
        (STUDY, "[study.fixed]", "[study]\nresults = \"x\"\n\n[study.fixed]", r"line 9: results: a claim's study has"),
        (COMPARE, 'cell = "gru"', 'hidden = 8', r"line 18: hidden is for both sides already"),
        (COMPARE, 'cell = "gru"', 'cell = "lstm"', r"line 8: the sides are the same"),
        (COMPARE, "restarts = 3", "restarts = true", r"line 9: restarts: a whole number above 0"),
        (COMPARE, "[compare]\nrestarts = 3", "[compare]\nrestart = 3", r"did you mean 'restarts'"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_line(tmp_path: Path, text: str, old: str, new: str, says: str) -> None:
    assert old in text
    with pytest.raises(UsageError, match=says):
        read(write(tmp_path, text.replace(old, new, 1)), tmp_path)


def test_without_a_test_it_says_what_it_takes(tmp_path: Path) -> None:
    head = STUDY[: STUDY.index("[study")]
    with pytest.raises(UsageError, match="what tests it is missing"):
        read(write(tmp_path, head), tmp_path)
    assert read(write(tmp_path, f'{head}[needs]\nmissing = ["a cell"]\n'), tmp_path).measurement is None
    with pytest.raises(UsageError, match=r"a claim's file is ID\.toml"):
        read(write(tmp_path, STUDY, "One_.toml"), tmp_path)


@pytest.mark.parametrize("path", files(ROOT / "results" / "claims"), ids=lambda path: path.stem)
def test_a_claim_of_this_project_is_sound(path: Path, tmp_path: Path) -> None:
    found = read(path, tmp_path)
    said = said_in(found.text)
    assert said is not None
    assert said[0].statement == found.words.statement
    assert found.measurement is None or found.words.minutes


def test_of_another_text_nothing_is_said() -> None:
    assert said_in("no TOML at all [") is None
    assert said_in('statement = "One."') is None


def test_there_are_enough_of_them(tmp_path: Path) -> None:
    found = [read(path, tmp_path) for path in files(ROOT / "results" / "claims")]
    here = [each for each in found if each.measurement and not each.needs.gpu and not each.needs.missing]
    assert len(found) >= 20
    assert len(here) >= 14
