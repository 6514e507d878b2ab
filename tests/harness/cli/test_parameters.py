"""Options as typer's parameters, and words as their values."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import typer

from harness.cli.common import RecordFile
from harness.cli.parameters import click_command, parse, takes
from harness.errors import UsageError
from harness.specs.options import RUN, SPEED, Option, complete, option

SOME = (
    Option("sizes", "Lists.", int, repeatable=True, lists=True),
    Option("seed", "Repeatable.", int, repeatable=True),
    Option("exact", "Yes, no, or not said.", bool, negatable=True),
    Option("out", "A folder.", Path, default=Path("here")),
    Option("part", "Pairs.", dict, repeatable=True, short="-p"),
    Option("limit", "Seconds.", float, least=0),
)


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ([], {}),
        (["--sizes", "1,2", "--sizes", "3"], {"sizes": ["1,2", "3"]}),
        (["--seed", "1", "--seed", "2"], {"seed": [1, 2]}),
        (["--exact"], {"exact": True}),
        (["--no-exact"], {"exact": False}),
        (["--out", "there"], {"out": Path("there")}),
        (["-p", "a=1", "--part", "b=2"], {"part": ["a=1", "b=2"]}),
        (["--limit", "0.5"], {"limit": 0.5}),
    ],
)
def test_words_give_values_and_the_rest_has_its_default(words: list[str], given: dict[str, Any]) -> None:
    assert parse(SOME, words) == {
        "sizes": None, "seed": None, "exact": None, "out": Path("here"), "part": None, "limit": None, **given
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--seeed", "1"], "--seeed"),
        (["--seed", "one"], "'--seed'"),
        (["--limit", "-1"], "'--limit'"),
        (["--help"], "--help"),
        (["more"], "more"),
        (["--limit", "1", "--limit", "2"], "--limit is given twice; it takes one value"),
        (["--exact", "--no-exact"], "--exact is given twice"),
    ],
)
def test_other_words_are_refused(words: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse(SOME, words)


@pytest.mark.parametrize("options", [RUN, SPEED])
def test_no_words_are_the_defaults_that_python_has(
    options: tuple[Option, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    assert parse(options, []) == complete(options, {})


def test_a_command_gets_what_it_names_and_the_others_together() -> None:
    told: dict[str, Any] = {}

    @takes(*SOME)
    def command(record: RecordFile, out: Path, exact: bool | None, **options: Any) -> None:
        """A command."""
        told.update(record=record, out=out, exact=exact, options=options)

    click_command(command)(["--seed", "3", "a.json", "--exact"], standalone_mode=False)
    assert told == {
        "record": Path("a.json"), "out": Path("here"), "exact": True,
        "options": {"sizes": None, "seed": [3], "part": None, "limit": None},
    }  # fmt: skip


def test_the_environment_is_read_where_an_option_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", "/somewhere")
    assert parse([option("data")], []) == {"data": Path("/somewhere")}
    assert parse([option("data")], ["--data", "/elsewhere"]) == {"data": Path("/elsewhere")}


def test_commands_state_no_option_of_their_own_that_is_stated_already() -> None:
    """``run`` and ``speed`` name parameters, without defaults or help of their own."""
    from harness.cli.run import run
    from harness.cli.speed import speed

    for command in (run, speed):
        code = inspect.unwrap(command).__code__
        assert command.__defaults__ is None
        assert {*code.co_varnames[: code.co_argcount]} <= {each.parameter for each in (*RUN, *SPEED)}
    assert typer.main.get_command  # what typer is called by here
