"""``harness table``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import Folders, fail, read_records


def table(
    places: Folders = None,
    columns: Annotated[str | None, typer.Option(help='Comma-separated columns; "help" lists them.')] = None,
    sort: Annotated[str, typer.Option(help="Comma-separated columns to sort by; -column for descending.")] = "",
    where: Annotated[list[str] | None, typer.Option(help="Condition such as backend=torch. Repeatable.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="One row per spec, over its seeds.")] = False,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="terminal, text, markdown, latex, csv or parquet.",
            show_default="terminal, or text where there is none",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; its ending gives the format.")] = None,
    decimal: Annotated[
        str, typer.Option(help="Decimal mark, . or a comma; with a comma, CSV has semicolons between values.")
    ] = ".",
) -> None:
    """Records as a table: any column, sorted and filtered."""
    from harness.presentation.export import format_named, render
    from harness.presentation.run_columns import DESCRIPTIONS
    from harness.presentation.table import decimal_mark

    if columns == "help":
        width = max(map(len, DESCRIPTIONS))
        typer.echo("\n".join(f"{name:<{width}}  {about}" for name, about in DESCRIPTIONS.items()))
        return
    try:
        format_named(format_, out)
        mark = decimal_mark(decimal)
    except ValueError as error:
        fail(error)
    found = read_records(places)
    try:
        text = render(found, _names(columns), _names(sort), where or [], format_, out, summary, mark)
    except ValueError as error:
        fail(error)
    except OSError as error:
        fail(f"cannot write to {out}: {error.strerror}")
    if text is not None:
        typer.echo(text, nl=False)


def _names(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]
