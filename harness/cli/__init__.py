"""The ``harness`` command: which commands there are, in the order of ``--help``.

Exit status: 0 all well, 1 at least one run or record was not, 2 wrong usage.
"""

from __future__ import annotations

import sys
from typing import Any

import typer

from harness.cli import check, compare, env, read, run, speed
from harness.cli.common import OK

app = typer.Typer(
    name="harness",
    help="Recurrent networks in NumPy, PyTorch, TensorFlow and JAX: one spec, one clock, one table.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
#: Their options are those of ``run`` too, which they hand on.
PASSING_ON: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True}

app.command()(run.run)
app.command(context_settings=PASSING_ON)(compare.compare)
app.command(context_settings=PASSING_ON)(check.parity)
app.command()(speed.speed)
app.command()(check.verify)
app.command()(check.reproduce)
app.command("list")(read.list_)
app.command()(read.doctor)
app.command()(read.show)
app.command()(read.table)
app.command()(read.plot)
app.command()(read.report)
app.add_typer(env.env)


def main() -> Any:
    """The console script."""
    try:
        return app(prog_name="harness")
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        sys.stderr.close()
        return OK
