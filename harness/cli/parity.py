"""``harness parity``."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.common import NOT_OK, OK, fail, print_lines, print_table


def parity(
    context: typer.Context,
    updates: Annotated[int, typer.Option(min=1, max=1000, help="Updates after which parameters are compared.")] = 10,
    drift: Annotated[int, typer.Option(min=0, max=100_000, help="Updates over which losses are compared.")] = 100,
    timeout: Annotated[float | None, typer.Option(min=0, help="Longest that one backend may take, in seconds.")] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="A JSON line per variant and precision.")] = False,
) -> None:
    """Compare every backend and variant with the float64 reference: loss, gradients, parameters, curves.

    Other options are those of run: --task copy --cell gru --hidden 32; --precision all compares all that a device has.
    Exit status 1 if any disagrees.
    """
    from harness.cli.parameters import parse
    from harness.errors import UsageError
    from harness.planning.runs import named_cpus, only_in_run, plan
    from harness.processes.stopping import terminated_as_interrupted
    from harness.specs.options import RUN
    from harness.workflows import parity as parities

    try:
        options = parse(RUN, context.args)
        only_in_run(options)
        precisions = options["precision"] or ["float64", "float32"]
        if "all" in precisions:
            options["precision"] = None
        specs = parities.with_small_batch(parities.questions(plan(options)), options["batch"])
        cpus = named_cpus(options["cpus"])
    except UsageError as error:
        fail(error)
    with terminated_as_interrupted():
        found = parities.measure(specs, updates, drift, precisions, timeout, json_lines, cpus)
        if not json_lines:
            print_table(parities.table(found))
            print_lines(parities.closing(found))
    raise typer.Exit(OK if parities.agree(found) else NOT_OK)
