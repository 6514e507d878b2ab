"""The limits of the device as JAX reaches them: a large product, and a large array negated in place."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from backends.base import COPY_BYTES, PRODUCT_FLOPS, PRODUCT_SIDE, Job, Probe, Probes


def probes(job: Job) -> Probes:
    side, dtype = PRODUCT_SIDE[job.device], jnp.dtype(job.layer_dtype)
    with jax.default_device(jax.devices(job.device)[0]):
        a = jnp.ones((side, side), dtype)
        array = jnp.ones(COPY_BYTES // dtype.itemsize, dtype)
    multiply = jax.jit(jnp.matmul)
    # donated: read and written where it lies, since a fresh array would cost the kernel's zeroing of its pages
    negate = jax.jit(jnp.negative, donate_argnums=0)

    def product() -> None:
        multiply(a, a).block_until_ready()

    def copy() -> None:
        nonlocal array
        array = negate(array).block_until_ready()

    return Probes(Probe(product, PRODUCT_FLOPS[job.device]), Probe(copy, 2 * COPY_BYTES))
