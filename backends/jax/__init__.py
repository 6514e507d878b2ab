"""JAX. The framework is imported on first use, not with this module."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from backends import parts
from backends.base import Choice, Probes, Runtime, installed, why_too_old
from backends.jax.variants import OWN_MODEL, VARIANTS
from backends.job import MIXED, Device, Job, Precision
from backends.own_cell import is_cell
from backends.registered import RegisteredBackend

#: What makes jaxlib compute on CUDA, and the libraries that it then loads.
PLUGINS = ("jax-cuda12-plugin", "jax-cuda13-plugin")
CUDA_LIBRARIES = ("nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13")

#: Packages with a class ``Module`` of which a user's own model may be.
PACKAGES = ("equinox", "flax.nnx")


def is_module(definition: Any, package: str) -> bool:
    """Whether this is a class of the package's ``Module``; then it has imported the package."""
    found = sys.modules.get(package)
    return found is not None and isinstance(definition, type) and issubclass(definition, found.Module)


class JaxBackend(RegisteredBackend):
    """JAX on CPU and CUDA; a training step is one compiled program."""

    name = "jax"
    distribution = "jax"
    libraries = ("jaxlib", "optax", "equinox", "flax", *PLUGINS, "nvidia-cu*")
    registry = VARIANTS
    own = OWN_MODEL

    def versions(self) -> Mapping[str, str]:
        """Of JAX, jaxlib, the CUDA plugin and CUDA's libraries."""
        return {self.name: self.version(), **installed("jaxlib", *PLUGINS, *CUDA_LIBRARIES)}

    def devices(self) -> dict[Device, str | None]:
        """The CPU always, CUDA where JAX sees a GPU."""
        import jax

        try:
            jax.devices("cuda")
        except RuntimeError as error:
            helps = "" if installed(*PLUGINS) else "; it has no CUDA plugin: pip install jax[cuda12] or jax[cuda13]"
            return {"cpu": None, "cuda": f"JAX sees no CUDA device: {str(error).splitlines()[0]}{helps}"}
        return {"cpu": None, "cuda": None}

    def precisions(self, device: Device) -> tuple[Precision, ...]:
        """All of them, TF32 on CUDA only."""
        return MIXED[device]

    def lacks(self, job: Job) -> str | None:
        """What the variant says, optax for a CTC loss, or a GPU too old for the precision."""
        if why := super().lacks(job):
            return why
        if job.loss == "ctc" and find_spec("optax") is None:
            return "its CTC loss is optax's, which is not installed: pip install optax"
        return why_too_old(job, _capability)

    def trains(self, definition: Any) -> bool:
        """A cell, what has the functions ``init`` and ``apply``, and a class of Equinox's or Flax NNX's ``Module``."""
        if is_cell(definition):
            return True
        functions = all(callable(getattr(definition, name, None)) for name in ("init", "apply"))
        return functions or any(is_module(definition, package) for package in PACKAGES)

    def choose(self, job: Job) -> Choice:
        """Chosen by whether the batch has parts for more than one thread, as measured."""
        if job.device == "cuda":
            return Choice("deferred-dw", "fewer operations in each backward step than scan; not measured on CUDA")
        if parts.why_not(job):
            return Choice(
                "deferred-dw", "measured 1.3 to 2.2 times as fast as scan, LSTM and GRU; unrolling adds nothing to it"
            )
        return Choice(
            "parts",
            "measured on two threads 1.4 to 1.9 times as fast as deferred-dw up to 128 hidden units, 1.1 to 1.2 beyond",
        )

    def start(self, job: Job) -> Runtime:
        """See ``runtime.start``."""
        from backends.jax import runtime

        return runtime.start(job)

    def probes(self, job: Job) -> Probes | None:
        """See ``probes.probes``."""
        from backends.jax import probes

        return probes.probes(job)


def _capability() -> tuple[int, ...]:
    import jax

    return tuple(map(int, jax.devices("cuda")[0].compute_capability.split(".")))
