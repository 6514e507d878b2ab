"""TensorFlow. The framework is imported on first use, not with this module."""

from __future__ import annotations

from collections.abc import Mapping

from backends.base import Choice, Probes, Runtime, installed, why_too_old
from backends.job import MIXED, Device, Job, Precision
from backends.registered import RegisteredBackend
from backends.tensorflow import variants


class TensorflowBackend(RegisteredBackend):
    """TensorFlow and Keras on CPU and CUDA; a training step is one compiled ``tf.function``."""

    name = "tensorflow"
    distribution = "tensorflow"
    registry = variants.REGISTRY

    def version(self) -> str:
        """TensorFlow's."""
        import tensorflow as tf

        return str(tf.__version__)

    def versions(self) -> Mapping[str, str]:
        """Of TensorFlow, Keras, CUDA and cuDNN."""
        from backends.tensorflow import runtime

        return {**runtime.versions(), **runtime.cuda_versions(), **installed("nvidia-cudnn-cu12")}

    def devices(self) -> dict[Device, str | None]:
        """The CPU always, CUDA where TensorFlow sees a GPU."""
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
        """All of them, TF32 on CUDA only."""
        return MIXED[device]

    def lacks(self, job: Job) -> str | None:
        """What the variant says, a float64 CTC loss, or a GPU too old for the precision."""
        if job.loss == "ctc" and job.precision == "float64":
            return "tf.nn.ctc_loss computes in float32 only"
        return super().lacks(job) or why_too_old(job, _capability)

    def choose(self, job: Job) -> Choice:
        """See ``variants.choose``."""
        return variants.choose(job)

    def start(self, job: Job) -> Runtime:
        """See ``runtime.start``."""
        from backends.tensorflow import runtime

        return runtime.start(job)

    def probes(self, job: Job) -> Probes | None:
        """See ``probes.probes``."""
        from backends.tensorflow import probes

        return probes.probes(job)


def _capability() -> tuple[int, ...]:
    import tensorflow as tf

    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    found: tuple[int, ...] = details["compute_capability"]
    return found
