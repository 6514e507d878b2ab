"""Runs in a few words."""

from __future__ import annotations

from typing import Any

from harness.records.naming import reasons


def test_reasons_name_every_run_that_is_not_ok(some_records: Any) -> None:
    lines = reasons(some_records)
    assert len(lines) == 4
    assert "copy quick lstm tensorflow nn: failed: the loss is not finite after 150 updates" in lines
