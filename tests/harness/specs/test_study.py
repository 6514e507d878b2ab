"""Study files: what they say, and one clear line with the place of what cannot be right."""

from __future__ import annotations

import os
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.specs.study import LARGEST_BYTES, Study, line_of, read
from harness.specs.study_example import EXAMPLE


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def study(text: str | bytes) -> Study:
    Path("s.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    return read(Path("s.toml"))


def test_the_example_says_what_its_comments_say() -> None:
    found = study(EXAMPLE)
    assert (found.name, found.results, found.timeout, found.tries) == (
        "learning-rates", Path("learning-rates"), 600.0, 3
    )  # fmt: skip
    assert found.fixed == {"task": "adding", "preset": "smoke", "hidden": 16, "parameter": ["length=50"]}
    assert found.axes == {"backend": ["numpy", "torch"], "lr": [1e-3, 3e-3, 1e-2], "seed": range(3)}
    assert found.zipped == [{"batch": [32, 64], "steps": [200, 100]}]
    assert found.exclude == [{"backend": ["numpy"], "lr": [1e-2]}]


def test_an_empty_file_is_a_study_of_the_defaults_named_like_the_file() -> None:
    found = study("")
    assert (found.name, found.results, found.axes, found.fixed) == ("s", Path("s"), {}, {})


@pytest.mark.parametrize(
    "text", [b'\xef\xbb\xbfname = "a"\n[axes]\nseed = "0-1"\n', b'name = "a"\r\n[axes]\r\nseed = "0-1"\r\n']
)
def test_what_editors_write_is_read(text: bytes) -> None:
    assert study(text).axes == {"seed": range(2)}


def test_the_digest_is_of_the_file() -> None:
    assert study('name = "a"').mark != study('name = "a" ').mark


@pytest.mark.parametrize(
    ("said", "folder"),
    [("/somewhere/else", "/somewhere/else"), ("../b", "../b"), ("a/../b", "b"), ("~/a", str(Path("~/a").expanduser()))],
)
def test_results_are_beside_the_file_unless_it_says_else(said: str, folder: str) -> None:
    assert study(f'results = "{said}"').results == Path(folder)


WRONG: list[tuple[str, str]] = [
    # not TOML
    ('name = "a"\n[axes\nlr = 1', r"s\.toml: not TOML: .* \(at line 2, column 6\)"),
    ('name = "a"\nname = "b"', r"not TOML: .*line 2"),
    ("[axes]\nlr = 1\n[axes]\nseed = 1", r"not TOML: Cannot declare .* twice \(at line 3"),
    ("a = " + "[" * 3000, "not TOML: nested too deeply"),
    ("[fixed]\nseed = " + "9" * 5000, "digits"),
    # keys
    ('nam = "x"', r"line 1: unknown key 'nam'; did you mean 'name'\?"),
    ("\n\nlr = 3", r"line 3: lr belongs under \[fixed\] or \[axes\]"),
    ("[axes]\nseed = 0\nhiden = [1]", r"line 3: unknown option 'hiden'; did you mean 'hidden'\?"),
    ('[axes]\n"' + "l" * 5000 + '" = 1', r"line 2: unknown option 'l{60}';"),
    ('[fixed]\nresults = "x"', r"line 2: results stands at the top"),
    ("[axes]\ntimeout = [1]", r"line 2: timeout stands at the top"),
    ('[fixed]\ncpus = "0"', r"line 2: cpus is an option of harness study: --cpus"),
    ("[axes]\nseeds = 3", r"line 2: seeds are an axis"),
    ("[fixed]\njson = true", r"line 2: unknown option 'json'"),
    ("[fixed]\nforget-bias = 1.0\nforget_bias = 2.0", r"line 3: forget_bias is given twice"),
    # shapes
    ("axes = [1]", r"line 1: axes is a table: \[axes\]"),
    ("zip = 3", r"line 1: zip is one table or more: \[\[zip\]\]"),
    ("[axes]\nparameter = 3", r"line 2: parameter is a table: \[axes\.parameter\]"),
    ("[[zip]]", r"line 1: zipped axes: name two options at least"),
    ("[[zip]]\nlr = [1, 2]\nseed = 0", r"line 2: zipped axes are of one length: lr has 2, seed has 1"),
    ("[[exclude]]\nseed = 0\n[[exclude]]", r"line 3: an exclusion names one option at least"),
    ("[[exclude]]\n[exclude.parameter]", r"line 1: an exclusion names one option at least"),
    ("[[exclude]]\nepochs = 3", r"line 2: epochs decides no spec"),
    ("[axes]\nlr = []", r"line 2: lr has no values"),
    ("[axes.parameter]\nlength = []", r"line 2: parameter\.length has no values"),
    ('[axes]\nseed = "4-0"', r'line 2: seed: "4-0" has no values: the smaller number comes first'),
    # values
    ("name = 2020-01-01", r"line 1: name: small letters"),
    ('name = "Ünï"', r"line 1: name: small letters"),
    ("timeout = nan", r"line 1: timeout: seconds, above 0$"),
    ("timeout = " + "9" * 400, r"line 1: timeout: seconds, above 0$"),
    ("tries = true", r"line 1: tries: a whole number from 0 to 1000"),
    ('results = "a\\u0000"', r"line 1: results: a folder, as text"),
    ('results = "~nobody-of-that-name/x"', r"line 1: results: there is no home folder ~nobody-of-that-name$"),
    ("[axes]\nseed = [2020-01-01]", r"line 2: seed takes a whole number, not 2020-01-01$"),
    ("[axes]\nseed = [[1, 2]]", r"line 2: seed takes one value in each place, not \[1, 2\]"),
    ("[axes.parameter]\nlength = [[1], 2]", r"line 2: parameter\.length takes one value in each place, not \[1\]"),
    ("[fixed]\nlr = [1, 2]", r"line 2: lr takes one value here; several are under \[axes\]"),
    ("[fixed.parameter]\nlength = [1, 2]", r"line 2: parameter\.length takes one value here"),
    ("[fixed]\nlr = " + "9" * 400, r"line 2: lr takes a number, not 9{60}$"),
    ("[fixed]\nseed = true", r"line 2: seed takes a whole number, not True"),
    ('[axes]\nlr = "0-4"', r"line 2: lr takes a number, not '0-4'"),
    # said twice
    ("[fixed]\nlr = 1\n[axes]\nseed = 0\nlr = [1, 2]", r"line 5: lr is in \[fixed\] already"),
    ("[axes]\nweight-decay = 1\n[[zip]]\nweight_decay = [1]", r"line 4: weight-decay is in \[axes\] already"),
    ("[[zip]]\nlr = [1]\n[[zip]]\nseed = 0\nlr = [1]", r"line 5: lr is in \[\[zip\]\] already"),
    (
        "[fixed.parameter]\nlength = 1\n[axes.parameter]\nlength = 1",
        r"line 4: parameter\.length is in \[fixed\] already",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_cannot_be_right_is_one_line_with_its_place(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        study(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 900


def test_what_is_no_study_file_is_not_waited_for() -> None:
    os.mkfifo("pipe")
    Path("large").write_bytes(b"#" * (LARGEST_BYTES + 1))
    Path("latin").write_bytes(b'name = "\xff"')
    cases = {
        "pipe": "pipe: not a file", ".": r"\.: not a file", "/dev/zero": "/dev/zero: not a file",
        "large": "large: larger than any study file", "latin": "latin: not UTF-8, at byte 9",
        "none": "none: No such file or directory; harness study --init writes an example",
        "a\0b": r"'a\\x00b' is no name of a file",
    }  # fmt: skip
    for name, message in cases.items():
        with pytest.raises(UsageError, match=f"^{message}"):
            read(Path(name))


def test_a_file_whose_name_is_no_study_s_says_that_a_name_is_needed() -> None:
    Path("My Study.toml").write_text("")
    with pytest.raises(UsageError, match=r'My Study\.toml, line 1: a name is needed: name = "…"'):
        read(Path("My Study.toml"))


VALUES = st.sampled_from([
    "1", '"a # b"', '"["', "'{'", '"""\nkey = 1\n[axes]\n"""', "'''\nit\"s [\n'''", "[\n  [1],\n  [2], # ]\n]",
    "{a = [1]}", "[] # comment [", '"\\""',
])  # fmt: skip
KEYS = st.sampled_from(["lr", "weight-decay", "hidden", "seed", "parameter.length", '"batch"', "'steps'"])


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[tuple[str | None, int, str, int]]]:
    """A document, and of each of its keys: table, its number, the key, and the line in which it stands."""
    lines: list[str] = ["# a study"] * draw(st.integers(0, 2))
    stated: list[tuple[str | None, int, str, int]] = []
    tables: list[tuple[str | None, int]] = [(None, 0), ("fixed", 0), ("axes", 0)]
    tables += [("zip", number) for number in range(draw(st.integers(0, 3)))]
    for table, number in tables:
        if table:
            lines.append(f"[[ {table} ]]" if table == "zip" else f"  [{table}]  # [comment]")
        for key in draw(st.lists(KEYS, unique=True, max_size=4)):
            value = draw(VALUES)
            stated.append((table, number, key.strip("\"'"), len(lines) + 1))
            lines += f"{key} = {value}".split("\n")
            lines += [""] * draw(st.integers(0, 1))
    return "\n".join(lines), stated


@given(documents())
def test_a_key_is_found_in_its_line(made: tuple[str, list[tuple[str | None, int, str, int]]]) -> None:
    text, stated = made
    tomllib.loads(text)
    for table, number, key, line in stated:
        assert line_of(text, key, table, number) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("axes.seed = 0\naxes.lr = 1", 2),
        ("\naxes = {seed = 0, lr = 1}", 2),
        ('[axes]\nseed = 0\n[fixed]\nlr = 1\n["axes".parameter]\n', 1),
        ("# nothing", 1),
    ],
)
def test_a_key_that_has_no_line_of_its_own_is_at_its_table_s(text: str, line: int) -> None:
    assert line_of(text, "lr", "axes") == line


WORDS = st.text(st.characters(min_codepoint=97, max_codepoint=122))
ANYTHING = st.recursive(
    st.integers() | st.floats() | st.booleans() | WORDS,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(["lr", "seed", "parameter", "x"]), each),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["name", "fixed", "axes", "zip", "exclude", "lr"]), ANYTHING, max_size=4))
def test_whatever_it_says_it_is_read_or_refused(document: dict[str, Any]) -> None:
    with suppress(UsageError):
        study("\n".join(f"{key} = {_toml(value)}" for key, value in document.items()))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else repr(value)
