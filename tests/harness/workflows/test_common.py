"""What workflows share: a record that cannot be kept is reported, and SIGTERM is an interruption."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from harness.processes.stopping import may_stop, terminated_as_interrupted
from harness.records.run import Record
from harness.records.store import Store
from harness.workflows.common import keep


def test_a_record_that_cannot_be_kept_is_told(tmp_path: Path, make_record: Callable[..., Record]) -> None:
    stderr = Console(file=StringIO(), width=200)
    assert keep(make_record(), Store(tmp_path), stderr)
    assert len(list(tmp_path.glob("*.json"))) == 1
    assert not keep(make_record(), Store(tmp_path / "not-there"), stderr)
    assert "harness: " in stderr.file.getvalue()  # type: ignore[attr-defined]
    assert not keep(make_record(), Store(tmp_path / "not\nthere"), stderr)
    assert stderr.file.getvalue().count("\n") == 2  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_sigterm_interrupts_within_and_means_what_it_did_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupted(), may_stop():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert signal.getsignal(signal.SIGTERM) is before
