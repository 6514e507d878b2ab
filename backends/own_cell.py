"""A cell of a user's own: one step, written once over an array namespace, for every framework.

It has two functions. ``initial(rng, …)`` draws its parameters in NumPy, so that all frameworks start from the same
numbers. ``step(xp, p, x, state)`` maps parameters by name, inputs x (B, D) and state (B, H) to the next state; where it
has several, ``states`` says how many, and they are a tuple whose first is read out. What is around it (the loop over
time, zeros to start from, the linear readout) is added here and in ``own`` of each backend.

NumPy has no gradients: it trains a cell that brings its backward pass as a third function, ``backward(xp, p, x, state,
d_state)``, from the gradient with respect to the next state to those with respect to the parameters (by name), to x and
to the state. ``gradients_apart`` holds it to finite differences of the step.
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
#: Random directions in which a gradient is compared with differences, for each array.
DIRECTIONS = 4
#: Steps of the central differences. The first serves, unless a kink (of relu, abs, maximum, where) lies so near.
EPSILONS = (1e-5, 1e-6, 1e-7)
#: Relative. In float64 the differences themselves are off by 1e-9 or so; a wrong sign or index by 1e-2 or more.
GRADIENT_TOLERANCE = 1e-5
#: What x is called among them: no parameter can have such a name.
INPUT = "the input"
#: Below this the derivatives of an array count as small: their differences are mostly rounding.
SMALL = 1e-4


def is_cell(definition: Any) -> bool:
    """Whether a user's definition is a cell."""
    return all(callable(getattr(definition, name, None)) for name in ("initial", "step"))


def has_backward(definition: Any) -> bool:
    """Whether a cell brings its backward pass."""
    return callable(getattr(definition, "backward", None))


def why_no_gradients(name: str) -> str:
    """Why a backend without differentiation of its own does not train the cell ``name``, and what to add."""
    return (
        f"NumPy has no gradients of its own, and {name} brings no backward pass: add a function backward(xp, p, x, "
        "state, d_state) that returns the gradients of p (a dict), of x and of the state (docs/extending.md shows one)"
    )


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


Gradients = tuple[Parameters, Array, State]
"""With respect to the cell's parameters by name, to x (B, D) and to the state before the step."""


def stepped_back(own: OwnModel, p: Parameters, x: Array, state: State, d_state: State) -> Gradients:
    """What ``backward`` of a cell gives in NumPy for the gradient ``d_state`` with respect to the step's new state.

    Raises:
        OwnModelError: it gives something else, lacks a parameter's gradient, or gives one of another shape.
    """
    given = own.definition.backward(NUMPY, p, x, state, d_state)
    if not (isinstance(given, tuple) and len(given) == 3 and isinstance(given[0], dict)):
        raise OwnModelError(
            f"backward of {own.name} is to return three things: a dict of the parameters' gradients, that of x and "
            "that of the state"
        )
    found, wanted = _named(own, given[0], *given[1:]), _named(own, p, x, state)
    for name, array in wanted.items():
        if name not in found:
            raise OwnModelError(f"backward of {own.name} gives no gradient of {name}")
        if np.shape(found[name]) != array.shape:
            raise OwnModelError(
                f"backward of {own.name} gives a gradient of {name} of shape {np.shape(found[name])}; wanted is its "
                f"own, {array.shape}"
            )
    return given


def _named(own: OwnModel, p: Parameters, x: Any, state: Any) -> dict[str, Any]:
    """All that goes into a step by its name, or the gradients with respect to it."""
    states = _states(state)
    of = ["the state"] if len(states) == 1 else [f"state {number}" for number in range(1, len(states) + 1)]
    return {**{name: array for name, array in p.items() if not name.startswith("head.")}, INPUT: x,
            **dict(zip(of, states, strict=True))}  # fmt: skip


def gradients_apart(own: OwnModel, hidden: int, p: Parameters, x: Array) -> dict[str, float]:
    """How far the gradients by ``backward`` are from central differences of the same step in float64, relatively.

    Of a randomly weighted sum of the new state's elements, in ``DIRECTIONS`` random directions of each array:
    ‖ours − differences‖ / ‖differences‖ over the directions. The step is the last one on x from a zero state, so that
    nothing comes in that the cell does not see in training.

    Args:
        hidden: the width of a state.
        p: the parameters; those of the readout are not looked at. Float64, as x.
        x: inputs (B, T, D), T at least 1.

    Returns:
        By parameter, then ``INPUT``, then each state.

    Raises:
        OwnModelError: as ``stepped`` and ``stepped_back``.
    """
    p = {name: array for name, array in p.items() if not name.startswith("head.")}
    rng = np.random.default_rng(0)
    *earlier, x_t = x.swapaxes(0, 1)
    state = start(own, lambda: np.zeros((len(x), hidden)))
    for each in earlier:
        state = stepped(own, NUMPY, p, each, state)
    weights = start(own, lambda: rng.standard_normal((len(x), hidden)))
    at, found = _named(own, p, x_t, state), _named(own, *stepped_back(own, p, x_t, state, weights))

    def value(name: str, array: Array) -> float:
        moved = {**at, name: array}
        states = [moved[each] for each in moved if each not in p and each != INPUT]
        new = stepped(own, NUMPY, {each: moved[each] for each in p}, moved[INPUT],
                      tuple(states) if isinstance(state, tuple) else states[0])  # fmt: skip
        return float(sum((w * s).sum() for w, s in zip(_states(weights), _states(new), strict=True)))

    def along(name: str, way: Array) -> tuple[float, float]:
        ours, nearest = float((found[name] * way).sum()), np.inf
        for epsilon in EPSILONS:
            ends = [value(name, at[name] + side * epsilon * way) for side in (1, -1)]
            nearest = min(nearest, (ends[0] - ends[1]) / (2 * epsilon), key=lambda slope: abs(slope - ours))
            if abs(nearest - ours) <= GRADIENT_TOLERANCE * max(abs(nearest), SMALL):
                break
        return ours, nearest

    apart = {}
    for name, array in at.items():
        ours, slopes = np.array([along(name, rng.standard_normal(array.shape)) for _ in range(DIRECTIONS)]).T
        apart[name] = float(np.linalg.norm(ours - slopes)) / max(float(np.linalg.norm(slopes)), SMALL)
    return apart


def _states(state: State) -> tuple[Any, ...]:
    return state if isinstance(state, tuple) else (state,)
