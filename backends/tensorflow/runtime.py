"""Threads, precision and determinism of the process, put in force and read back."""

from __future__ import annotations

import contextlib
import os

import tensorflow as tf

from backends import denormals
from backends.base import Runtime, Unsupported
from backends.job import Job


def start(job: Job) -> Runtime:
    """Put the job's threads, precision and determinism in force, and read back what is.

    Raises:
        Unsupported: TensorFlow does not take the precision.
    """
    # Once TensorFlow has run an operator, these raise. What is in force then is read back below.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(job.threads)
    with contextlib.suppress(RuntimeError):
        # Measured against 1: no difference for Keras's loops, 15% faster for two directions of BlockLSTM.
        tf.config.threading.set_inter_op_parallelism_threads(job.threads)
    if job.device == "cpu":
        with contextlib.suppress(RuntimeError):
            tf.config.set_visible_devices([], "GPU")  # Keras decides for cuDNN by visible devices, not by placement
    _tf32(job.precision == "tf32")
    if job.deterministic:
        tf.config.experimental.enable_op_determinism()
    return Runtime(
        threads=tf.config.threading.get_intra_op_parallelism_threads() or _usable_cpus(),
        flushes_denormals=_flushes_denormals(),
        versions={**versions(), **(cuda_versions() if job.device == "cuda" else {})},
        device_name=_gpu_name() if job.device == "cuda" else None,
    )


def _usable_cpus() -> int:
    """As many threads TensorFlow starts where nothing sets their number."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tf32(allowed: bool) -> None:
    """Whether float32 products and cuDNN may compute in TF32 on CUDA; TensorFlow's default is yes.

    Raises:
        Unsupported: TensorFlow reports that the opposite is in force.
    """
    tf.config.experimental.enable_tensor_float_32_execution(allowed)
    if tf.config.experimental.tensor_float_32_execution_enabled() != allowed:
        raise Unsupported(f"TensorFlow {'refuses' if allowed else 'insists on'} TF32")


def _flushes_denormals() -> bool:
    """Found in a compiled function, since that is how training runs."""
    with tf.device("/CPU:0"):
        halve = tf.function(lambda smallest, half: (smallest * 0.5, smallest @ half), autograph=False)
        return denormals.flushed(*(halves.numpy() for halves in halve(*map(tf.constant, denormals.operands()))))


def _gpu_name() -> str | None:
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    name: str | None = details.get("device_name")
    return name


def versions() -> dict[str, str]:
    """Of TensorFlow and Keras."""
    import keras

    return {"tensorflow": str(tf.__version__), "keras": str(keras.__version__)}


def cuda_versions() -> dict[str, str]:
    """Of CUDA and cuDNN that this TensorFlow was built for; empty for a CPU build."""
    build = tf.sysconfig.get_build_info()
    return {name: str(build[f"{name}_version"]) for name in ("cuda", "cudnn") if f"{name}_version" in build}
