"""Charts that a pointer and a keyboard can read: what they show as data, which Vega-Lite draws in the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from harness.errors import UsageError
from harness.presentation.table import Table

#: What the library's script hands to ``static/charts.js``.
_EXPORT = "window.harnessVega = {vegaEmbed, vega, vegaLite};"


@dataclass(frozen=True)
class Chart:
    """A chart of a page.

    Attributes:
        name: of letters, digits and hyphens, once in a page.
        title: above it.
        about: what it shows, in a sentence: for screen readers too.
        spec: of Vega-Lite, its data in it; width, colours of text and lines come from the page.
        table: the same data.
    """

    name: str
    title: str
    about: str
    spec: Mapping[str, Any]
    table: Table


@cache
def library() -> bytes:
    """Vega, Vega-Lite and Vega-Embed in one classic script.

    Raises:
        UsageError: the package that ships them is not installed.
    """
    try:
        import vl_convert
    except ImportError:
        raise UsageError("a site needs vl-convert-python: pip install 'rnn-harness[site]'") from None
    script: str = vl_convert.javascript_bundle(_EXPORT)
    return script.encode()


def colours(names: Sequence[str], of: Mapping[str, str]) -> dict[str, Any]:
    """A scale that gives each name its colour, in this order."""
    return {"domain": list(names), "range": [of[name] for name in names]}


#: Beyond this ratio of its largest to its smallest value, an axis of positive values is logarithmic.
WIDE = 20
#: How ticks are written, thousands separated, no zeros at the end: of a linear axis, and of a logarithmic one.
TICKS, LOG_TICKS = ",~f", ",~g"
#: Of what belongs to no contender, such as a front: told apart from either theme's paper.
GREY = "#8a949e"


def axis(field: str, title: str, values: Sequence[float], zero: bool = False, linear: bool = False) -> dict[str, Any]:
    """A quantitative axis; logarithmic where its values are positive and far apart.

    Args:
        field: of the rows; a plain name, as a dot or a bracket would lead into a value.
        title: in words, with the unit.
        zero: whether a linear one begins at zero.
        linear: whatever the values are, as of shares.
    """
    scale: dict[str, Any] = {"zero": zero, "nice": True}
    if not linear and values and min(values) > 0 and max(values) / min(values) > WIDE:
        scale = {"type": "log"}
    return {
        "field": field, "type": "quantitative", "title": title, "scale": scale,
        "axis": {"format": LOG_TICKS if "type" in scale else TICKS, "tickCount": 6},
    }  # fmt: skip


def told(**fields: str) -> list[dict[str, Any]]:
    """What a mark says under a pointer: fields of its row and what they are called."""
    return [{"field": field, "title": title} for field, title in fields.items()]


def finite(value: float) -> float | None:
    """A number as JSON has it; None where it is not one."""
    return float(value) if math.isfinite(value) else None
