"""Progress on a terminal or in a notebook, nothing elsewhere: redrawn when the worker reports, never on a timer."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column

from harness.presentation.screen import in_notebook
from harness.processes.supervise import OnProgress
from harness.specs.run import RunSpec
from harness.text import harmless

#: Seconds between two changes of a notebook's line: each is a message from its kernel.
NOTEBOOK_S = 0.2


@contextmanager
def bar(spec: RunSpec, position: str, console: Console) -> Iterator[OnProgress]:
    """Show a progress bar of a run; yields the function to call with each report of the worker."""
    label = f"{position} {spec.task} {spec.model.name} {spec.backend}"
    if not console.is_terminal:
        with _in_notebook() as say:
            say(f"{label}  starting")
            yield lambda report: say(f"{label}  {report['step']:,.0f} of {spec.steps:,} updates  {_figures(report)}")
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(20), TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"), TimeRemainingColumn(),
    )  # fmt: skip
    progress = _display(console, *columns)
    shown = progress.add_task(label, total=spec.steps, figures="starting")

    def update(report: Mapping[str, float]) -> None:
        with suppress(OSError):
            progress.update(shown, completed=report["step"], figures=_figures(report))
            progress.refresh()

    with _drawn(progress):
        yield update


class Overall:
    """What a person sees of many runs while they are made: a line for each that ends and, on a terminal, a bar.

    Args:
        total: runs; done: those that are done already.
        console: a terminal that the bar is drawn on; any other gets none.
        time_left: how long the rest takes, in words; to be set again as runs end.
    """

    def __init__(self, total: int, done: int, console: Console, time_left: str) -> None:
        self.total, self.done = total, done
        self._console, self.time_left = console, time_left
        cut = Column(no_wrap=True, overflow="ellipsis")
        columns = (TextColumn("{task.description}"), BarColumn(10), TextColumn("{task.fields[now]}", table_column=cut))
        self._progress = _display(console, *columns) if console.is_terminal else None
        self._task = self._progress.add_task("", total=total, completed=done, now="") if self._progress else None

    @contextmanager
    def shown(self) -> Iterator[Self]:
        """Show it until the block ends."""
        with _drawn(self._progress) if self._progress else nullcontext():
            yield self

    def now(self, what: str) -> None:
        """Say what is going on."""
        self._draw(f"left: {self.time_left}; {what}")

    def finished(self, line: str) -> None:
        """Print the line of a run that has ended."""
        self.done += 1
        if self._progress is None or not sys.stdout.isatty():
            print(line, flush=True)
        else:
            self.say(line)
        self._draw("")

    def say(self, line: str) -> None:
        """Print a line for people, above the bar."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _draw(self, now: str) -> None:
        if self._progress is not None and self._task is not None:
            position = f"{self.done:,} of {self.total:,}"
            with suppress(OSError):
                self._progress.update(self._task, completed=self.done, description=position, now=now)
                self._progress.refresh()


def _figures(report: Mapping[str, float]) -> str:
    return f"loss {report['loss']:.4g}  {report['sequences_per_second']:,.0f} seq/s"


@contextmanager
def line(console: Console) -> Iterator[Callable[[str], None]]:
    """Show a status line that disappears at the end; yields the function that sets its text."""
    if not console.is_terminal:
        with _in_notebook() as say:
            yield say
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


@contextmanager
def _in_notebook(clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[str], None]]:
    """A line of the notebook's cell that is written over, at most every ``NOTEBOOK_S``, and blank at the end.

    Elsewhere nothing. Not an output of its own for each run: an empty one takes room.
    """
    if not in_notebook():
        yield lambda _: None
        return
    last, width = clock() - NOTEBOOK_S, 0

    def say(what: str) -> None:
        nonlocal last, width
        if clock() - last >= NOTEBOOK_S:
            last, width = clock(), max(width, len(what))
            print(f"\r{harmless(what):<{width}}", end="", flush=True)

    try:
        yield say
    finally:
        if width:
            print(f"\r{'':<{width}}\r", end="", flush=True)
