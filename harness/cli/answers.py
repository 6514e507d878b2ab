"""``harness answers``."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import Annotated

import typer

from harness.cli.common import Folders, print_lines, read_records, tell


def answers(
    places: Folders = None,
    json_lines: Annotated[bool, typer.Option("--json", help="Each answer as a line of JSON.")] = False,
) -> None:
    """What records say: which backend trains fastest, how sure that is, what tuning gains, what is possible."""
    from harness.presentation import answer_words

    found = read_records(places)
    every = [answer for answer in answer_words.answered(found) if len(answer.backends) > 1]
    if not every:
        tell("no two backends were measured at the same sizes on the same machine: there is nothing to compare")
        return
    if json_lines:
        print_lines(map(answer_words.as_json, every))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines: list[str] = []
    for answer in every:
        said = answer_words.said(answer)
        told = [f"{answer_words.title(answer)}: {said.gist}", *(f"  {each.text}" for each in said.sentences)]
        lines += [part for line in told for part in fitted(line, width)] + [""]
    print_lines(lines[:-1])


def fitted(line: str, width: int | None) -> list[str]:
    """A line as a terminal of ``width`` columns shows it without a break in a word; whole where that is None."""
    if width is None:
        return [line]
    return textwrap.wrap(line, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
