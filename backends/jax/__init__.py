"""JAX. This module names what there is; the framework is imported on first use."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from backends import allocator, parts
from backends.base import Backend, Choice, Probes, Runtime, Trainer, Variant, installed, why_too_old
from backends.job import MIXED, Device, Job, ModelSpec, Parameters, Precision

#: What makes jaxlib compute on CUDA, and the libraries that it then loads.
PLUGINS = ("jax-cuda12-plugin", "jax-cuda13-plugin")
CUDA_LIBRARIES = ("nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13")

#: As many products in the loop back as in the one there: none of them is a weight's gradient. Where XLA unrolls the
#: whole of a short loop, its first steps have fewer there: a product with the state before them, zero, it leaves out.
LATE = r"(while, (\d+) \+ \2|unrolled, \d+ \+ \d+) products in it"


class JaxBackend(Backend):
    """JAX on CPU and CUDA: one compiled programme for the whole training step."""

    name = "jax"
    distribution = "jax"

    def version(self) -> str:
        import jax

        return str(jax.__version__)

    def versions(self) -> Mapping[str, str]:
        return {self.name: self.version(), **installed("jaxlib", *PLUGINS, *CUDA_LIBRARIES)}

    def devices(self) -> dict[Device, str | None]:
        import jax

        try:
            jax.devices("cuda")
        except RuntimeError as error:
            helps = "" if installed(*PLUGINS) else "; it has no CUDA plugin: pip install jax[cuda12] or jax[cuda13]"
            return {"cpu": None, "cuda": f"JAX sees no CUDA device: {str(error).splitlines()[0]}{helps}"}
        return {"cpu": None, "cuda": None}

    def precisions(self, device: Device) -> tuple[Precision, ...]:
        return MIXED[device]

    def variants(self, model: ModelSpec, device: Device) -> list[Variant]:
        return [
            Variant("scan", "lax.scan over time, input projection hoisted out of it", "default", runs="XLA "),
            Variant(
                "late-dw",
                "the same scan with a backward scan by hand: dW_hh is one GEMM after it",
                "best",
                runs=rf"XLA {LATE}(?!.* in command buffers)",
            ),
            Variant(
                "halves",
                "late-dw, with a thread and a programme for each part of the batch",
                "best",
                "a thread for each part of a batch is of use on the CPU only" if device == "cuda" else None,
                runs=rf"XLA {LATE}.*, \d+ parts$",
                like="late-dw",
                devices=("cpu",),
            ),
            Variant(
                "late-dw-graph",
                "late-dw, its loops in CUDA graphs, which XLA leaves them out of by itself: no launch at every step",
                "best",
                "CUDA graphs are on CUDA only" if device == "cpu" else None,
                runs=rf"XLA {LATE}, [1-9]\d* of \d+ loops in command buffers",
                like="late-dw",
                devices=("cuda",),
            ),
            Variant(
                "unrolled", "late-dw, four steps in each turn of the loop", "best", runs=rf"XLA {LATE}", like="late-dw"
            ),
            Variant(
                "cudnn",
                "cuDNN's LSTM through jax.experimental.rnn: all layers and directions in one call",
                "best",
                _why_no_cudnn(model, device),
                precisions=("float32",),
                runs="XLA, (.*, )?cudnn_rnn_bwd_ffi, cudnn_rnn_ffi",
                devices=("cuda",),
            ),
            Variant(
                "chunk",
                "late-dw, several updates in one compiled loop",
                "fused",
                runs=rf"XLA updates in a loop, {LATE}",
                like="late-dw",
            ),
        ]

    def lacks(self, job: Job) -> str | None:
        if job.variant == "halves" and (why := parts.why_not(job)):
            return why
        if job.loss == "ctc" and find_spec("optax") is None:
            return "its CTC loss is optax's, which is not installed: pip install optax"
        return why_too_old(job, _capability)

    def choose(self, job: Job) -> Choice:
        if job.device == "cuda":
            return Choice("late-dw", "fewer operations per step back than scan; not measured on CUDA")
        if parts.why_not(job):
            return Choice(
                "late-dw", "measured 1.3 to 2.2 times as fast as scan, LSTM and GRU; unrolling adds nothing to it"
            )
        return Choice(
            "halves",
            "measured on two threads 1.4 to 1.9 times as fast as late-dw up to 128 hidden units, 1.1 to 1.2 beyond",
        )

    def start(self, job: Job) -> Runtime:
        from backends.jax import runtime

        return runtime.start(job)

    def build(self, job: Job, parameters: Parameters) -> Trainer:
        from backends.jax.chunk import JaxChunkTrainer
        from backends.jax.halves import JaxHalvesTrainer
        from backends.jax.trainer import JaxTrainer

        if job.variant != "scan":
            allocator.keep_freed_memory()
        trainers = {"chunk": JaxChunkTrainer, "halves": JaxHalvesTrainer}
        return trainers.get(job.variant, JaxTrainer)(job, parameters)

    def probes(self, job: Job) -> Probes | None:
        from backends.jax import limits

        return limits.probes(job)


def _why_no_cudnn(model: ModelSpec, device: Device) -> str | None:
    if device == "cpu":
        return "cuDNN is on CUDA only"
    return None if model.cell == "lstm" else "of cuDNN's layers JAX has the LSTM alone"


def _capability() -> tuple[int, ...]:
    import jax

    return tuple(map(int, jax.devices("cuda")[0].compute_capability.split(".")))
