"""The digest that a record carries of itself, so that a change of any field shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: Below it every whole number is exact as a float, so that JSON may write it either way.
EXACT = 2**53


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of the document's content without its field ``digest``, whatever its layout and order of keys."""
    content = {name: value for name, value in document.items() if name != "digest"}
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _canonical(content: Any) -> str:
    return json.dumps(_plain(content), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    """The content with whole floats as integers: to JSON, 5.0 and 5 are the same number."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < EXACT else value
    if value is None or isinstance(value, str | int):  # most values: asking whether it is a mapping is slow
        return value
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict | Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return value
