"""The canonical parameters as the list of weights of a Keras model. Keras itself is not imported here."""

from __future__ import annotations

import numpy as np

from backends.exported import Exported
from backends.job import Array, Cell, ModelSpec, Parameters
from backends.keras_layout import to_keras
from backends.parameters import layer, layer_names

_LAYERS: dict[Cell, str] = {"rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU", "gru-reset-before": "GRU"}
_SNIPPET = """\
import keras, numpy
from keras import layers
{floats}model = keras.Sequential([
    keras.Input((None, {inputs})),
{layers}
    layers.Dense({outputs}),
])
weights = numpy.load(FILE)
model.set_weights([weights[name] for name in weights.files])
predict = model
"""


def export(model: ModelSpec, parameters: Parameters) -> Exported:
    """The weights of ``keras.Sequential`` with a layer for each of the model's, and ``Dense``, as ``set_weights`` has
    them: of each layer and direction kernel, recurrent kernel and bias, the gates in Keras's order.
    """
    own: list[Array] = []
    for _, _, prefix in layer_names(model):
        own += to_keras(model.cell, layer(parameters, prefix))
    own += [parameters["head.W"].T, parameters["head.b"]]
    wide = parameters["head.b"].dtype == np.float64
    snippet = _SNIPPET.format(
        floats='keras.config.set_floatx("float64")\n' if wide else "", inputs=model.inputs, outputs=model.outputs,
        layers="\n".join(_layer(model, index) for index in range(model.layers)),
    )  # fmt: skip
    order = "the gates stand in Keras's order: z, r, n"
    notes = {"gru": order, "gru-reset-before": f"{order}; z has the other sign, because there it keeps the old state"}
    arrays = {f"w{index:03}": np.ascontiguousarray(array) for index, array in enumerate(own)}
    return Exported(arrays, ".npz", snippet, [notes[model.cell]] if model.cell in notes else [])


def _layer(model: ModelSpec, index: int) -> str:
    """One layer in Keras's words; all but the last hand on every step."""
    words = [str(model.hidden)]
    if model.cell == "gru-reset-before":
        words.append("reset_after=False")
    if model.readout == "every" or index < model.layers - 1:
        words.append("return_sequences=True")
    stated = f"layers.{_LAYERS[model.cell]}({', '.join(words)})"
    return f"    layers.Bidirectional({stated})," if model.bidirectional else f"    {stated},"
