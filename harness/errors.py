"""What can go wrong, by who has to act on it."""

from __future__ import annotations


class UsageError(ValueError):
    """The command's words are wrong; the message says what would be right."""


class Lost(Exception):
    """A contestant cannot go on; it knows why."""


class RunFailed(RuntimeError):
    """The run went wrong in a way that its figures must not hide; the message says how."""


class CannotCompare(RuntimeError):
    """One side cannot run; says which and why."""
