"""The device's limits as TensorFlow reaches them: one large matrix product, one large sum, many small steps."""

from __future__ import annotations

import tensorflow as tf

from backends.base import COPY_BYTES, PRODUCT_FLOPS, PRODUCT_SIDE, STEP_SIDE, STEPS, Probe, Probes
from backends.job import Job


def probes(job: Job) -> Probes:
    """The work that measures the limits of the job's device, in the type in which its layers compute."""
    side, dtype = PRODUCT_SIDE[job.device], tf.as_dtype(job.layer_dtype)
    device = "/GPU:0" if job.device == "cuda" else "/CPU:0"
    with tf.device(device):
        a = tf.ones((side, side), dtype)
        source = tf.ones((COPY_BYTES // dtype.size,), dtype)
        target = tf.Variable(tf.zeros_like(source))
        unit, state = tf.eye(STEP_SIDE, dtype=dtype), tf.ones((STEP_SIDE, STEP_SIDE), dtype)

    def steps(state: tf.Tensor, unit: tf.Tensor) -> tf.Tensor:
        _, state = tf.while_loop(
            lambda i, _: i < STEPS, lambda i, x: (i + 1, tf.linalg.matmul(x, unit)), (tf.constant(0), state)
        )
        return state

    loop = tf.function(steps, autograph=False)

    def product() -> None:
        with tf.device(device):
            tf.linalg.matmul(a, a)
        synchronize()

    def add() -> None:
        """In place. TensorFlow copies only into fresh memory, whose pages the kernel would have to zero first."""
        with tf.device(device):
            target.assign_add(source, read_value=False)
        synchronize()

    def synchronize() -> None:
        if job.device == "cuda":
            tf.test.experimental.sync_devices()

    def chain() -> None:
        with tf.device(device):
            loop(state, unit)
        synchronize()

    return Probes(Probe(product, PRODUCT_FLOPS[job.device]), Probe(add, 3 * COPY_BYTES), Probe(chain, STEPS))
