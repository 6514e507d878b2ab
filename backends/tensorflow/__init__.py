"""TensorFlow. The framework is imported on first use, not with this module."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from backends import parts
from backends.base import Choice, Probes, Runtime, installed, why_too_old
from backends.job import MIXED, Device, Job, Precision
from backends.own_cell import is_cell
from backends.registered import RegisteredBackend
from backends.tensorflow import alone
from backends.tensorflow.variants import OWN_MODEL, VARIANTS

#: Up to SMALL hidden units the dispatch of operators dominates, from LARGE on matrix products do.
SMALL, LARGE = 64, 256
#: Up to so many steps, starting a second thread costs more than it computes.
SHORT = 16
#: Up to so many steps, an LSTM's loop is fastest where TensorFlow's executor runs it.
FEW_STEPS = 32


class TensorflowBackend(RegisteredBackend):
    """TensorFlow and Keras on CPU and CUDA; a training step is one compiled ``tf.function``."""

    name = "tensorflow"
    distribution = "tensorflow"
    libraries = ("keras", "nvidia-cu*")
    registry = VARIANTS
    own = OWN_MODEL

    def version(self) -> str:
        """TensorFlow's."""
        return str(alone.tensorflow().__version__)

    def versions(self) -> Mapping[str, str]:
        """Of TensorFlow, Keras, CUDA and cuDNN."""
        alone.tensorflow()
        from backends.tensorflow import runtime

        return {**runtime.versions(), **runtime.cuda_versions(), **installed("nvidia-cudnn-cu12")}

    def devices(self) -> dict[Device, str | None]:
        """The CPU always, CUDA where TensorFlow sees a GPU."""
        tf: Any = alone.tensorflow()
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

    def trains(self, definition: Any) -> bool:
        """A class of ``keras.Layer``, as ``keras.Model`` is, and a cell."""
        keras = sys.modules.get("keras")
        return is_cell(definition) or (
            keras is not None and isinstance(definition, type) and issubclass(definition, keras.Layer)
        )

    def choose(self, job: Job) -> Choice:
        """By cell, hidden units and length, as measured."""
        model = job.model
        if job.device == "cuda":
            if model.cell in ("lstm", "gru"):
                return Choice("keras", "runs on cuDNN; expected to be the fastest, not measured")
            return Choice("xla", "no cuDNN kernel computes this cell in TensorFlow; not measured")
        if model.cell == "gru-reset-before":
            return Choice("xla", "measured about twice as fast as Keras, at every size")
        if job.loss == "ctc":
            return Choice("keras", "the CTC operator measured faster than the only form of it that XLA compiles")
        in_parts = parts.why_not(job) is None and job.length > SHORT
        if model.cell == "lstm" and model.hidden <= SMALL and job.precision == "float32":
            reason = f"measured fastest up to {SMALL} hidden units, where dispatching operators dominates"
            return Choice("block-parts" if in_parts else "block", reason)
        if model.cell == "lstm" and model.hidden < LARGE and in_parts and job.length <= FEW_STEPS:
            return Choice("keras-parts", f"measured 1 to 1.3 times as fast as xla-parts up to {FEW_STEPS} steps")
        if model.cell in ("lstm", "gru") and in_parts:
            return Choice("xla-parts", "measured 1.1 to 1.6 times as fast as xla or keras-parts")
        if model.hidden >= LARGE:
            return Choice("xla", f"measured 1.05 to 2 times as fast as Keras from {LARGE} hidden units on")
        if model.hidden <= SMALL:
            return Choice("xla", f"measured as fast or faster up to {SMALL} hidden units, where dispatch dominates")
        if parts.why_not(job):
            return Choice("keras", "no second part for a second thread")
        return Choice(
            "keras-parts", "measured 0.9 to 1.2 times as fast as Keras on the whole batch, at 128 hidden units"
        )

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
