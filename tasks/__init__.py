"""Ground floor: what is learned. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.base import Scalar, Task, TaskError
from tasks.registry import Registry, UnknownName

registry = Registry("harness.tasks", "task")


def load(name: str, parameters: Mapping[str, Scalar] | None = None, seed: int = 0) -> Task:
    """The task ``name`` with these parameters, the rest at their defaults.

    Raises:
        UnknownName: no such task.
        TaskError: a parameter that the task does not have, or one out of its range.
    """
    kind: type[Task] = registry.load(name)
    for parameter in parameters or {}:
        kind.check_parameter(parameter)
    return kind(seed=seed, **(parameters or {}))


__all__ = ["Task", "TaskError", "UnknownName", "load", "registry"]
