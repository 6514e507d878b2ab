"""``harness data``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import NOT_OK, fail, print_lines, print_table
from harness.cli.parameters import OnceEach

data = typer.Typer(
    name="data",
    help="Your own data sets: arrays or a table, each a task of its name.",
    no_args_is_help=True,
    add_completion=False,
)

Name = Annotated[str, typer.Argument(help="Its name, which --task takes: small letters, digits, dots, dashes.")]
_ARRAYS, _TABLE, _HOW = "Arrays", "Table", "Splitting and scaling"


@data.command("add", cls=OnceEach)
def add_(
    name: Name,
    file: Annotated[
        Path | None, typer.Argument(help="All arrays in an .npz, or a time series: .csv or .parquet.")
    ] = None,
    x: Annotated[
        Path | None,
        typer.Option(help="Inputs: (sequences, steps, features).", metavar="FILE.npy", rich_help_panel=_ARRAYS),
    ] = None,
    y: Annotated[
        Path | None,
        typer.Option(
            help="Targets: numbers, or integers from 0 for classes; one per sequence or one per step.",
            metavar="FILE.npy", rich_help_panel=_ARRAYS,
        ),
    ] = None,
    lengths: Annotated[
        Path | None,
        typer.Option(
            help="Steps of each sequence, where they differ; the rest of its row is padding.",
            metavar="FILE.npy", rich_help_panel=_ARRAYS,
        ),
    ] = None,
    x_test: Annotated[
        Path | None,
        typer.Option(help="Inputs for testing; else some are taken.", metavar="FILE.npy", rich_help_panel=_ARRAYS),
    ] = None,
    y_test: Annotated[
        Path | None, typer.Option(help="Their targets.", metavar="FILE.npy", rich_help_panel=_ARRAYS)
    ] = None,
    lengths_test: Annotated[
        Path | None, typer.Option(help="And their steps.", metavar="FILE.npy", rich_help_panel=_ARRAYS)
    ] = None,
    regression: Annotated[
        bool, typer.Option("--regression", help="Integers are numbers, not classes.", rich_help_panel=_ARRAYS)
    ] = False,
    target: Annotated[
        str | None,
        typer.Option(help="Column whose next values are predicted.", metavar="COLUMN", rich_help_panel=_TABLE),
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=1, help="Rows of a sequence.", show_default="24", rich_help_panel=_TABLE)
    ] = None,
    horizon: Annotated[
        int | None,
        typer.Option(min=1, help="Values that are predicted at once.", show_default="1", rich_help_panel=_TABLE),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            help="Columns that a sequence has.", metavar="A,B,…", show_default="all but the time",
            rich_help_panel=_TABLE,
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(help="Column of times, which must rise evenly.", metavar="COLUMN", rich_help_panel=_TABLE),
    ] = None,
    standardise: Annotated[
        bool,
        typer.Option(
            "--standardise", help="Subtract the mean and divide by the standard deviation of the training split.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    fractions: Annotated[
        str | None,
        typer.Option(
            help="Of training, validation and, where it is not given, test.", metavar="F,F,F",
            show_default="0.8,0.1,0.1, or 0.9,0.1 beside a given test", rich_help_panel=_HOW,
        ),
    ] = None,
    split_seed: Annotated[
        int, typer.Option(min=0, help="Draws which sequence is in which split.", rich_help_panel=_HOW)
    ] = 0,
    by_time: Annotated[
        bool,
        typer.Option("--by-time", help="Split in the order of rows, as a table always is.", rich_help_panel=_HOW),
    ] = False,
) -> None:  # fmt: skip
    """Check, split and keep a data set: NAME --x X.npy --y Y.npy, or NAME FILE. Then: harness run --task NAME."""
    from harness.datasets.keeping import Wish
    from harness.datasets.series import words_of
    from harness.datasets.splitting import Rule, fractions_in
    from harness.errors import UsageError
    from harness.workflows import data as workflow

    arrays = {"x": x, "y": y, "lengths": lengths, "x_test": x_test, "y_test": y_test, "lengths_test": lengths_test}
    try:
        windows = workflow.windows_of(target, window, horizon, words_of(features), time)
        rule = Rule(fractions_in(fractions) if fractions else None, split_seed, by_time)
        given = workflow.Given(file, {role: path for role, path in arrays.items() if path is not None}, windows)
        stored = workflow.add(given, Wish(name, rule, standardise, regression), _note)
    except UsageError as error:
        fail(error)
    except KeyboardInterrupt:
        fail("stopped by the user; nothing was kept", NOT_OK)
    print_lines(workflow.described(name, stored))
    typer.echo(f"train on it: harness run --task {name}")


def _note(line: str) -> None:
    typer.echo(f"note: {line}", err=True)


@data.command("list")
def list_() -> None:
    """List the data sets that are kept."""
    from harness.workflows import data as workflow
    from tasks import datasets

    if datasets.names():
        print_table(workflow.table())
    else:
        typer.echo("none; add one: harness data add NAME --x X.npy --y Y.npy")


@data.command("show")
def show_(name: Name) -> None:
    """What a data set is: shapes, splits, baseline, digest; and whether its files are as they were written."""
    from harness.errors import UsageError
    from harness.workflows import data as workflow

    try:
        stored = workflow.named(name)
    except UsageError as error:
        fail(error)
    print_lines(workflow.described(name, stored))
    if wrong := workflow.checked(stored):
        fail(wrong, NOT_OK)


@data.command("remove")
def remove_(name: Name) -> None:
    """Delete a data set. Records of runs on it stay; to verify them, add the same data again."""
    from harness.errors import UsageError
    from harness.workflows import data as workflow

    try:
        workflow.remove(name)
    except UsageError as error:
        fail(error)
