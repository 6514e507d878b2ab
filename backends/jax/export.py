"""The canonical parameters as a pytree, with the forward pass that JAX has no layer for. JAX is not imported here."""

from __future__ import annotations

import numpy as np

from backends.exported import Exported
from backends.job import Cell, ModelSpec, Parameters

#: One step of each cell: from the weights ``w``, the state ``s`` and the input ``x`` to the new state, whose first part
#: is the hidden state.
_STEPS: dict[Cell, str] = {
    "rnn": """\
    return (jnp.tanh(w["W_ih"] @ x + w["W_hh"] @ s[0] + w["b"]),)
""",
    "lstm": """\
    i, f, g, o = jnp.split(w["W_ih"] @ x + w["W_hh"] @ s[0] + w["b"], 4)
    c = sigmoid(f) * s[1] + sigmoid(i) * jnp.tanh(g)
    return sigmoid(o) * jnp.tanh(c), c
""",
    "gru": """\
    a_r, a_z, a_n = jnp.split(w["W_ih"] @ x + w["b_ih"], 3)
    u_r, u_z, u_n = jnp.split(w["W_hh"] @ s[0] + w["b_hh"], 3)
    z, n = sigmoid(a_z + u_z), jnp.tanh(a_n + sigmoid(a_r + u_r) * u_n)
    return ((1 - z) * n + z * s[0],)
""",
    "gru-reset-before": """\
    a_r, a_z, a_n = jnp.split(w["W_ih"] @ x + w["b"], 3)
    u_r, u_z, u_n = jnp.split(w["W_hh"], 3)
    r, z = sigmoid(a_r + u_r @ s[0]), sigmoid(a_z + u_z @ s[0])
    return ((1 - z) * s[0] + z * jnp.tanh(a_n + u_n @ (r * s[0])),)
""",
}
_SNIPPET = """\
import jax, numpy
{floats}from jax import numpy as jnp
from jax.nn import sigmoid

parameters = {{name: jnp.asarray(array) for name, array in numpy.load(FILE).items()}}

def step(w, s, x):
{step}
def run(p, name, xs, reverse):
    w = {{key.partition(".")[2]: array for key, array in p.items() if key.startswith(name + ".")}}
    start = (jnp.zeros({hidden}, xs.dtype),) * {states}
    return jax.lax.scan(lambda s, x: (new := step(w, s, x), new[0]), start, xs, reverse=reverse)[1]

def one(p, x):
    for layer in range({layers}):
        x = {directions}
    return {features} @ p["head.W"].T + p["head.b"]

def predict(x, p=parameters):
    return jax.vmap(one, (None, 0))(p, x)
"""


def export(model: ModelSpec, parameters: Parameters) -> Exported:
    """The parameters by their canonical names, which are a pytree, and a forward pass in ``jax.lax.scan``."""
    forwards, backwards = 'run(p, f"l{layer}", x, False)', 'run(p, f"l{layer}r", x, True)'
    both = f"jnp.concatenate([{forwards}, {backwards}], -1)"
    ends = f"jnp.concatenate([x[-1, :{model.hidden}], x[0, {model.hidden}:]])" if model.bidirectional else "x[-1]"
    snippet = _SNIPPET.format(
        floats='jax.config.update("jax_enable_x64", True)\n' if parameters["head.b"].dtype == np.float64 else "",
        step=_STEPS[model.cell], hidden=model.hidden, states=2 if model.cell == "lstm" else 1,
        layers=model.layers, directions=both if model.bidirectional else forwards,
        features="x" if model.readout == "every" else ends,
    )  # fmt: skip
    return Exported(dict(parameters), ".npz", snippet, ["JAX has no recurrent layer: the forward pass is written out"])
