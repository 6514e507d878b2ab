"""The registry of a backend's variants: an entry states, in one place, all that it takes to run the variant.

Nothing here imports a framework. A variant that runs another's code in another arrangement is stated as that one with
changes (``dataclasses.replace``). An entry names its layers and its trainer as ``"module:attribute"``; they are
imported when a job is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, get_args

from backends.job import IEEE, Device, Job, ModelSpec, Parameters, Precision
from backends.own import OWN
from tasks.registry import DISTRIBUTION

if TYPE_CHECKING:
    from backends.base import Trainer

Tier = Literal["default", "best", "fused"]
#: A regular expression; a function where it depends on the model and the device.
Pattern = str | Callable[[ModelSpec, Device], str]


@dataclass(frozen=True)
class Variant:
    """One way of computing a cell in a framework, as others see it for one model on one device.

    Attributes:
        name: as given to ``--variant``.
        summary: one line.
        tier: ``default`` for what a user gets without trying, ``best`` for the fastest forms that dispatch
            update by update, ``fused`` for several updates per dispatch: never ranked against the others unmarked.
        reason: why it cannot compute the model on the device; None where it can.
        precisions: those that it computes in, as far as its backend has them on the device.
        runs: regular expression that ``Trainer.executed`` must match from its start. A run in which
            something else computed the recurrence fails.
        like: the variant whose code it runs in another arrangement, such as on parts of a batch; None where it has
            code of its own.
        devices: those that it is for. On others it has a ``reason``, and ``--variant all`` leaves it out.
    """

    name: str
    summary: str
    tier: Tier
    reason: str | None = None
    precisions: tuple[Precision, ...] = get_args(Precision)
    runs: str = ""
    like: str | None = None
    devices: tuple[Device, ...] = get_args(Device)


def _no_objection(*about: Any) -> None:
    """The default of ``Entry.cannot`` and ``Entry.lacks``: nothing stands in the way."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A variant in its backend's registry.

    Attributes:
        name, summary, tier, precisions, like, devices: as in ``Variant``.
        runs: as in ``Variant``.
        layers: what computes the recurrent layers, as ``"module:attribute"``; the backend's network knows what it is.
        trainer: the ``Trainer``, as ``"module:class"``. It is constructed with job, parameters and this entry.
        former: names that it had before, by which records and command lines may still call it.
        parts: whether the batch is split into as many parts as there are threads, each in its own thread.
        one_piece: whether forward pass, backward pass and update cannot be taken apart, to accumulate gradients.
        keeps_freed_memory: whether memory that is freed stays with the process: see ``backends.allocator``.
        needs: a module that it imports besides the framework.
        extra: the extra of this distribution that installs that; None where the framework's own does.
        elsewhere: why it computes nothing on devices that are not among ``devices``.
        cannot: why it cannot compute a model on a device, or None where it can.
        lacks: what else it lacks for a job whose model it can compute (lengths, a loss, threads), or None.
    """

    name: str
    summary: str
    tier: Tier
    layers: str
    trainer: str
    runs: Pattern
    precisions: tuple[Precision, ...] = get_args(Precision)
    devices: tuple[Device, ...] = get_args(Device)
    like: str | None = None
    former: tuple[str, ...] = ()
    parts: bool = False
    one_piece: bool = False
    keeps_freed_memory: bool = False
    needs: str | None = None
    extra: str | None = None
    elsewhere: str | None = None
    cannot: Callable[[ModelSpec, Device], str | None] = _no_objection
    lacks: Callable[[Job], str | None] = _no_objection

    @classmethod
    def of_own_models(cls, trainer: str, **more: Any) -> Entry:
        """The entry of models of a user's own: what runs is what they are, in the precisions that need no casts."""
        about = "a model of a user's own, as it is written"
        return cls(
            name=OWN, summary=about, tier="default", layers="", trainer=trainer, runs="", precisions=(*IEEE, "tf32"),
            **more,
        )  # fmt: skip

    def variant(self, model: ModelSpec, device: Device) -> Variant:
        """The public description, with the reason where it cannot compute ``model`` on ``device``."""
        runs = self.runs if isinstance(self.runs, str) else self.runs(model, device)
        reason = self.why_not(model, device)
        return Variant(self.name, self.summary, self.tier, reason, self.precisions, runs, self.like, self.devices)

    def why_not(self, model: ModelSpec, device: Device) -> str | None:
        """Why it cannot compute ``model`` on ``device``; None where it can."""
        if why := self.cannot(model, device):
            return why
        if device not in self.devices:
            return self.elsewhere or f"it is for {' and '.join(self.devices)} only"
        if self.has_needed():
            return None
        what = f"'{DISTRIBUTION}[{self.extra}]'" if self.extra else self.needs
        return f"{self.needs} is not installed: pip install {what}"

    def has_needed(self) -> bool:
        """Whether the module that it needs besides the framework is installed."""
        return self.needs is None or find_spec(self.needs) is not None

    def load_layers(self) -> Any:
        """Import what computes the recurrent layers."""
        return resolve_name(self.layers)

    def load_trainer(self) -> Callable[[Job, Parameters, Entry], Trainer]:
        """Import the trainer's class."""
        found: Callable[[Job, Parameters, Entry], Trainer] = resolve_name(self.trainer)
        return found


class VariantRegistry:
    """The entries of one backend, the stock variant first: the framework's own layer, to which ratios are taken.

    Every other one of tier ``default`` is a rival: what people get without trying from a library upon the framework.

    Raises:
        ValueError: two entries have had the same name, now or before.
    """

    def __init__(self, *entries: Entry) -> None:
        self.entries = entries
        self._by_name: dict[str, Entry] = {}
        for entry in entries:
            for name in (entry.name, *entry.former):
                if self._by_name.setdefault(name, entry) is not entry:
                    raise ValueError(f"two variants go by the name {name!r}")

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __getitem__(self, name: str) -> Entry:
        """The entry that has the name ``name``, or had it before.

        Raises:
            KeyError: there is none.
        """
        return self._by_name[name]

    def get(self, name: str) -> Entry | None:
        """The entry that has the name ``name``, or had it before; None where there is none."""
        return self._by_name.get(name)

    def is_rival(self, name: str) -> bool:
        """Whether the variant ``name`` is of tier ``default`` and not the stock one."""
        entry = self.get(name)
        return entry is not None and entry.tier == "default" and entry is not self.entries[0]

    def current(self, name: str) -> str:
        """The present name of the variant ``name``; ``name`` itself where no variant has or had it."""
        entry = self.get(name)
        return entry.name if entry else name
