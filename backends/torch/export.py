"""The canonical parameters as a ``state_dict`` of PyTorch's own layers. PyTorch itself is not imported here."""

from __future__ import annotations

import numpy as np

from backends.exported import Exported, NoEqual
from backends.job import Cell, ModelSpec, Parameters
from backends.parameters import BIASES, layer_names
from backends.torch.names import HEAD, stock_name

_LAYERS: dict[Cell, str] = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
_SNIPPET = """\
import safetensors.torch, torch
model = torch.nn.Module()
model.rnn = torch.nn.{layer}({inputs}, {hidden}, {layers}, bidirectional={bidirectional}, batch_first=True{dtype})
model.head = torch.nn.Linear({features}, {outputs}{dtype})
model.load_state_dict(safetensors.torch.load_file(FILE))
predict = lambda x: model.head({read})
"""


def export(model: ModelSpec, parameters: Parameters) -> Exported:
    """A ``state_dict`` for a module with the attributes ``rnn`` and ``head``: safetensors, which has no code to run.

    Raises:
        NoEqual: PyTorch has no layer that computes the cell.
    """
    if model.cell not in _LAYERS:
        raise NoEqual(f"torch has no layer for {model.cell}: nn.GRU resets after the recurrent product (cell gru)")
    own = {
        f"head.{HEAD[name]}" if name in HEAD else f"rnn.{stock_name(name)}": array for name, array in parameters.items()
    }
    notes = []
    if len(BIASES[model.cell]) == 1:
        for _, _, prefix in layer_names(model):
            own[f"rnn.{stock_name(f'{prefix}.b_hh')}"] = np.zeros_like(parameters[f"{prefix}.b"])
        notes.append("the cell has one bias, torch adds two: bias_hh is zero")
    final = "[1][0]" if model.cell == "lstm" else "[1]"  # an LSTM's final states are h and c
    every, last = "model.rnn(x)[0]", f"torch.cat(tuple(model.rnn(x){final}[-{model.directions}:]), -1)"
    snippet = _SNIPPET.format(
        layer=_LAYERS[model.cell], inputs=model.inputs, hidden=model.hidden, layers=model.layers,
        bidirectional=model.bidirectional, features=model.features, outputs=model.outputs,
        dtype=", dtype=torch.float64" if parameters["head.b"].dtype == np.float64 else "",
        read=every if model.readout == "every" else last,
    )  # fmt: skip
    return Exported(own, ".safetensors", snippet, notes)
