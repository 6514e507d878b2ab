"""``harness list``."""

from __future__ import annotations


def list_() -> None:
    """Tasks, backends, cells and variants; what cannot run here, and why."""
    from harness.workflows.listing import print_list

    print_list()
