"""Progress on a terminal, nothing elsewhere. It is redrawn when the worker reports, never on a timer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from harness.processes.supervise import OnProgress
from harness.specs.run import RunSpec

#: Nothing else is printed while a bar is shown, and rich need not stand between a command and its streams.
_APART: dict[str, Any] = {"redirect_stdout": False, "redirect_stderr": False}


@contextmanager
def bar(spec: RunSpec, position: str, console: Console) -> Iterator[OnProgress]:
    """Show a progress bar of a run; yields the function to call with each report of the worker."""
    if not console.is_terminal:
        yield lambda _: None
        return
    label = f"{position} {spec.task} {spec.model.cell} {spec.backend}"
    columns = (
        TextColumn("{task.description}"), BarColumn(20), TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"), TimeRemainingColumn(),
    )  # fmt: skip
    # no refresh thread: while a worker measures, this process sleeps
    with Progress(*columns, console=console, transient=True, auto_refresh=False, **_APART) as progress:
        shown = progress.add_task(label, total=spec.steps, figures="starting")
        progress.refresh()

        def update(report: Mapping[str, float]) -> None:
            figures = f"loss {report['loss']:.4g}  {report['sequences_per_second']:,.0f} seq/s"
            progress.update(shown, completed=report["step"], figures=figures)
            progress.refresh()

        yield update


@contextmanager
def line(console: Console) -> Iterator[Callable[[str], None]]:
    """Show a status line that disappears at the end; yields the function that sets its text."""
    if not console.is_terminal:
        yield lambda _: None
        return
    with Progress(
        TextColumn("{task.description}"), console=console, transient=True, auto_refresh=False, **_APART
    ) as progress:
        shown = progress.add_task("")

        def tell(what: str) -> None:
            progress.update(shown, description=what)
            progress.refresh()

        yield tell
