"""Where compiled kernels are kept for the next process."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def folder() -> Path | None:
    """The user's cache, or what ``HARNESS_KERNELS`` names; None where that is empty: then nothing is kept."""
    named = os.environ.get("HARNESS_KERNELS")
    if named is None:
        return user_cache_path("harness") / "kernels"
    return Path(named) if named else None
