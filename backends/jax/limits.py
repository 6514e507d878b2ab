"""The limits of the device as JAX reaches them: a large product, a large array negated in place, many small steps."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from backends.base import COPY_BYTES, PRODUCT_FLOPS, PRODUCT_SIDE, STEP_SIDE, STEPS, Probe, Probes
from backends.job import Job


def probes(job: Job) -> Probes:
    side, dtype = PRODUCT_SIDE[job.device], jnp.dtype(job.layer_dtype)
    with jax.default_device(jax.devices(job.device)[0]):
        a = jnp.ones((side, side), dtype)
        array = jnp.ones(COPY_BYTES // dtype.itemsize, dtype)
        unit, state = jnp.eye(STEP_SIDE, dtype=dtype), jnp.ones((STEP_SIDE, STEP_SIDE), dtype)
    multiply = jax.jit(jnp.matmul)
    # donated: read and written where it lies, since a fresh array would cost the kernel's zeroing of its pages
    negate = jax.jit(jnp.negative, donate_argnums=0)
    # the matrix is an argument: what it knew of a constant the compiler could use
    loop = jax.jit(lambda state, unit: jax.lax.fori_loop(0, STEPS, lambda _, x: jnp.matmul(x, unit), state))

    def product() -> None:
        multiply(a, a).block_until_ready()

    def copy() -> None:
        nonlocal array
        array = negate(array).block_until_ready()

    def chain() -> None:
        loop(state, unit).block_until_ready()

    return Probes(Probe(product, PRODUCT_FLOPS[job.device]), Probe(copy, 2 * COPY_BYTES), Probe(chain, STEPS))
