"""Tiny contests, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.speed import SpeedRequest, plan
from harness.speedrecords import Row, SpeedRecord
from harness.speedrun import Settings, hold_all
from harness.store import Store

TINY = ("--batch", "3", "--length", "4", "--features", "2", "--hidden", "5", "--threads", "1")
SHORT = ("--rounds", "4", "--block", "0.001")


def held(variants: list[str], rounds: int = 4, backend: str = "madeup", **options: Any) -> SpeedRecord:
    """The record of a contest between variants that are told to do one update per turn."""
    sizes = {"batch": ["3"], "length": ["4"], "features": ["2"], "hidden": ["5"]}
    request = SpeedRequest([backend], variants, sizes=sizes, options={"threads": 1, **options})
    record, _ = hold_all(plan(request), Settings(rounds, 1e-9), NoStore())
    return record


class NoStore(Store):
    def __init__(self) -> None:
        super().__init__(Path("nowhere"))

    def write(self, record: Any) -> Path:
        return self.folder


def rows(record: SpeedRecord) -> dict[str | None, Row]:
    return {row.variant: row for contest in record.contests for row in contest.rows}
