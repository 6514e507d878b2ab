"""The ``harness`` command: which commands there are, in the order of ``--help``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from harness.cli import compare, doctor, env, listing, parity, plot, report, reproduce, run, show, speed, table, verify
from harness.cli.parameters import click_command
from harness.errors import OK, USAGE, UsageError

#: Commands by name; ``env`` is a group of them.
COMMANDS: dict[str, Callable[..., None] | typer.Typer] = {
    "run": run.run,
    "compare": compare.compare,
    "parity": parity.parity,
    "speed": speed.speed,
    "verify": verify.verify,
    "reproduce": reproduce.reproduce,
    "list": listing.list_,
    "doctor": doctor.doctor,
    "show": show.show,
    "table": table.table,
    "plot": plot.plot,
    "report": report.report,
    "env": env.env,
}
#: Commands that also take the options of ``run``, which they parse themselves.
WITH_RUN_OPTIONS = ("compare", "parity")


class OnDemand(TyperGroup):
    """A group that builds the parameters of the called command only: building all of them would dominate ``--help``."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=_help(command)) for name, command in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first of ``args`` names, complete, and the remaining words."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, _complete(name) if name else None, rest


def _help(command: Callable[..., None] | typer.Typer) -> str | None:
    return str(command.info.help) if isinstance(command, typer.Typer) else command.__doc__


def _complete(name: str) -> Any:
    """The command of that name with its parameters, as typer calls it."""
    command = COMMANDS[name]
    if isinstance(command, typer.Typer):
        return typer.main.get_command(command)
    lenient = {"allow_extra_args": True, "ignore_unknown_options": True} if name in WITH_RUN_OPTIONS else {}
    return click_command(command, name, **lenient)


app = typer.Typer(
    name="harness",
    cls=OnDemand,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def harness() -> None:
    """Recurrent networks in NumPy, PyTorch, TensorFlow and JAX: one spec, one clock, one table."""


def main() -> Any:
    """The console script."""
    try:
        return app(prog_name="harness")
    except UsageError as error:
        typer.echo(f"harness: {error}", err=True)
        return USAGE
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        sys.stderr.close()
        return OK
