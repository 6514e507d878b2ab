"""A cell of a user's own: one step, written once over an array namespace, for each framework that has gradients.

It has two functions. ``initial(rng, …)`` draws its parameters in NumPy, so that all frameworks start from the same
numbers. ``step(xp, p, x, state)`` maps parameters by name, inputs x (B, D) and state (B, H) to the next state; where it
has several, ``states`` says how many, and they are a tuple whose first is read out. What is around it (the loop over
time, zeros to start from, the linear readout) is added here and in ``own`` of each backend.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from backends.job import Array, ModelSpec, Parameters
from backends.own import OwnModel, OwnModelError

#: What a step may use of ``xp``, besides operators such as ``@`` and indexing.
NAMES = (
    "tanh", "sigmoid", "relu", "exp", "log", "sqrt", "abs", "maximum", "minimum", "where", "concatenate", "mean",
)  # fmt: skip
State = Any
"""One array (batch, hidden), or a tuple of as many as the cell has states."""
Step = Callable[[Any, Any, State], State]


def is_cell(definition: Any) -> bool:
    """Whether a user's definition is a cell."""
    return all(callable(getattr(definition, name, None)) for name in ("initial", "step"))


def namespace(of: Any, **instead: Any) -> SimpleNamespace:
    """``xp`` of a framework whose module ``of`` has these functions, but for those given."""
    return SimpleNamespace(**{name: instead[name] if name in instead else getattr(of, name) for name in NAMES})


def sigmoid(a: Array) -> Array:
    """The logistic function, which overflows nowhere."""
    return 0.5 * np.tanh(0.5 * a) + 0.5


NUMPY = namespace(np, sigmoid=sigmoid, relu=lambda a: np.maximum(a, 0), mean=lambda a: a.mean(-1, keepdims=True))


def parameters(own: OwnModel, model: ModelSpec) -> Parameters:
    """The cell's own, then the readout's, ``head.W`` (H, outputs) drawn uniformly within ±1/√H and ``head.b`` of zeros.

    Raises:
        OwnModelError: ``initial`` does not give arrays by names that are free.
    """
    rng = np.random.Generator(np.random.Philox(key=[own.seed, 0x0CE1]))
    drawn = own.made(own.definition.initial, model, rng)
    if not isinstance(drawn, dict) or not all(isinstance(name, str) and name.isidentifier() for name in drawn):
        raise OwnModelError(f"initial of {own.name} is to return a dict of arrays by name, as {{'W': …, 'b': …}}")
    limit = model.hidden**-0.5
    head = {"head.W": rng.uniform(-limit, limit, (model.hidden, model.outputs)), "head.b": np.zeros(model.outputs)}
    return {name: np.asarray(array, np.float64) for name, array in {**drawn, **head}.items()}


def start(own: OwnModel, zeros: Callable[[], Any]) -> State:
    """The state before the first step."""
    count = getattr(own.definition, "states", 1)
    return zeros() if count == 1 else tuple(zeros() for _ in range(count))


def read(state: State) -> Any:
    """Of a state, what is read out."""
    return state[0] if isinstance(state, tuple) else state


def stepped(own: OwnModel, xp: SimpleNamespace, p: Any, x: Any, state: State) -> State:
    """The next state. Raises OwnModelError where it is of another kind than the state before."""
    new = own.definition.step(xp, p, x, state)
    olds, news = ([*each] if isinstance(each, tuple) else [each] for each in (state, new))
    shapes = [[tuple(getattr(each, "shape", ())) for each in each_of] for each_of in (olds, news)]
    if shapes[0] != shapes[1] or isinstance(state, tuple) != isinstance(new, tuple):
        said, wanted = (", ".join(map(str, found)) for found in reversed(shapes))
        raise OwnModelError(f"step of {own.name} returned a state of shape {said}; wanted is that before it, {wanted}")
    return new


def reference(own: OwnModel, model: ModelSpec) -> Callable[[Parameters, Array], Array]:
    """The outputs of every step in float64 NumPy, from the same step."""

    def outputs(p: Parameters, x: Array) -> Array:
        state, hs = start(own, lambda: np.zeros((len(x), model.hidden))), []
        for x_t in x.swapaxes(0, 1):
            state = stepped(own, NUMPY, p, x_t, state)
            hs.append(read(state))
        found: Array = np.stack(hs, 1) @ p["head.W"] + p["head.b"]
        return found

    return outputs
