"""The ``harness`` command: which commands there are, in the order of ``--help``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from harness.cli import (
    answers,
    claims,
    compare,
    data,
    doctor,
    env,
    export,
    listing,
    pack,
    parity,
    plot,
    report,
    reproduce,
    run,
    show,
    site,
    speed,
    study,
    submission,
    table,
    tune,
    verify,
)
from harness.cli.common import fail
from harness.cli.output import guarded
from harness.cli.parameters import click_command
from harness.processes.stopping import end_with_the_command

#: Commands by name; ``claims``, ``data`` and ``env`` are groups of them.
COMMANDS: dict[str, Callable[..., None] | typer.Typer] = {
    "run": run.run,
    "study": study.study,
    "compare": compare.compare,
    "parity": parity.parity,
    "speed": speed.speed,
    "tune": tune.tune,
    "claims": claims.claims,
    "verify": verify.verify,
    "reproduce": reproduce.reproduce,
    "list": listing.list_,
    "doctor": doctor.doctor,
    "show": show.show,
    "table": table.table,
    "answers": answers.answers,
    "plot": plot.plot,
    "report": report.report,
    "site": site.site,
    "export": export.export,
    "pack": pack.pack,
    "submit": submission.submit,
    "check-submission": submission.check_submission,
    "data": data.data,
    "env": env.env,
}
#: Commands that start workers, which Windows cannot: their pipes are waited for with ``select``.
WITH_WORKERS = ("run", "study", "compare", "parity", "speed", "tune", "claims", "verify", "reproduce", "list", "doctor")
#: Commands that also take the options of ``run``, which they parse themselves.
WITH_RUN_OPTIONS = ("compare", "parity")


class OnDemand(TyperGroup):
    """A group that builds the parameters of the called command only: building all of them would dominate ``--help``."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=_help(command)) for name, command in COMMANDS.items()}

    def main(self, *args: Any, **settings: Any) -> NoReturn:
        """Run the command line and end the process; output and errors go through ``harness.cli.output``."""
        sys.exit(guarded(partial(super().main, *args, **settings | {"standalone_mode": False})))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first of ``args`` names, complete, and the remaining words."""
        name, _, rest = super().resolve_command(ctx, args)
        if name in WITH_WORKERS and sys.platform == "win32":
            fail(f"{name} needs Linux or macOS; on Windows, install and use it in WSL (wsl --install)")
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
    end_with_the_command()
    return app(prog_name="harness")
