"""``harness doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.common import NOT_OK, OK


def doctor(
    json_lines: Annotated[bool, typer.Option("--json", help="The same as JSON on standard output.")] = False,
) -> None:
    """What this machine has, which devices each backend sees, and what would help if it sees none."""
    from harness.workflows import doctor as doctors

    found = doctors.examine()
    if json_lines:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps(asdict(found)))
    else:
        doctors.print_findings(found)
    raise typer.Exit(OK if found.runnable else NOT_OK)
