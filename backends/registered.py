"""A backend with a registry of variants. What follows from an entry is derived here, once for all backends."""

from __future__ import annotations

from importlib import import_module
from typing import ClassVar

from backends import allocator
from backends.accumulation import Accumulating
from backends.base import Backend, Trainer
from backends.job import Device, Job, ModelSpec, Parameters
from backends.variants import Entry, Variant, VariantRegistry


class RegisteredBackend(Backend):
    """A framework with a registry of its variants, such as ``backends.torch.variants``."""

    registry: ClassVar[VariantRegistry]
    #: What trains a model of a user's own; None where nothing does.
    own: ClassVar[Entry | None] = None
    accumulates: ClassVar[bool] = True

    def version(self) -> str:
        """As ``Backend.version``, of the module that has the backend's name."""
        return str(import_module(self.name).__version__)

    def variants(self, model: ModelSpec, device: Device) -> list[Variant]:
        """All variants in the registry's order, each with the reason where it cannot compute ``model``."""
        entries = self.registry if not model.is_own else [self.own] if self.own else []
        return [entry.variant(model, device) for entry in entries]

    def current_variant(self, name: str) -> str:
        """The present name of a variant, given this or a former one."""
        return self.registry.current(name)

    def is_rival(self, variant: str) -> bool:
        """As the registry says."""
        return self.registry.is_rival(variant)

    def extras(self, variant: str) -> tuple[str, ...]:
        """The backend's own, and the entry's where it has one."""
        entry = self.registry.get(variant)
        return (self.name, entry.extra) if entry and entry.extra else (self.name,)

    def lacks(self, job: Job) -> str | None:
        """What the entry of the job's variant says; a backend adds what holds for all of its variants."""
        entry = self.registry.get(job.variant)
        if entry is None:
            return None
        if job.accumulate > 1 and entry.one_piece:
            return "its update is one piece, to which no gradients of other micro-batches can be added"
        return entry.lacks(job.micro)

    def build(self, job: Job, parameters: Parameters) -> Trainer:
        """The entry's trainer, after its memory policy is in force."""
        entry = self.own if job.model.is_own and self.own else self.registry[job.variant]
        if entry.keeps_freed_memory:
            allocator.keep_freed_memory()
        trainer = entry.load_trainer()(job.micro, parameters, entry)
        return Accumulating(job, trainer) if job.accumulate > 1 else trainer
