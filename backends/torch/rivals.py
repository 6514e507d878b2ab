"""What people use on PyTorch besides its stock layers, inside the one training step: nothing is hoisted or tuned here.

``torch.compile`` around a stock layer, a loop of ``nn.LSTMCell`` and its kin, and Keras's layers on PyTorch, each as
its own documentation shows it. Keras is imported when its layers are made, as it may not be installed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from backends.job import Cell, ModelSpec, Parameters
from backends.keras_layout import from_keras, keras_layer, to_keras
from backends.parameters import BIASES, layer, layer_names
from backends.torch.inductor import compilations, in_compiled
from backends.torch.layers import Between, LoopLayers, StockLayers
from backends.torch.names import cell_name
from backends.torch.network import Network
from backends.torch.trainer import TorchTrainer, memory_kept
from backends.variants import Entry
from tasks.base import Batch

CELLS: dict[Cell, type[nn.Module]] = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}

#: A Keras layer's arrays, in the order of ``keras_layout``.
KERAS_ARRAYS = ("kernel", "recurrent_kernel", "bias")


class CompiledStockLayers(StockLayers):
    """``torch.compile`` around each ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``, with its default settings."""

    def __init__(self, model: ModelSpec, apart: bool = False) -> None:
        super().__init__(model, apart)
        self.calls = [torch.compile(rnn) for rnn in self.rnns]


class CompiledStockTrainer(TorchTrainer):
    """A trainer that says whether the compiler left the recurrence to a stock operator outside its graphs."""

    def executed(self, batch: Batch) -> str:
        """As ``Trainer.executed``, with whether a compiled graph ran.

        With PyTorch 2.13 none does: its tracer takes no ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU`` by default, and calls
        each as it is. With ``torch._dynamo.config.allow_rnn``, an experiment, a compiled LSTM fails on the CPU.
        """
        ran = self._ran(batch)
        graph = "in a" if in_compiled(ran) else "no"
        return f"{self._recurrence(ran)}, {graph} graph of TorchInductor{memory_kept()}"

    def compilations(self) -> int:
        """How many graphs have been compiled in this process, shapes and precisions counted apart."""
        return compilations()


class CellLayers(LoopLayers):
    """A loop of ``nn.RNNCell``, ``nn.LSTMCell`` or ``nn.GRUCell``: one call per step, its input projection in it."""

    def __init__(self, model: ModelSpec, apart: bool = False) -> None:
        del apart  # they always are
        nn.Module.__init__(self)
        self.model = model
        self.cells = nn.ModuleDict(
            {
                prefix: CELLS[model.cell](model.width_into(index), model.hidden)
                for index, _, prefix in layer_names(model)
            }
        )
        if len(BIASES[model.cell]) == 1:  # torch sums two biases; the canonical cell has one
            for cell in self.cells.values():
                cast("Any", cell).bias_hh.requires_grad_(False).zero_()

    def own_name(self, name: str) -> str:
        """As ``StockLayers.own_name``."""
        return f"cells.{name.partition('.')[0]}.{cell_name(name)}"

    def layer(self, prefix: str, x: Tensor, end_alone: bool = False) -> Tensor:
        """As ``LoopLayers.layer``; all states, whatever is read of them, as people write it."""
        del end_alone
        cell: Any = self.cells[prefix]
        if x.dtype == cell.weight_ih.dtype:
            return self.states(cell, x)
        with torch.autocast(x.device.type, x.dtype):  # as a user would
            return self.states(cell, x)

    def states(self, cell: Any, x: Tensor) -> Tensor:
        """Step by step; the LSTM's state is two tensors, of which the hidden state is the first."""
        state, hs = None, []
        for x_t in x:
            state = cell(x_t, state)
            hs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(hs)


class KerasLayers(nn.Module):
    """``SimpleRNN``, ``LSTM`` or ``GRU`` of Keras on PyTorch, one for each layer and direction.

    Args:
        policy: the types in which Keras computes and keeps its weights, in its own words.
    """

    def __init__(self, model: ModelSpec, apart: bool = False, *, policy: str) -> None:
        super().__init__()
        del apart  # they always are
        import keras

        self.model, self.scope = model, keras.device
        self.layers = nn.ModuleDict()
        with self.scope("cpu"):
            for index, _, prefix in layer_names(model):
                made = keras_layer(model.cell, model.hidden, return_sequences=True, dtype=policy)
                made.build((None, None, model.width_into(index)))
                self.layers[prefix] = made

    def arrays(self, prefix: str) -> dict[str, Tensor]:
        """The trainable tensors of one layer in one direction, by Keras's names."""
        values = [variable.value for variable in cast("Any", self.layers[prefix]).trainable_variables]
        return dict(zip(KERAS_ARRAYS, values, strict=True))

    def forward(self, x: Tensor, lengths: Tensor | None = None, between: Between | None = None) -> Tensor:
        """Hidden states (T, B, features), layer by layer.

        With lengths, under a mask: where it is False Keras keeps the state, so that reading in reverse begins at each
        sequence's own last step.
        """
        below, directions = x.transpose(0, 1), list[Tensor]()
        steps = torch.arange(len(x), device=x.device)
        masked = {} if lengths is None else {"mask": steps < lengths.to(x.device)[:, None]}
        with self.scope(x.device.type):
            for index, backward, prefix in layer_names(self.model):
                if not backward and directions:
                    below, directions = torch.cat(directions, dim=2), []
                    if between:
                        below = between(index - 1, below.transpose(0, 1)).transpose(0, 1)
                run = self.layers[prefix]
                if backward:
                    hs = run(below.flip(1), **{name: mask.flip(1) for name, mask in masked.items()}).flip(1)
                else:
                    hs = run(below, **masked)
                directions.append(hs)
        return torch.cat(directions, dim=2).transpose(0, 1)


class KerasTrainer(TorchTrainer):
    """The eager training step, its parameters as Keras's layers keep them."""

    def _layers(self, entry: Entry) -> Callable[[ModelSpec, bool], nn.Module]:
        computes, keeps = self.job.layer_dtype, self.job.dtype
        policy = computes if computes == keeps else f"mixed_{computes}"
        return partial(entry.load_layers(), policy=policy)

    def _named(self) -> dict[str, Tensor]:
        network = cast(Network, self.network)
        found = {
            f"{prefix}.{name}": tensor
            for _, _, prefix in layer_names(self.job.model)
            for name, tensor in network.layers.arrays(prefix).items()
        }
        return found | {"head.W": network.head.weight, "head.b": network.head.bias}

    def _loaded(self, parameters: Parameters) -> Parameters:
        found: Parameters = {}
        for _, _, prefix in layer_names(self.job.model):
            own = to_keras(self.job.model.cell, layer(parameters, prefix))
            found |= {f"{prefix}.{name}": array for name, array in zip(KERAS_ARRAYS, own, strict=True)}
        return found | {name: parameters[name] for name in ("head.W", "head.b")}

    def parameters(self) -> Parameters:
        """As ``Trainer.parameters``, from each layer's own layout."""
        own, found = super().parameters(), Parameters()
        for _, _, prefix in layer_names(self.job.model):
            arrays = from_keras(self.job.model.cell, [own[f"{prefix}.{name}"] for name in KERAS_ARRAYS])
            found |= {f"{prefix}.{name}": array for name, array in arrays.items()}
        return found | {name: own[name] for name in ("head.W", "head.b")}
