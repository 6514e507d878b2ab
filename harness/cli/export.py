"""``harness export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import fail


def export(
    file: Annotated[Path, typer.Argument(help="Saved parameters (harness run --save), or the record beside them.")],
    to: Annotated[str, typer.Option(help="torch, keras or jax.", metavar="FRAMEWORK")],
    out: Annotated[Path | None, typer.Option(help="The file to write.", show_default="beside FILE")] = None,
) -> None:
    """Write a run's trained parameters as PyTorch, Keras or JAX load them, and print the Python that does."""
    from harness.errors import UsageError
    from harness.workflows.export import export as exported

    try:
        written, code = exported(file, to, out)
    except UsageError as error:
        fail(error)
    typer.echo(f"# {written}\n{code}", nl=False)
