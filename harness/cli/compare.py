"""``harness compare``: two specs side by side, or runs that are recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from harness.cli.common import NOT_OK, OK, fail, print_lines, print_table, read_records

if TYPE_CHECKING:
    from harness.analysis.difference import Accuracy
    from harness.specs.run import RunSpec
    from harness.workflows.compare import Comparison


def compare(
    context: typer.Context,
    a: Annotated[
        str | None, typer.Option("--a", metavar="WORDS", help='Options of run for one side: "--backend torch".')
    ] = None,
    b: Annotated[str | None, typer.Option("--b", metavar="WORDS", help='And for the other: "--backend jax".')] = None,
    against: Annotated[
        Path | None, typer.Option(help="Recorded runs to compare with; exit status 1 if anything got worse.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(metavar="SHARE", help="With --against: tolerated change; 0.05 is 5 %.")
    ] = 0.05,
    pairs: Annotated[int, typer.Option(help="Pairs of blocks, in total.")] = 160,
    restarts: Annotated[int, typer.Option(help="Pairs of processes that they come from.")] = 8,
    block: Annotated[float, typer.Option(metavar="SECONDS", help="Intended duration of a block.")] = 0.1,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Longest that a pair of processes may take, in seconds.")
    ] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="The comparison as JSON on standard output.")] = False,
) -> None:
    """Which of two specs is faster: --a WORDS --b WORDS, live, in turns; other options are those of run, for both.

    Or compare recorded runs: compare RECORD RECORD, compare FOLDER --against FOLDER.
    """
    if a is None or b is None:
        if a is not None or b is not None:
            fail("compare needs both --a and --b")
        _compare_recorded([Path(word) for word in context.args], against, tolerance, json_lines)
    if against is not None:
        fail("--against is for recorded runs: compare FOLDER --against FOLDER")
    from harness.processes.stopping import terminated_as_interrupted

    with terminated_as_interrupted():
        found, learned, stopped = _compare_live(a, b, context.args, pairs, restarts, block, timeout)
        _print_comparison(a, b, found, learned, json_lines)
    if stopped:
        fail("stopped by the user before accuracy was compared", NOT_OK)


def _print_comparison(a: str, b: str, found: Comparison, learned: Accuracy | None, json_lines: bool) -> None:
    if json_lines:
        import json
        from dataclasses import asdict

        before = [each.model_dump() for each in found.before]
        typer.echo(
            json.dumps({"a": a, "b": b, **asdict(found), "before": before, "accuracy": learned and asdict(learned)})
        )
        return
    for side, words, variant in zip("AB", (a, b), found.variants, strict=True):
        typer.echo(f"{side}: {words} ({variant})")
    if learned is not None:
        typer.echo(learned.sentence())
    print_lines(found.lines())


def _compare_live(
    a: str, b: str, common: list[str], pairs: int, restarts: int, block: float, timeout: float | None
) -> tuple[Comparison, Accuracy | None, bool]:
    """Time and memory of both sides and, where each has several seeds, what they learned; whether that was stopped."""
    from harness.errors import CannotCompare, UsageError
    from harness.machine.topology import Choice
    from harness.presentation.progress import line
    from harness.presentation.screen import Screen
    from harness.processes.channel import TimedOut
    from harness.processes.stopping import may_stop
    from harness.workflows import compare as comparing
    from harness.workflows.quiet import Quiet

    try:
        effort = comparing.Effort(pairs, restarts, block, timeout)
        with may_stop():
            (ours, named, asked), (theirs, named_for_b, asked_for_b) = (
                _specs_of(side, words, common) for side, words in (("A", a), ("B", b))
            )
        if asked != asked_for_b:
            raise UsageError("--look, --wait-quiet and --require-quiet are for both sides: outside --a and --b")
        quiet = Quiet.taken_from(asked)
        if named != named_for_b:
            raise UsageError("--cpus: both sides take turns on the same CPUs; name them once, outside --a and --b")
        sides, cpus = [ours, theirs], Choice(named)
        comparing.same_seeds(*sides)
        with line(Screen(stderr=True)) as tell:
            found = comparing.compare(sides[0][0], sides[1][0], effort, tell, cpus, quiet)
        try:
            return found, comparing.learned(sides, timeout, cpus, quiet) if len(sides[0]) > 1 else None, False
        except KeyboardInterrupt:
            return found, None, True
    except UsageError as error:
        fail(error)
    except CannotCompare as error:
        fail(error, NOT_OK)
    except KeyboardInterrupt:
        fail("stopped by the user; nothing was compared", NOT_OK)
    except TimedOut:
        fail(f"not finished after {timeout:g} s (--timeout)", NOT_OK)


def _compare_recorded(places: list[Path], against: Path | None, tolerance: float, json_lines: bool) -> NoReturn:
    """Compare two records, or two sets of them, and end the command."""
    import json
    from dataclasses import asdict

    from harness.analysis import regression
    from harness.errors import UsageError
    from harness.presentation.regression_table import table
    from harness.records.store import StoreError, read_record

    if not places or (against is None and len(places) != 2):
        fail("compare takes --a WORDS --b WORDS, or RECORD RECORD, or FOLDER --against FOLDER")
    try:
        if against is None:
            a, b = map(read_record, places)
            row, differ = regression.pair(a, b)
            if json_lines:
                typer.echo(json.dumps({"a": a.id, "b": b.id, "differ": differ, **asdict(row)}))
            else:
                print_lines(regression.sentences(a, b, row, differ))
            raise typer.Exit(OK)
        before, after = (read_records(each, whole=True) for each in ([against], places))
        found = regression.against(before.runs, after.runs, tolerance)
    except UsageError as error:
        fail(error)
    except StoreError as error:
        fail(error, NOT_OK)
    if json_lines:
        typer.echo(json.dumps(asdict(found)))
    else:
        print_table(table(found))
        print_lines(regression.closing(found))
    raise typer.Exit(NOT_OK if found.worse else OK)


def _specs_of(side: str, words: str, common: list[str]) -> tuple[list[RunSpec], list[int] | None, dict[str, Any]]:
    """The spec that a side's words ask for, or one for each of its seeds; the CPUs that it names; the options of quiet.

    Raises UsageError.
    """
    import shlex

    from harness.cli.parameters import parse
    from harness.errors import UsageError
    from harness.planning.runs import named_cpus, only_in_run, plan
    from harness.specs.options import QUIET, RUN
    from harness.workflows.compare import by_seed

    try:
        more = shlex.split(words)
    except ValueError as error:
        raise UsageError(f"{side}: {words!r} is no command line: {error}") from None
    try:
        options = parse(RUN, [*common, *more])
        only_in_run(options)
    except UsageError as error:
        raise UsageError(f"{side}: {error}") from None
    quiet = {each.parameter: options.pop(each.parameter) for each in QUIET}
    return by_seed(side, plan(options)), named_cpus(options["cpus"]), quiet
