"""The canonical parameters: one layout and one initialisation, in NumPy, for all frameworks.

Names are ``l0.W_ih``, ``l0.W_hh``, ``l0.b`` for layer 0 forwards, ``l0r.…`` for its backward
direction, and ``head.W``, ``head.b`` for the readout. Shapes follow torch: ``W_ih`` (G·H, D),
``W_hh`` (G·H, H), with the gates' rows in the order

    lstm  i, f, g, o          gru and gru-reset-before  r, z, n          rnn  (one block)

Every cell has one bias ``b`` (G·H,) but ``gru``, which has two, ``b_ih`` and ``b_hh``: its b_hn
stands inside the reset product. (Two summed biases would receive the same gradient twice and
so double their effective step.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from backends.job import Array, Cell, ModelSpec, OptimizerName, Parameters, Precision, host_dtype, layer_dtype

GATES: dict[Cell, int] = {"rnn": 1, "lstm": 4, "gru": 3, "gru-reset-before": 3}
BIASES: dict[Cell, tuple[str, ...]] = {
    "rnn": ("b",),
    "lstm": ("b",),
    "gru": ("b_ih", "b_hh"),
    "gru-reset-before": ("b",),
}

#: Bytes per number.
ITEM = {"float64": 8, "float32": 4, "bfloat16": 2}

Scheme = Literal["orthogonal", "glorot", "uniform", "keras", "torch"]
#: Those that are the default start of a framework, biases included: of all matrices, or of none.
WHOLE: tuple[Scheme, ...] = ("keras", "torch")


@dataclass(frozen=True)
class InitialisationSpec:
    """How the first parameters are drawn.

    Attributes:
        recurrent: scheme of ``W_hh``, gate by gate. ``orthogonal`` (Saxe et al. 2014),
            ``glorot`` uniform ±√(6/(fan_in+fan_out)) (Glorot & Bengio 2010), or ``uniform``
            ±1/√H. ``keras`` and ``torch`` are the starts that these frameworks give by default,
            of the same distribution, drawn by this project's generator. Keras: ``W_hh`` orthogonal
            and ``W_ih`` Glorot as whole matrices, not gate by gate; biases zero but the forget
            gate's. torch: every weight and bias uniform ±1/√H, the readout ±1/√(its inputs);
            where torch has two biases and the cell here one, it is their sum.
        input: scheme of ``W_ih``, gate by gate, and of ``head.W``; ``keras`` or ``torch`` where
            ``recurrent`` is.
        forget_bias: initial bias of the LSTM's forget gate (Jozefowicz et al. 2015), in torch's
            start added to what is drawn. In a GRU, which has none, it has no effect.
        chrono: T_max of the chrono initialisation (Tallec & Ollivier 2018), or None. LSTM:
            b_f ~ log U[1, T_max−1], b_i = −b_f. GRU: the same draw on the update gate's bias,
            with the sign that keeps the state. It replaces ``forget_bias``.
    """

    recurrent: Scheme = "orthogonal"
    input: Scheme = "glorot"
    forget_bias: float = 1.0
    chrono: int | None = None


def layer_names(model: ModelSpec) -> Iterator[tuple[int, bool, str]]:
    """(layer, is it the backward direction, name prefix) in canonical order."""
    for layer in range(model.layers):
        yield layer, False, f"l{layer}"
        if model.bidirectional:
            yield layer, True, f"l{layer}r"


def layer(parameters: Parameters, prefix: str) -> Parameters:
    """The arrays of one layer and direction, without their prefix."""
    return {name.removeprefix(prefix + "."): p for name, p in parameters.items() if name.startswith(prefix + ".")}


def shapes(model: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter, in canonical order."""
    rows = GATES[model.cell] * model.hidden
    found: dict[str, tuple[int, ...]] = {}
    for index, _, prefix in layer_names(model):
        found[f"{prefix}.W_ih"] = (rows, model.width_into(index))
        found[f"{prefix}.W_hh"] = (rows, model.hidden)
        found.update({f"{prefix}.{bias}": (rows,) for bias in BIASES[model.cell]})
    found["head.W"] = (model.outputs, model.features)
    found["head.b"] = (model.outputs,)
    return found


def count(model: ModelSpec) -> int:
    """Number of trainable parameters."""
    return sum(math.prod(shape) for shape in shapes(model).values())


def flops_per_step(model: ModelSpec, batch: int, length: int) -> int:
    """Floating-point operations of one training step's matrix products (a multiply-add is two).

    Per layer and direction 6·G·T·B·H·(D+H): forward 2, gradients of input and weights 2 each;
    less 2·G·T·B·H·D in the first layer, whose input needs no gradient. The readout likewise.
    """
    without_gradient = 2 * GATES[model.cell] * batch * length * model.hidden * model.inputs * model.directions
    return 3 * flops_of_prediction(model, batch, length) - without_gradient


def flops_of_prediction(model: ModelSpec, batch: int, length: int) -> int:
    """The same of a forward pass alone: per layer and direction 2·G·T·B·H·(D+H), and the readout likewise."""
    total = sum(
        2 * GATES[model.cell] * batch * length * model.hidden * (model.width_into(index) + model.hidden)
        for index, _, _ in layer_names(model)
    )
    readouts = batch * (length if model.readout == "every" else 1)
    return total + 2 * readouts * model.features * model.outputs


def bytes_per_step(model: ModelSpec, batch: int, length: int, precision: Precision, optimizer: OptimizerName) -> int:
    """The fewest bytes that one training step moves to and from memory: a lower bound, as if caches held the rest.

    Every parameter is read and written once, its gradient written and read once, and so is each of
    the optimizer's moments (Adam and AdamW two, RMSprop one). The input is read once. Per layer, direction
    and time step, the forward pass writes the hidden state, the gates and the LSTM's cell state, and the
    backward pass reads them; these alone are narrower in bfloat16.
    """
    moments = {"adam": 2, "adamw": 2, "rmsprop": 1, "sgd": 0}[optimizer]
    states = 1 + GATES[model.cell] + (model.cell == "lstm")
    layers = model.layers * model.directions
    kept = 2 * (2 + moments) * count(model) + batch * length * model.inputs
    computed = batch * length * 2 * states * model.hidden * layers
    return kept * ITEM[host_dtype(precision)] + computed * ITEM[layer_dtype(precision)]


def bytes_of_prediction(model: ModelSpec, batch: int, length: int, precision: Precision) -> int:
    """The same of a forward pass alone: every parameter and the inputs are read once, the outputs written once."""
    readouts = batch * (length if model.readout == "every" else 1)
    moved = count(model) + batch * length * model.inputs + readouts * model.outputs
    return moved * ITEM[host_dtype(precision)]


def dependent_steps(model: ModelSpec, length: int) -> int:
    """Time steps of one update that must follow one another at the least: those of a prediction, and as many back."""
    return 2 * dependent_steps_of_prediction(model, length)


def dependent_steps_of_prediction(model: ModelSpec, length: int) -> int:
    """Time steps of one forward pass that must follow one another at the least.

    A unidirectional layer needs only the steps so far of the layer below: a stack of L layers is L − 1 steps longer
    than one layer, not L times as long. A bidirectional layer needs all of the layer below; its two directions are
    independent of each other.
    """
    return length * model.layers if model.bidirectional else length + model.layers - 1


def _draw(scheme: Scheme, rng: np.random.Generator, rows: int, columns: int, hidden: int) -> Array:
    if scheme == "orthogonal":
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))
        return q if rows >= columns else q.T
    limit = np.sqrt(6 / (rows + columns)) if scheme == "glorot" else 1 / np.sqrt(hidden)
    return rng.uniform(-limit, limit, (rows, columns))


def initial(model: ModelSpec, spec: InitialisationSpec, seed: int) -> Parameters:
    """The first parameters of a run, float64: the same bits whatever trains them."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 0x1217]))
    if spec.recurrent == "keras":
        return _as_keras(model, spec, rng)
    if spec.recurrent == "torch":
        return _as_torch(model, spec, rng)
    hidden, gates = model.hidden, GATES[model.cell]
    parameters = {name: np.zeros(shape) for name, shape in shapes(model).items()}
    for index, _, prefix in layer_names(model):
        for gate in range(gates):
            rows = slice(gate * hidden, (gate + 1) * hidden)
            width = model.width_into(index)
            parameters[f"{prefix}.W_ih"][rows] = _draw(spec.input, rng, hidden, width, hidden)
            parameters[f"{prefix}.W_hh"][rows] = _draw(spec.recurrent, rng, hidden, hidden, hidden)
        _set_biases(parameters, prefix, model, spec, rng)
    parameters["head.W"][:] = _draw(spec.input, rng, model.outputs, model.features, hidden)
    return parameters


def _as_keras(model: ModelSpec, spec: InitialisationSpec, rng: np.random.Generator) -> Parameters:
    """Keras 3: ``glorot_uniform``, ``orthogonal``, zeros, ``unit_forget_bias``; of its Dense, ``glorot_uniform``."""
    parameters = {name: np.zeros(shape) for name, shape in shapes(model).items()}
    for name, array in parameters.items():
        if array.ndim == 2:
            rows, columns = array.shape
            scheme: Scheme = "orthogonal" if name.endswith("W_hh") else "glorot"
            array[:] = _draw(scheme, rng, rows, columns, model.hidden)
    for _, _, prefix in layer_names(model):
        _set_biases(parameters, prefix, model, spec, rng)
    return parameters


def _as_torch(model: ModelSpec, spec: InitialisationSpec, rng: np.random.Generator) -> Parameters:
    """torch: ``RNNBase.reset_parameters``, and ``Linear.reset_parameters`` of the readout."""
    parameters: Parameters = {}
    for name, shape in shapes(model).items():
        fan_in = model.features if name.startswith("head") else model.hidden
        summed = 2 if name.endswith(".b") and not name.startswith("head") else 1
        parameters[name] = sum((_uniform(rng, shape, fan_in) for _ in range(summed)), np.zeros(shape))
        if name.endswith(".b") and summed == 2 and model.cell == "lstm":
            parameters[name][model.hidden : 2 * model.hidden] += spec.forget_bias
    return parameters


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> Array:
    limit = 1 / np.sqrt(fan_in)
    return rng.uniform(-limit, limit, shape)


def _set_biases(
    parameters: Parameters, prefix: str, model: ModelSpec, spec: InitialisationSpec, rng: np.random.Generator
) -> None:
    bias = parameters[f"{prefix}.{BIASES[model.cell][0]}"]
    first, second = slice(0, model.hidden), slice(model.hidden, 2 * model.hidden)
    remember = np.log(rng.uniform(1, spec.chrono - 1, model.hidden)) if spec.chrono else None
    if model.cell == "lstm":
        bias[second] = spec.forget_bias if remember is None else remember
        bias[first] = 0.0 if remember is None else -remember
    elif remember is not None and model.cell == "gru":
        bias[second] = remember
    elif remember is not None and model.cell == "gru-reset-before":
        bias[second] = -remember  # here z lets the new state in
