"""Where data sets are looked for."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import UsageError


def look_for_data_in(folder: Path | None) -> None:
    """Make this process and its workers look for data sets in ``folder``; None changes nothing.

    Raises:
        UsageError: it is not a folder, or a name that none can have.
    """
    if folder is None:
        return
    try:
        place = Path(os.path.realpath(folder.expanduser()))
        is_none = place.exists() and not place.is_dir()
    except OSError as error:
        raise UsageError(f"--data: {folder}: {error.strerror}") from None
    except RuntimeError:  # of a user whom the system does not know
        raise UsageError(f"--data: {folder}: nobody's home folder") from None
    if is_none:
        raise UsageError(f"--data takes a folder that holds mnist/; {folder} is none")
    os.environ["HARNESS_DATA"] = str(place)
