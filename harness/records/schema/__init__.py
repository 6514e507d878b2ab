"""The published JSON Schemas of records, one file per version, and the one in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from harness.records.base import Sealed
from harness.records.run import Record
from harness.records.speed import SpeedRecord

KINDS: Final[Mapping[str, type[Sealed]]] = {"run": Record, "speed": SpeedRecord}


def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of a record of a run or of a speed contest, as it is written now.

    Args:
        kind: a key of ``KINDS``.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **KINDS[kind].model_json_schema(mode="serialization"),
    }
