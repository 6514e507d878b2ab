"""``harness run``, and its options for the commands that take them too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.common import (
    DEFAULT_RESULTS,
    NOT_OK,
    OK,
    Bidirectional,
    DataFolder,
    DenormalsWord,
    Deterministic,
    OptimizerWord,
    PrecisionWord,
    fail,
    look_for_data_in,
)


def run(
    backend: Annotated[
        list[str], typer.Option("--backend", help="Backend, torch@2.13.0 for a version, or all. Repeatable.")
    ] = ["all"],  # noqa: B006
    task: Annotated[list[str], typer.Option("--task", help="Task, or all. Repeatable.")] = ["adding"],  # noqa: B006
    cell: Annotated[list[str], typer.Option("--cell", help="Cell, or all. Repeatable.")] = ["lstm"],  # noqa: B006
    preset: Annotated[str, typer.Option(help="The task's sizes: smoke, quick or paper.")] = "smoke",
    parameter: Annotated[
        list[str] | None,
        typer.Option("-P", "--parameter", metavar="NAME=VALUE", help="Task parameter. Repeatable."),
    ] = None,
    hidden: Annotated[int | None, typer.Option(help="Hidden units per layer and direction.")] = None,
    layers: Annotated[int | None, typer.Option(help="Recurrent layers.")] = None,
    bidirectional: Bidirectional = False,
    batch: Annotated[int | None, typer.Option(help="Sequences per update.")] = None,
    steps: Annotated[int | None, typer.Option(help="Updates.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    optimizer: OptimizerWord = None,
    clip: Annotated[float | None, typer.Option(help="Global gradient norm; 0 for no clipping.")] = None,
    init: Annotated[str | None, typer.Option(help="Recurrent weights: orthogonal, glorot or uniform.")] = None,
    input_init: Annotated[str | None, typer.Option(help="Other weights: orthogonal, glorot or uniform.")] = None,
    forget_bias: Annotated[float | None, typer.Option(help="Initial forget-gate bias.")] = None,
    chrono: Annotated[int | None, typer.Option(metavar="T_MAX", help="Chrono initialisation.")] = None,
    seed: Annotated[list[int] | None, typer.Option("--seed", help="Seed. Repeatable.  [default: 0]")] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="N|LIST", help="So many seeds from 0 on, or a list: 0,3,7.")
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option("--device", help="cpu or cuda. Repeatable.  [default: cpu]")
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="How the backend computes the cell; auto is the fastest; all.")
    ] = None,
    precision: PrecisionWord = None,
    threads: Annotated[int | None, typer.Option(help="Threads and CPUs of a run.  [default: 2]")] = None,
    denormals: DenormalsWord = None,
    deterministic: Deterministic = None,
    score_at: Annotated[str | None, typer.Option(help="final or best-validation.")] = None,
    evaluate_every: Annotated[int | None, typer.Option(help="Updates between evaluations.")] = None,
    chunk: Annotated[int | None, typer.Option(help="Updates per timed block.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds that one run may take.")] = None,
    data: DataFolder = None,
    results: Annotated[Path, typer.Option(help="Folder for the records.")] = DEFAULT_RESULTS,
    json_lines: Annotated[bool, typer.Option("--json", help="Records as JSON lines on standard output.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
) -> None:
    """Train and measure: every backend, task, cell and seed asked for, each in a process of its own."""
    options = dict(locals())
    from harness.errors import UsageError
    from harness.planning.runs import by_version, plan, request
    from harness.records.store import Store, StoreError
    from harness.workflows.run import print_plan, run_all

    look_for_data_in(data)
    store = Store(results)
    try:
        specs = plan(request(options))
        if dry_run:
            print_plan(specs, json_lines)
            return
        store.prepare()
    except (UsageError, StoreError) as error:
        fail(error)
    raise typer.Exit(OK if run_all(specs, store, timeout, json_lines, by_version(backend)) else NOT_OK)


def run_options(words: list[str], prefix: str = "") -> dict[str, Any]:
    """The options of ``harness run`` in ``words``. Raises UsageError, its line starting with ``prefix``."""
    from harness.errors import UsageError

    parser = typer.Typer(add_completion=False, context_settings={"help_option_names": []})
    parser.command()(run)
    try:
        options: dict[str, Any] = typer.main.get_command(parser).make_context("run", words).params
    except Exception as error:
        # click's, which some versions of typer bring as a module of their own
        if not hasattr(error, "format_message"):
            raise
        raise UsageError(f"{prefix}{error.format_message()}") from None
    return options
