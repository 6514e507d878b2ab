"""The limits of the device as TensorFlow reaches them: a large product, and a large array added to another."""

from __future__ import annotations

import tensorflow as tf

from backends.base import COPY_BYTES, PRODUCT_FLOPS, PRODUCT_SIDE, Job, Probe, Probes


def probes(job: Job) -> Probes:
    side, dtype = PRODUCT_SIDE[job.device], tf.as_dtype(job.layer_dtype)
    device = "/GPU:0" if job.device == "cuda" else "/CPU:0"
    with tf.device(device):
        a = tf.ones((side, side), dtype)
        source = tf.ones((COPY_BYTES // dtype.size,), dtype)
        target = tf.Variable(tf.zeros_like(source))

    def product() -> None:
        with tf.device(device):
            tf.linalg.matmul(a, a)
        synchronize()

    def add() -> None:
        """In place: TensorFlow copies into fresh memory only, which would cost the kernel's zeroing of its pages."""
        with tf.device(device):
            target.assign_add(source, read_value=False)
        synchronize()

    def synchronize() -> None:
        if job.device == "cuda":
            tf.test.experimental.sync_devices()

    return Probes(Probe(product, PRODUCT_FLOPS[job.device]), Probe(add, 3 * COPY_BYTES))
