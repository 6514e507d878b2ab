"""``harness list``."""

from __future__ import annotations

from tests.conftest import Harness


def test_list_tells_of_everything_and_why_not(harness: Harness) -> None:
    done = harness("list")
    assert done.returncode == 0, done.stderr
    for name in ("adding", "copy", "sequential-mnist", "sequential-digits", "sine", "smoke", "quick", "paper",
                 "numpy", "torch", "tensorflow", "jax", "gru-reset-before", "hoisted", "no: "):  # fmt: skip
        assert name in done.stdout
