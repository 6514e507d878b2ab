"""The interface of a backend. The jobs that it is given are in ``backends.job``.

No framework is imported here, nor when a backend's class is loaded: a backend imports its framework inside the
methods that need it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

from backends.job import IEEE, Array, Device, Job, ModelSpec, Parameters, Precision
from backends.own import OWN
from backends.variants import Tier, Variant
from tasks.base import Batch

__all__ = [
    "AMPERE", "COPY_BYTES", "PRODUCT_FLOPS", "PRODUCT_SIDE", "STEPS", "STEP_SIDE", "Backend", "Choice", "DeviceMemory",
    "Probe", "Probes", "Runtime", "Tier", "Trainer", "Unsupported", "Variant", "installed", "why_too_old",
]  # fmt: skip

#: Compute capability of the first GPUs with TF32 and bfloat16.
AMPERE = 8, 0


class Unsupported(RuntimeError):
    """The job cannot run on this backend here; the message says why and what would help."""


@dataclass(frozen=True)
class Choice:
    """The variant that ``auto`` stands for, and why."""

    variant: str
    reason: str


@dataclass(frozen=True)
class Runtime:
    """What is in force inside the framework, read back from it."""

    threads: int
    flushes_denormals: bool
    versions: Mapping[str, str]
    device_name: str | None = None  # of a GPU


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes that the device's allocator has in use, now and at its peak; None where it keeps no count."""

    in_use: int | None = None
    peak: int | None = None


@dataclass(frozen=True)
class Probe:
    """Work whose rate is a limit of the machine: ``amount`` FLOPs, bytes or steps; ``run`` returns when it is done."""

    run: Callable[[], object]
    amount: float


@dataclass(frozen=True)
class Probes:
    """Three pieces of work that show the most that a framework reaches on a device.

    Attributes:
        product: one large square matrix product, in the job's precision.
        copy: one large array read and one written, larger than any cache.
        step: a chain of products of two tiny matrices, each of which needs the one before, in a loop of the
            framework: the least that a step of a recurrence costs, unless a kernel holds the whole loop.
    """

    product: Probe
    copy: Probe
    step: Probe


#: Side of the square matrices of ``Probes.product``, by device: so large that starting the product does not count.
PRODUCT_SIDE: dict[Device, int] = {"cpu": 1536, "cuda": 8192}
#: Bytes of the array that ``Probes.copy`` reads, and of the one that it writes: several last-level caches each.
COPY_BYTES = 128 * 2**20
#: Side of the square matrices of ``Probes.step``: a smaller one takes no less time, and up to side 4 a compiler makes
#: the product a few multiplications inside its loop, which no recurrence gets.
STEP_SIDE = 8
#: Products in that chain, an even number: enough that starting it costs little, few enough for some milliseconds.
STEPS = 2000
PRODUCT_FLOPS: dict[Device, float] = {device: 2.0 * side**3 for device, side in PRODUCT_SIDE.items()}


class Trainer(ABC):
    """One compiled training program with its parameters on a device.

    Two laws hold for every variant, and the conformance suite tests both. When ``train``
    returns, all updates are done. ``train`` of a+b batches equals ``train`` of a, then of b.
    """

    #: Whether ``train_accumulated`` is what trains: set before anything is computed.
    accumulating: bool = False

    @abstractmethod
    def stage(self, batches: Sequence[Batch]) -> Any:
        """Batches on the device, in the layout that ``train`` wants. Timed apart from training.

        Floats arrive in the job's ``dtype``. Nothing is in flight when this returns. The caller
        leaves the batches' memory alone until ``train`` has returned.
        """

    @abstractmethod
    def train(self, staged: Any) -> Array:
        """One complete update per staged batch; their losses before each update, shape (K,)."""

    def train_accumulated(self, staged: Sequence[Any]) -> Array:
        """One update for each item: staged micro-batches, whose losses and gradients are averaged. Else as ``train``.

        Raises:
            Unsupported: it accumulates none, as its backend says by ``Backend.accumulates``.
        """
        raise Unsupported(f"{type(self).__name__} accumulates no gradients")

    def predict(self, x: Array, lengths: Array | None = None) -> Array:
        """The model's outputs for x of shape (batch, length, inputs), on the host.

        Shape (batch, outputs) or (batch, length, outputs). The batch is the job's own. ``lengths`` are
        for a ``variable`` job, as in ``Batch``; outputs past a sequence's end have no meaning.

        A trainer has this, or ``stage_inputs``, ``predict_staged`` and ``fetch``, of which this is made here.
        """
        return self.fetch(self.predict_staged(self.stage_inputs(x, lengths)))

    def stage_inputs(self, x: Array, lengths: Array | None = None) -> Any:
        """What ``predict`` gets, on the device, in the layout that prediction wants; nothing is in flight any more.

        The caller leaves the memory of ``x`` and ``lengths`` alone as long as this is in use.
        """
        return x, lengths

    def predict_staged(self, staged: Any) -> Any:
        """The outputs of what was staged, left on the device. When it returns, they are there.

        They may lie in memory that the next prediction writes: ``fetch`` them before.
        """
        if type(self).predict is Trainer.predict:
            raise NotImplementedError(f"{type(self).__name__} has neither predict nor predict_staged")
        return self.predict(*staged)

    def fetch(self, outputs: Any) -> Array:
        """What ``predict_staged`` gave, on the host and in the shape of ``predict``'s."""
        found: Array = outputs
        return found

    @abstractmethod
    def parameters(self) -> Parameters:
        """A copy of the parameters in the canonical layout of ``backends.parameters``."""

    @abstractmethod
    def executed(self, batch: Batch) -> str:
        """What computes the recurrence, found by observation: the name of an operator or of a loop.

        It may run the forward pass on ``batch``, but leaves the parameters as they are.
        """

    def compilations(self) -> int:
        """How often anything was traced or compiled so far. Constant in the steady state."""
        return 0

    def memory(self) -> DeviceMemory:
        """Memory since construction, as the device's allocator counts it."""
        return DeviceMemory()

    def device_seconds(self) -> float | None:
        """Seconds on the device from the start to the end of the last ``train``'s work, between two events.

        None before the first ``train``, on the CPU, and where the framework does not expose events.
        """
        return None


class Backend(ABC):
    """A framework. Constructing one imports nothing."""

    name: ClassVar[str]
    #: The distribution that pip installs to have it.
    distribution: ClassVar[str]
    #: Distributions that compute, besides ``distribution`` and NumPy, or patterns of their names: another version of
    #: one may give another figure.
    libraries: ClassVar[tuple[str, ...]] = ()
    #: Whether its trainers have ``train_accumulated``.
    accumulates: ClassVar[bool] = False
    #: Whether it differentiates what a user wrote; else a cell of a user's own brings its backward pass.
    differentiates: ClassVar[bool] = True

    @abstractmethod
    def version(self) -> str:
        """The framework's version; imports the framework.

        Raises:
            ImportError: the framework is not installed.
        """

    def versions(self) -> Mapping[str, str]:
        """The framework's version by its name, and those that decide what it can do on a device.

        ``cuda`` and ``cudnn`` are what it was built for or has; plugins and helpers go by pip's names for them.

        Raises:
            ImportError: the framework is not installed.
        """
        return {self.name: self.version()}

    @abstractmethod
    def devices(self) -> dict[Device, str | None]:
        """Each device with the reason why it cannot be used here and what would help, or None where it can."""

    def precisions(self, device: Device) -> tuple[Precision, ...]:
        """Precisions that the framework computes on ``device``; answered without importing it."""
        del device
        return IEEE

    def why_no(self, precision: Precision, device: Device) -> str | None:
        """Why ``precision`` is not among ``precisions``, in one clause; None where there is no more to say."""
        if precision == "tf32" and device == "cpu":
            return "TensorFloat-32 is computed by NVIDIA's GPUs only"
        return None

    @abstractmethod
    def variants(self, model: ModelSpec, device: Device) -> list[Variant]:
        """All variants, the stock one first, each with the reason when it cannot compute ``model``."""

    def lacks(self, job: Job) -> str | None:
        """Why the job's variant, which computes its model, cannot run the job: loss, lengths or threads; else None."""
        del job
        return None

    @abstractmethod
    def choose(self, job: Job) -> Choice:
        """The variant known to be the fastest for ``job``."""

    @abstractmethod
    def start(self, job: Job) -> Runtime:
        """Put threads, precision and determinism in force, and read back what is in force.

        Called before anything else runs; a second call in one process must do no harm.
        """

    @abstractmethod
    def build(self, job: Job, parameters: Parameters) -> Trainer:
        """The training program for a resolved job; parameters are in the canonical layout, of the job's ``dtype``.

        None at all stand for those that a user's own model draws.
        """

    def trains(self, definition: Any) -> bool:
        """Whether this backend trains ``definition``, which a user's file names, as ``Job.own``.

        Nothing is imported for the answer: what is a framework's own was made with it.
        """
        del definition
        return False

    def is_deterministic(self, job: Job) -> bool | None:
        """Whether ``job`` gives the same losses to the last bit each time on one machine; None where unknown."""
        if not job.deterministic:
            return False
        return True if job.device == "cpu" else None

    def probes(self, job: Job) -> Probes | None:
        """The work that measures the limits of the job's device, after ``start``; None where there is none."""
        del job
        return None

    def current_variant(self, name: str) -> str:
        """The present name of a variant that may be called by a former one; ``name`` where it is unknown."""
        return name

    def is_rival(self, variant: str) -> bool:
        """Whether ``variant``, of tier ``default``, is a library's upon the framework: no ratio is taken to it.

        The stock layer, to which they are, is the first variant of that tier.
        """
        del variant
        return False

    def extras(self, variant: str) -> tuple[str, ...]:
        """The extras of a distribution that install what ``variant`` needs; usually one of the backend's name."""
        del variant
        return (self.name,)

    def variant(self, job: Job) -> Variant:
        """The variant that ``job``, once resolved, names."""
        return next(variant for variant in self.variants(job.model, job.device) if variant.name == job.variant)

    def resolve(self, job: Job) -> tuple[Job, str]:
        """``job`` with its variant decided, under its present name, and the reason for the choice.

        Raises:
            Unsupported: device, precision or variant cannot be had; says why.
        """
        reason = self.devices().get(job.device, f"{self.name} has no device {job.device!r}")
        if reason:
            raise Unsupported(reason)
        if job.precision not in self.precisions(job.device):
            have = ", ".join(self.precisions(job.device))
            why = self.why_no(job.precision, job.device)
            because = f": {why}" if why else ""
            raise Unsupported(f"{self.name} on {job.device} has no {job.precision}{because}; it has {have}")
        choice = (
            self._chosen(job)
            if job.variant == "auto"
            else Choice(self.current_variant(job.variant), "asked for by name")
        )
        known = {variant.name: variant for variant in self.variants(job.model, job.device)}
        if choice.variant not in known:
            raise Unsupported(f"{self.name} has no variant {choice.variant!r}; it has {', '.join(known)}")
        variant = known[choice.variant]
        if why := variant.reason or self.lacks(replace(job, variant=variant.name)):
            raise Unsupported(f"{self.name} variant {variant.name!r}: {why}")
        if job.accumulate > 1 and not self.accumulates:
            raise Unsupported(f"{self.name} accumulates no gradients: --accumulate 1 computes the batch as a whole")
        if job.precision not in variant.precisions:
            have = ", ".join(each for each in self.precisions(job.device) if each in variant.precisions)
            raise Unsupported(f"{self.name} variant {variant.name!r} has no {job.precision}; it has {have}")
        return replace(job, variant=choice.variant), choice.reason

    def _chosen(self, job: Job) -> Choice:
        if job.model.is_own:
            return Choice(OWN, "a model of a user's own has no other")
        choice = self.choose(job.micro)
        unmeasured = "" if job.precision in IEEE else f"; unmeasured in {job.precision}"
        return Choice(choice.variant, choice.reason + unmeasured)

    def trainer(self, job: Job, parameters: Parameters) -> Trainer:
        """A trainer for ``job``, starting at ``parameters`` (canonical layout, any float type).

        Raises:
            Unsupported: the job cannot run here; says why.
        """
        resolved, _ = self.resolve(job)
        return self.build(resolved, {name: p.astype(job.dtype) for name, p in parameters.items()})


def why_too_old(job: Job, capability: Callable[[], tuple[int, ...]]) -> str | None:
    """Why the GPU, whose compute capability is asked only if need be, lacks the job's precision."""
    if job.device == "cpu" or job.precision in IEEE or (found := capability()) >= AMPERE:
        return None
    return f"{job.precision} needs a GPU of compute capability 8.0 (Ampere) or newer, not {'.'.join(map(str, found))}"


def installed(*distributions: str) -> dict[str, str]:
    """The versions of those distributions that are installed."""
    found = {}
    for name in distributions:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
