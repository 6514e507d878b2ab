"""The device's limits as JAX reaches them: one large matrix product, one large array negated, many small steps."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from backends.base import COPY_BYTES, PRODUCT_FLOPS, PRODUCT_SIDE, STEP_SIDE, STEPS, Probe, Probes
from backends.job import Job


def probes(job: Job) -> Probes:
    """The work that measures the limits of the job's device, in the type in which its layers compute."""
    side, dtype = PRODUCT_SIDE[job.device], jnp.dtype(job.layer_dtype)
    with jax.default_device(jax.devices(job.device)[0]):
        a = jnp.ones((side, side), dtype)
        array = jnp.ones(COPY_BYTES // dtype.itemsize, dtype)
        unit, state = jnp.eye(STEP_SIDE, dtype=dtype), jnp.ones((STEP_SIDE, STEP_SIDE), dtype)
    multiply = jax.jit(jnp.matmul)
    # donated, so negated in place: the kernel would have to zero a fresh array's pages first
    negate = jax.jit(jnp.negative, donate_argnums=0)
    # the matrix is an argument, lest the compiler use what it knows of a constant
    loop = jax.jit(lambda state, unit: jax.lax.fori_loop(0, STEPS, lambda _, x: jnp.matmul(x, unit), state))

    def product() -> None:
        multiply(a, a).block_until_ready()

    def copy() -> None:
        nonlocal array
        array = negate(array).block_until_ready()

    def chain() -> None:
        loop(state, unit).block_until_ready()

    return Probes(Probe(product, PRODUCT_FLOPS[job.device]), Probe(copy, 2 * COPY_BYTES), Probe(chain, STEPS))
