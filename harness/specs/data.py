"""Where data sets are looked for."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import UsageError


def look_for_data_in(folder: Path | None) -> None:
    """Make this process and its workers look for data sets in ``folder``; None changes nothing.

    Raises:
        UsageError: it is not a folder.
    """
    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--data takes a folder that holds mnist/; {folder} is none")
    os.environ["HARNESS_DATA"] = str(folder.expanduser().resolve())
