"""``harness list``."""

from __future__ import annotations


def list_() -> None:
    """Tasks, backends, cells and variants, and why what cannot run here cannot."""
    from harness.workflows.listing import print_list

    print_list()
