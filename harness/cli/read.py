"""Commands that show: what there is, and what was recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import NOT_OK, OK, Folders, fail, read_records


def list_() -> None:
    """Tasks, backends, cells and variants, and why what cannot run here cannot."""
    from harness.workflows.listing import print_list

    print_list()


def doctor(
    json_lines: Annotated[bool, typer.Option("--json", help="The same as JSON on standard output.")] = False,
) -> None:
    """What this machine has, which backends see what of it, and what would help where they do not."""
    from harness.workflows import doctor as doctors

    found = doctors.examine()
    if json_lines:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps(asdict(found)))
    else:
        doctors.print_findings(found)
    raise typer.Exit(OK if found.runnable else NOT_OK)


def show(record: Annotated[Path, typer.Argument(help="A record's file.")]) -> None:
    """One record, readable."""
    from harness.presentation import screen
    from harness.presentation.show import show as describe
    from harness.presentation.speedtable import tables
    from harness.records.run import Record
    from harness.records.store import StoreError, read

    try:
        found = read(record)
        if isinstance(found, Record):
            screen.show(describe(found))
        else:
            screen.show(tables(found), width=120)
    except StoreError as error:
        fail(error, NOT_OK)


def table(
    places: Folders = None,
    columns: Annotated[str | None, typer.Option(help="Comma-separated columns; help lists them.")] = None,
    sort: Annotated[str, typer.Option(help="Comma-separated columns to sort by; -column for descending.")] = "",
    where: Annotated[list[str] | None, typer.Option(help="Condition such as backend=torch. Repeatable.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="A row for all runs of a spec, over seeds.")] = False,
    format_: Annotated[str | None, typer.Option("--format", help="text, markdown, csv or parquet.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; its ending gives the format.")] = None,
) -> None:
    """Records as a table: any column, sorted and filtered."""
    from harness.analysis.columns import DESCRIPTIONS
    from harness.presentation import table as tables

    if columns == "help":
        width = max(map(len, DESCRIPTIONS))
        typer.echo("\n".join(f"{name:<{width}}  {about}" for name, about in DESCRIPTIONS.items()))
        return
    found = read_records(places)
    try:
        text = tables.render(found, words_of(columns), words_of(sort), where or [], format_, out, summary)
    except (ValueError, OSError) as error:
        fail(error)
    if text is not None:
        typer.echo(text, nl=False)


def plot(
    places: Folders = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("results/local/plots"),
) -> None:
    """Learning curves, throughput, memory, score against time; scaling, ratios, rooflines. PNG and SVG."""
    from itertools import chain

    from harness.presentation import plots, speedplots
    from harness.presentation.drawing import save

    found = read_records(places)
    try:
        drawn = save(chain(plots.figures(found.records), speedplots.figures(found.speeds)), out)
    except OSError as error:
        fail(f"cannot write to {out}: {error.strerror}")
    typer.echo("\n".join(map(str, drawn)))


def report(
    places: Folders = None,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("results/local/report"),
    title: Annotated[str, typer.Option(help="Its heading.")] = "Recurrent networks, measured",
) -> None:
    """One page, as Markdown and as self-contained HTML, with tables and plots."""
    from harness.presentation import report as reports

    found = read_records(places)
    try:
        written = reports.write(found, out, title)
    except OSError as error:
        fail(f"cannot write to {out}: {error.strerror}")
    typer.echo("\n".join(map(str, written)))


def words_of(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]
