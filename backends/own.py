"""A model of a user's own, in place of a cell: what a backend is handed of it, and what it must give back.

No framework is imported here. What a file must define for each framework is in ``docs/extending.md``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from backends.job import Job, ModelSpec

#: The name of the only variant that a user's own model has, and what a spec says in place of a cell.
OWN: Final = "own"
#: What a model is constructed with, by the names of ``ModelSpec``: as much of it as its signature names.
OFFERED = ("inputs", "outputs", "hidden", "layers", "bidirectional")


class OwnModelError(ValueError):
    """A user's own model cannot be trained; the message says in one line what it did, and what was wanted."""


@dataclass(frozen=True)
class OwnModel:
    """What a user's file defines.

    Attributes:
        definition: the class, or the object with the functions ``init`` and ``apply``.
        name: of it in the file.
        seed: under which it draws its initial parameters.
    """

    definition: Any
    name: str
    seed: int

    def made(self, function: Callable[..., Any], model: ModelSpec, *first: Any, **more: Any) -> Any:
        """What ``function`` returns for ``first``, and for what its signature names of ``OFFERED`` and of ``more``.

        Raises:
            OwnModelError: it wants what nothing gives, or takes no layers or directions where the spec has several.
        """
        named = _parameters(function)[len(first) :]
        offered = {name: getattr(model, name) for name in OFFERED} | more
        taken = {each.name: offered[each.name] for each in named if each.name in offered}
        for each in named:
            if each.name not in offered and each.default is each.empty and each.kind not in _OPEN:
                raise OwnModelError(
                    f"{self.name} wants {each.name!r}, which nothing gives: it may take {', '.join(OFFERED)}; "
                    "give all else a default"
                )
        for name, usual in (("layers", 1), ("bidirectional", False)):
            if getattr(model, name) != usual and name not in taken:
                raise OwnModelError(f"{self.name} takes no {name!r}: --{name} would change nothing")
        return function(*first, **taken)

    def last_of(self, shape: tuple[int, ...], job: Job, takes_lengths: bool) -> bool:
        """Whether outputs of this shape are those of every step, of which the job wants the last alone.

        Raises:
            OwnModelError: they are neither what the job wants nor that.
        """
        every, last = (job.batch, job.length, job.model.outputs), (job.batch, job.model.outputs)
        if shape == every:
            return job.model.readout == "last"
        if shape == last and job.model.readout == "last":
            if job.variable and not takes_lengths:
                raise OwnModelError(
                    f"{self.name} reads out padding, as sequences differ in length: return every step's outputs, "
                    f"{every}, or take lengths as a second argument"
                )
            return False
        wanted = f"{last} or {every}" if job.model.readout == "last" else str(every)
        raise OwnModelError(
            f"{self.name} returned the shape {shape} for x of shape {(*every[:2], job.model.inputs)}; "
            f"wanted is {wanted}: (batch, {'' if job.model.readout == 'last' else 'length, '}outputs)"
        )


_OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Of a function; of a class those of its ``__init__``, which a framework's metaclass may hide."""
    if isinstance(function, type):
        return list(inspect.signature(function.__init__).parameters.values())[1:]  # type: ignore[misc]
    return list(inspect.signature(function).parameters.values())


def takes_lengths(function: Callable[..., Any]) -> bool:
    """Whether a forward pass wants the sequences' lengths beside them."""
    return "lengths" in inspect.signature(function).parameters
