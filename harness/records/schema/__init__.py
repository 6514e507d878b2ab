"""The published JSON Schemas of records, one file per version, and the one in force."""

from __future__ import annotations

from typing import Any

from harness.records.kinds import KINDS


def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of a kind of record, as it is written now.

    Args:
        kind: a word of ``harness.records.kinds``.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **KINDS[kind].model.model_json_schema(mode="serialization"),
    }
