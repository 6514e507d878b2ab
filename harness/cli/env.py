"""``harness env``."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.common import NOT_OK, fail

env = typer.Typer(
    name="env",
    help="Virtual environments of exact versions, as reproduce builds them.",
    no_args_is_help=True,
    add_completion=False,
)


@env.command("list")
def list_() -> None:
    """List the environments that were built, with framework version and size."""
    from harness.processes.virtual_environments import built, folder

    environments = list(built())
    for name, pins, size in environments:
        extra = name.rpartition("-")[0]
        typer.echo(f"{name}  {extra} {pins.get(extra, '')}  {size / 2**30:.2f} GiB")
    if not environments:
        typer.echo(f"none in {folder()}; harness reproduce RECORD builds one")


@env.command("add")
def add_(backend: Annotated[str, typer.Argument(help="A backend, or one at a version: torch@2.13.0.")]) -> None:
    """Build an environment for a backend; harness run uses it if the framework is not installed here."""
    from harness.errors import UsageError
    from harness.planning.runs import split_version
    from harness.presentation.progress import line
    from harness.presentation.screen import Screen
    from harness.processes.stopping import may_stop, terminated_as_interrupted
    from harness.processes.virtual_environments import NotBuilt, python, recipe_for

    try:
        with terminated_as_interrupted(), may_stop(), line(Screen(stderr=True)) as tell:
            typer.echo(python(recipe_for(*split_version(backend)), tell).parent.parent.name)
    except UsageError as error:
        fail(error)
    except NotBuilt as error:
        fail(error, NOT_OK)


@env.command("remove")
def remove_(name: Annotated[str, typer.Argument(help="Its name in harness env list.")]) -> None:
    """Delete an environment."""
    from harness.processes.virtual_environments import remove

    if not remove(name):
        fail(f"no environment {name!r}; harness env list names them")
