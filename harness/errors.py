"""What can go wrong, by who has to act on it, and the exit status that says so to the shell."""

from __future__ import annotations

#: Exit statuses: all is well; a run, record or backend is not; the command was used wrongly.
OK, NOT_OK, USAGE = 0, 1, 2


class UsageError(ValueError):
    """The user asked for something invalid; the message says what would be right."""


class Lost(Exception):
    """A contestant's worker failed, died or was stopped; what it said tells why."""


class RunFailed(RuntimeError):
    """A run cannot have a valid result; the message says why."""


class Diverged(RunFailed):
    """Numbers went wrong: a loss that is not finite, or updates too far from the reference's; data may be the cause."""


class CannotCompare(RuntimeError):
    """One side of a comparison cannot run; the message says which and why."""
