"""The canonical parameters as an ONNX model, which ONNX Runtime and others run without any framework."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backends.exported import Exported
from backends.job import Array, Cell, ModelSpec, Parameters
from backends.parameters import BIASES, layer, layer_names

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

#: The operators' version: the latest that changed RNN, LSTM and GRU, and the file format's of its time.
OPSET, FORMAT = 22, 10
_OPERATORS: dict[Cell, str] = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU", "gru-reset-before": "GRU"}
#: Where ONNX has each of our gates: i, o, f, c for i, f, g, o; and z, r, h for r, z, n.
_ORDER: dict[Cell, tuple[int, ...]] = {
    "rnn": (0,),
    "lstm": (0, 3, 1, 2),
    "gru": (1, 0, 2),
    "gru-reset-before": (1, 0, 2),
}
_SNIPPET = """\
import onnxruntime
session = onnxruntime.InferenceSession(FILE)
predict = lambda x: session.run(None, {"x": x.astype("float32")})[0]
"""


def export(model: ModelSpec, parameters: Parameters) -> Exported:
    """A model with the input ``x`` (batch, length, inputs) and the output ``y``, in float32.

    Raises:
        ImportError: the library ``onnx`` is not installed.
    """
    notes = []
    if parameters["head.b"].dtype != np.float32:
        notes.append("ONNX Runtime computes recurrences in float32: the parameters are rounded to it")
    if model.cell == "gru-reset-before":
        notes.append("z has the other sign, because there it keeps the old state")
    content = _model(model, {name: each.astype(np.float32) for name, each in parameters.items()}).SerializeToString()
    return Exported({}, ".onnx", _SNIPPET, notes, content)


def _model(model: ModelSpec, p: Parameters) -> ModelProto:
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes: list[NodeProto] = []
    constants: dict[str, Array] = {}

    def node(operator: str, inputs: Sequence[str], output: str, more: Sequence[str] = (), **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output, *more], **attributes))
        return output

    def constant(name: str, value: Array) -> str:
        constants[name] = value
        return name

    keep, joined = np.array([0, 0, -1], np.int64), np.array([0, -1], np.int64)  # 0 keeps an axis as it is
    hs, final = node("Transpose", ["x"], "time-major", perm=[1, 0, 2]), ""
    for index in range(model.layers):
        prefixes = [prefix for each, _, prefix in layer_names(model) if each == index]
        directions = [_weights(model.cell, layer(p, prefix)) for prefix in prefixes]
        named = [
            constant(f"l{index}.{name}", np.stack([each[place] for each in directions]))
            for place, name in enumerate(("W", "R", "B"))
        ]
        own = {"linear_before_reset": int(model.cell == "gru")} if _OPERATORS[model.cell] == "GRU" else {}
        final = f"l{index}.final"
        states = node(
            _OPERATORS[model.cell], [hs, *named], f"l{index}.states", [final], hidden_size=model.hidden,
            direction="bidirectional" if model.bidirectional else "forward", **own,
        )  # fmt: skip
        # (T, directions, B, H) to (T, B, directions · H)
        hs = node("Transpose", [states], f"l{index}.beside", perm=[0, 2, 1, 3])
        hs = node("Reshape", [hs, constant(f"l{index}.shape", keep)], f"l{index}.out")
    if model.readout == "every":
        features = node("Transpose", [hs], "features", perm=[1, 0, 2])
    else:
        beside = node("Transpose", [final], "final", perm=[1, 0, 2])
        features = node("Reshape", [beside, constant("final.shape", joined)], "features")
    product = node("MatMul", [features, constant("head.W", np.ascontiguousarray(p["head.W"].T))], "product")
    node("Add", [product, constant("head.b", p["head.b"])], "y")
    every = ["length"] if model.readout == "every" else []
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "harness",
        [value("x", TensorProto.FLOAT, ["batch", "length", model.inputs])],
        [value("y", TensorProto.FLOAT, ["batch", *every, model.outputs])],
        [numpy_helper.from_array(each, name) for name, each in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT)
    checker.check_model(made, full_check=True)
    return made


def _weights(cell: Cell, p: Parameters) -> tuple[Array, Array, Array]:
    """One layer's input and recurrent weights, and both biases one behind the other, in ONNX's order of gates."""
    order, H = _ORDER[cell], p["W_hh"].shape[1]

    def reordered(name: str) -> Array:
        gates = np.split(p[name], len(order))
        if cell == "gru-reset-before":
            gates[1] = -gates[1]  # z, which there keeps the old state: σ(−a) = 1 − σ(a)
        return np.concatenate([gates[place] for place in order])

    biases = [reordered(name) for name in BIASES[cell]]
    if len(biases) == 1:
        biases.append(np.zeros(len(order) * H, np.float32))
    return reordered("W_ih"), reordered("W_hh"), np.concatenate(biases)
