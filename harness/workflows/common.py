"""Shared by the workflows: writing a record, and treating SIGTERM as Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console

from harness.records.run import Record
from harness.records.speed import SpeedRecord
from harness.records.store import Store, StoreError


def keep(record: Record | SpeedRecord, store: Store, stderr: Console) -> bool:
    """Write the record; where that fails, print why and return False."""
    try:
        store.write(record)
    except StoreError as error:
        stderr.print(f"harness: {error}", highlight=False, markup=False, soft_wrap=True)
        return False
    return True


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM does what Ctrl-C does: it ends the worker and leaves a record."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
