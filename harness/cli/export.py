"""``harness export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import DEFAULT_RESULTS, NOT_OK, fail, tell


def export(
    to: Annotated[
        str,
        typer.Option(help="torch, keras, jax or onnx; mlflow, wandb or tensorboard; or in-toto.", metavar="WHERE"),
    ],
    places: Annotated[
        list[Path] | None,
        typer.Argument(
            help="For a framework: saved parameters (harness run --save), or the record beside them. For a tracker: "
            "folders of records, or single ones. For in-toto: a verdict, and the record that it is on.",
            show_default=str(DEFAULT_RESULTS),
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write, or a tracker's folder.",
            show_default="beside the parameters or the verdict; mlruns, wandb or runs",
        ),
    ] = None,
) -> None:
    """Write trained parameters as PyTorch, Keras, JAX or ONNX Runtime load them; print the Python that does.

    Or write records into a store of MLflow, Weights & Biases or TensorBoard on this machine, and print the command that
    shows it. Or write a verdict as an in-toto statement, and print how cosign signs that.
    """
    from harness.errors import UsageError
    from harness.workflows.export import export as exported

    try:
        found = exported(places or [DEFAULT_RESULTS], to, out)
    except UsageError as error:
        fail(error)
    for note in found.notes:
        tell(note)
    typer.echo(repr(found), nl=False)
    if not found.ok:
        raise typer.Exit(NOT_OK)
