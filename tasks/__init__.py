"""Ground floor: what is learned. Imports no framework, only NumPy."""

from __future__ import annotations

from collections.abc import Mapping

from tasks import own
from tasks.base import Scalar, Task, TaskError
from tasks.registry import Registry, UnknownName

registry = Registry("harness.tasks", "task", made=own)


def load(name: str, parameters: Mapping[str, Scalar] | None = None, seed: int = 0) -> Task:
    """Make the task ``name``; parameters that are not given keep their defaults.

    Args:
        name: as registered, such as ``adding``; or the name of a data set of one's own.
        parameters: values by parameter name, of the parameter's type.
        seed: chooses the training data, from 0 to 2**63 - 1. Held-out splits do not depend on it.

    Raises:
        UnknownName: no such task.
        TaskError: a parameter that the task does not have, one of the wrong type or one out of range.
        MissingData: the parameters name a data set that is not here.
    """
    kind = _kind(name, parameters or {})
    for parameter in parameters or {}:
        kind.check_parameter(parameter)
    return kind(seed=seed, **(parameters or {}))


def _kind(name: str, parameters: Mapping[str, Scalar]) -> type[Task]:
    """The class of a task. A data set that is named by its digest is found whatever it is called here."""
    digest = parameters.get("data")
    if isinstance(digest, str) and name not in registry.registered():
        return own.find(name, digest)
    kind: type[Task] = registry.load(name)
    return kind


__all__ = ["Task", "TaskError", "UnknownName", "load", "registry"]
