"""TensorFlow. This module names what there is; the framework is imported on first use."""

from __future__ import annotations

from collections.abc import Mapping

from backends import allocator, parts
from backends.base import Backend, Choice, Probes, Runtime, Trainer, Variant, installed, why_too_old
from backends.job import MIXED, Device, Job, ModelSpec, Parameters, Precision

#: Steps of a sequence up to which ``keras-unrolled`` can be had.
LONGEST_UNROLLED = 128
#: Hidden units up to which dispatching operators dominates, and from which on matrix products do.
SMALL, LARGE = 64, 256
#: Sequences of at most so many steps: starting a second thread costs more than it computes.
SHORT = 16


#: What ``BlockLSTM`` computes: it has neither float64 nor bfloat16.
BLOCK: tuple[Precision, ...] = ("float32", "tf32")


class TensorflowBackend(Backend):
    """TensorFlow and Keras on CPU and CUDA; a training step is one compiled ``tf.function``."""

    name = "tensorflow"
    distribution = "tensorflow"

    def version(self) -> str:
        import tensorflow as tf

        return str(tf.__version__)

    def versions(self) -> Mapping[str, str]:
        from backends.tensorflow import runtime

        return {**runtime.versions(), **runtime.cuda_versions(), **installed("nvidia-cudnn-cu12")}

    def devices(self) -> dict[Device, str | None]:
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            return {"cpu": None, "cuda": None}
        if not tf.test.is_built_with_cuda():
            return {
                "cpu": None,
                "cuda": "this TensorFlow is a CPU build, without CUDA: pip install tensorflow[and-cuda]",
            }
        lacks = "" if installed("nvidia-cudnn-cu12") else ", and CUDA's libraries: pip install tensorflow[and-cuda]"
        return {"cpu": None, "cuda": f"TensorFlow sees no CUDA device; it needs a driver for CUDA 12 or newer{lacks}"}

    def precisions(self, device: Device) -> tuple[Precision, ...]:
        return MIXED[device]

    def variants(self, model: ModelSpec, device: Device) -> list[Variant]:
        cudnn = device == "cuda" and model.cell in ("lstm", "gru")
        loop = "CudnnRNNV3" if cudnn else "While"
        not_cpu = "a thread for each half is of use on the CPU only" if device == "cuda" else None
        not_lstm = None if model.cell == "lstm" else "BlockLSTM computes no cell but the LSTM"
        return [
            Variant(
                "keras",
                "keras.layers.SimpleRNN, LSTM or GRU: a while loop, or cuDNN (CUDA)",
                "default",
                runs=f"{loop}$",
            ),
            Variant(
                "keras-halves",
                "Keras's layers on two halves of the batch, a thread for each",
                "best",
                not_cpu,
                runs=f"{loop}, 2 parts",
                like="keras",
                devices=("cpu",),
            ),
            Variant("keras-unrolled", "Keras's layers without a loop", "best", runs="MatMul, unrolled", like="keras"),
            Variant("block", "the fused operator BlockLSTM", "best", not_lstm, precisions=BLOCK, runs="BlockLSTM$"),
            Variant(
                "block-halves",
                "BlockLSTM on two halves of the batch, a thread for each",
                "best",
                not_lstm or not_cpu,
                precisions=BLOCK,
                runs="BlockLSTM, 2 parts",
                like="block",
                devices=("cpu",),
            ),
            Variant(
                "xla",
                "the step compiled by XLA; input projection and weight gradient out of the loop",
                "best",
                runs="XLA While",
            ),
            Variant(
                "chunk",
                "xla, several updates in one compiled loop",
                "fused",
                runs="XLA updates in a loop, While",
                like="xla",
            ),
        ]

    def lacks(self, job: Job) -> str | None:
        if job.loss == "ctc" and job.precision == "float64":
            return "tf.nn.ctc_loss computes in float32 only"
        if job.variant.endswith("-halves") and (why := parts.why_not(job)):
            return why
        if job.variant == "keras-unrolled" and job.length > LONGEST_UNROLLED:
            return f"unrolled over more than {LONGEST_UNROLLED} steps, it is traced for minutes"
        return why_too_old(job, _capability)

    def choose(self, job: Job) -> Choice:
        model = job.model
        if job.device == "cuda":
            if model.cell in ("lstm", "gru"):
                return Choice("keras", "runs on cuDNN; expected to be the fastest, not measured")
            return Choice("xla", "no cuDNN kernel computes this cell in TensorFlow; not measured")
        if model.cell == "gru-reset-before":
            return Choice("xla", "measured about twice as fast as Keras, at every size")
        if job.loss == "ctc":
            return Choice("keras", "the CTC operator measured faster than the only form of it that XLA compiles")
        if model.hidden >= LARGE:
            return Choice("xla", f"measured 1.05 to 2 times as fast as Keras from {LARGE} hidden units on")
        halves = parts.why_not(job) is None
        if model.hidden > SMALL:
            reason = "measured 0.9 to 1.2 times as fast as Keras on the whole batch, at 128 hidden units"
            return Choice("keras-halves", reason) if halves else Choice("keras", "no second half for a second thread")
        if model.cell == "lstm" and job.precision == "float32":
            reason = f"measured fastest up to {SMALL} hidden units, where dispatching operators dominates"
            return Choice("block-halves" if halves and job.length > SHORT else "block", reason)
        return Choice("xla", f"measured as fast or faster up to {SMALL} hidden units, where dispatch dominates")

    def start(self, job: Job) -> Runtime:
        from backends.tensorflow import runtime

        return runtime.start(job)

    def build(self, job: Job, parameters: Parameters) -> Trainer:
        from backends.tensorflow.chunk import TensorflowChunkTrainer
        from backends.tensorflow.trainer import TensorflowTrainer

        if job.variant != "keras":
            allocator.keep_freed_memory()
        return (TensorflowChunkTrainer if job.variant == "chunk" else TensorflowTrainer)(job, parameters)

    def probes(self, job: Job) -> Probes | None:
        from backends.tensorflow import limits

        return limits.probes(job)


def _capability() -> tuple[int, ...]:
    import tensorflow as tf

    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    found: tuple[int, ...] = details["compute_capability"]
    return found
