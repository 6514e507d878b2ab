"""Present names of what older records call by another one, so that a new name does not look like a difference.

Former names of variants are their backends': see ``backends.current_variant``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tasks.registry import DISTRIBUTION

#: Former and present words in ``executed``.
_WORDS: Final[Mapping[str, str]] = {"its way back by hand": "backward pass by hand"}


def current_wording(executed: str | None) -> str | None:
    """What was executed, in present words."""
    if executed is None:
        return None
    for former, current in _WORDS.items():
        executed = executed.replace(former, current)
    return executed


def current_packages(packages: Mapping[str, str]) -> dict[str, str]:
    """Distributions by their present names: ours was called ``harness``."""
    renamed = {"harness": DISTRIBUTION} if DISTRIBUTION not in packages else {}
    return {renamed.get(name, name): version for name, version in packages.items()}
