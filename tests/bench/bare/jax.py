"""What a user of JAX writes: a ``lax.scan`` with the input projection hoisted, one jitted step, Adam by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from loader import Sizes

CLIP, BETA1, BETA2, EPSILON = 1.0, 0.9, 0.999, 1e-8


def lstm(p: Any, x: Any) -> Any:
    """Every hidden state of an LSTM over inputs (length, batch, features)."""

    def body(carry: Any, a: Any) -> Any:
        h, c = carry
        i, f, g, o = jnp.split(a + h @ p["U"].T, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros((x.shape[1], p["U"].shape[1]), x.dtype)
    return jax.lax.scan(body, (zero, zero), x @ p["W"].T + p["b"])[1]


def gru(p: Any, x: Any) -> Any:
    """Every hidden state of a GRU over inputs (length, batch, features), reset after the recurrent product."""

    def body(h: Any, a: Any) -> Any:
        r_a, z_a, n_a = jnp.split(a, 3, axis=1)
        r_h, z_h, n_h = jnp.split(h @ p["U"].T + p["d"], 3, axis=1)
        r, z = jax.nn.sigmoid(r_a + r_h), jax.nn.sigmoid(z_a + z_h)
        n = jnp.tanh(n_a + r * n_h)
        h = (1 - z) * n + z * h
        return h, h

    zero = jnp.zeros((x.shape[1], p["U"].shape[1]), x.dtype)
    return jax.lax.scan(body, zero, x @ p["W"].T + p["b"])[1]


def draw(sizes: Sizes) -> dict[str, Any]:
    """Random parameters; a GRU has a second bias, of the recurrent product."""
    rng = np.random.default_rng(0)
    gates, hidden = {"lstm": 4, "gru": 3}[sizes.cell], sizes.hidden
    shapes: dict[str, tuple[int, ...]] = {
        "W": (gates * hidden, sizes.features), "U": (gates * hidden, hidden), "b": (gates * hidden,),
        "V": (sizes.outputs, hidden), "c": (sizes.outputs,),
    }  # fmt: skip
    if sizes.cell == "gru":
        shapes["d"] = (gates * hidden,)
    return {name: jnp.asarray(0.1 * rng.standard_normal(shape), "float32") for name, shape in shapes.items()}


def prediction(sizes: Sizes) -> tuple[Any, Callable[[Any], Any]]:
    """Two functions: one leaves a batch on the host, one gives the outputs of each batch, on the host."""
    parameters, states = draw(sizes), {"lstm": lstm, "gru": gru}[sizes.cell]

    @jax.jit
    def outputs(p: Any, x: Any) -> Any:
        return states(p, x)[-1] @ p["V"].T + p["c"]

    def predict(batches: Sequence[tuple[Any, Any]]) -> Any:
        inputs = (np.ascontiguousarray(x.swapaxes(0, 1)) for x, _ in batches)
        return [np.asarray(outputs(parameters, x)) for x in inputs]

    return lambda x, y: (x, y), predict


def program(sizes: Sizes) -> tuple[Any, Callable[[Any], Any]]:
    """Two functions: one puts a batch where training wants it, one does an update per batch and gives the losses."""
    parameters, states = draw(sizes), {"lstm": lstm, "gru": gru}[sizes.cell]
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = [parameters, zeros, jax.tree.map(jnp.zeros_like, parameters), jnp.zeros((), "float32")]

    def loss(p: Any, x: Any, y: Any) -> Any:
        hs = states(p, x)
        out = (hs[-1] if sizes.readout == "last" else hs) @ p["V"].T + p["c"]
        if sizes.loss == "mse":
            return jnp.mean((out - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(out), y[..., None], axis=-1))

    def step(p: Any, m: Any, v: Any, t: Any, x: Any, y: Any) -> Any:
        value, g = jax.value_and_grad(loss)(p, x, y)
        norm = jnp.sqrt(sum(jnp.sum(each**2) for each in g.values()))
        scale = jnp.where(norm > CLIP, CLIP / norm, 1)
        g, t = {k: each * scale for k, each in g.items()}, t + 1
        m = {k: BETA1 * m[k] + (1 - BETA1) * g[k] for k in g}
        v = {k: BETA2 * v[k] + (1 - BETA2) * g[k] ** 2 for k in g}
        one, two = 1 - BETA1**t, 1 - BETA2**t
        p = {k: p[k] - sizes.lr * (m[k] / one) / (jnp.sqrt(v[k] / two) + EPSILON) for k in g}
        return p, m, v, t, value

    compiled = jax.jit(step, donate_argnums=(0, 1, 2, 3))

    def stage(x: Any, y: Any) -> tuple[Any, Any]:
        y = y if sizes.readout == "last" else np.ascontiguousarray(y.swapaxes(0, 1))
        return jax.device_put(np.ascontiguousarray(x.swapaxes(0, 1))), jax.device_put(y)

    def train(batches: Sequence[tuple[Any, Any]]) -> Any:
        losses = []
        for x, y in batches:
            *state[:], value = compiled(*state, x, y)
            losses.append(value)
        jax.block_until_ready(state)
        return jax.device_get(losses)

    return stage, train
