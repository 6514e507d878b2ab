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
    found = kind(name, parameters)
    for parameter in parameters or {}:
        found.check_parameter(parameter)
    return found(seed=seed, **(parameters or {}))


def kind(name: str, parameters: Mapping[str, Scalar] | None = None) -> type[Task]:
    """The class of the task ``name``. A data set that the parameters name by its digest is found under any name.

    Raises:
        UnknownName: no such task.
        TaskError: the parameters have no digest where one belongs.
        MissingData: they name a data set that is not here.
    """
    digest = (parameters or {}).get("data")
    if isinstance(digest, str) and name not in registry.registered():
        return own.find(name, digest)
    found: type[Task] = registry.load(name)
    return found


__all__ = ["Task", "TaskError", "UnknownName", "kind", "load", "registry"]
