"""Progress on a terminal, nothing elsewhere. It is redrawn when the worker reports, never on a timer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from harness.processes.supervise import OnProgress
from harness.specs.run import RunSpec


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
    progress = _display(console, *columns)
    shown = progress.add_task(label, total=spec.steps, figures="starting")

    def update(report: Mapping[str, float]) -> None:
        figures = f"loss {report['loss']:.4g}  {report['sequences_per_second']:,.0f} seq/s"
        with suppress(OSError):
            progress.update(shown, completed=report["step"], figures=figures)
            progress.refresh()

    with _drawn(progress):
        yield update


@contextmanager
def line(console: Console) -> Iterator[Callable[[str], None]]:
    """Show a status line that disappears at the end; yields the function that sets its text."""
    if not console.is_terminal:
        yield lambda _: None
        return
    progress = _display(console, TextColumn("{task.description}"))
    shown = progress.add_task("")

    def tell(what: str) -> None:
        with suppress(OSError):
            progress.update(shown, description=what)
            progress.refresh()

    with _drawn(progress):
        yield tell


def _display(console: Console, *columns: ProgressColumn) -> Progress:
    # no refresh thread: while a worker measures, this process sleeps; nothing else is printed meanwhile, and rich need
    # not stand between a command and its streams
    return Progress(
        *columns, console=console, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    )


@contextmanager
def _drawn(progress: Progress) -> Iterator[None]:
    """Draw the display until the block ends. A terminal that was closed meanwhile takes nothing else with it."""
    with suppress(OSError):
        progress.start()
    try:
        yield
    finally:
        with suppress(OSError):
            progress.stop()
