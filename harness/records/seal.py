"""The digest that a record carries of itself, so that a change of any field shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: Below it a float that is a whole number and the integer are the same number in JSON.
EXACT = 2**53


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of the document's content but for its own field ``digest``; layout and order of keys do not count."""
    content = {name: value for name, value in document.items() if name != "digest"}
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _canonical(content: Any) -> str:
    return json.dumps(_plain(content), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    """JSON knows one kind of number: 5.0 is 5, whoever wrote it."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return int(value)
    return value
