"""A user's own cell in NumPy, by its own backward pass, on the training step of ``backends.numpy.trainer``."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from backends import own_cell
from backends.job import Array, Job, Parameters
from backends.numpy.network import Network
from backends.numpy.trainer import Built, NumpyTrainer
from backends.own import OwnModel
from backends.variants import Entry


class OwnLayer:
    """The cell in a loop over time, as ``backends.numpy.layers.Layer``. Of a step it keeps what went into it."""

    def __init__(self, own: OwnModel, hidden: int, xp: Any, p: Parameters, grads: Parameters, length: int, batch: int):
        del xp  # NumPy: an own cell has no other device
        self.own, self.p, self.grads, self.shape = own, p, grads, (batch, hidden)
        self.dtype = next(iter(p.values())).dtype
        self.hs = np.empty((length, batch, hidden), self.dtype)
        self.checked = False  # shapes do not change from update to update, and looking at them takes time

    def zeros(self) -> Array:
        """One state's, before the first step."""
        return np.zeros(self.shape, self.dtype)

    def forward(self, x: Array) -> Array:
        """Hidden states (T, B, H) for x (T, B, D), from a zero state. A view: valid until the next call."""
        state = own_cell.start(self.own, self.zeros)
        self.x, self.states = x, [state]
        for t, x_t in enumerate(x):
            state = own_cell.stepped(self.own, own_cell.NUMPY, self.p, x_t, state)
            self.states.append(state)
            self.hs[t] = own_cell.read(state)
        return self.hs

    def predict(self, x: Array, end_alone: bool) -> Array:
        """The same, or with ``end_alone`` the last state (1, B, H); nothing is kept of a step."""
        state = own_cell.start(self.own, self.zeros)
        for t, x_t in enumerate(x):
            state = own_cell.stepped(self.own, own_cell.NUMPY, self.p, x_t, state)
            self.hs[t] = own_cell.read(state)
        return self.hs[-1:] if end_alone else self.hs

    def backward(self, d_hs: Array, d_x_wanted: bool) -> Array | None:
        """Fill ``grads`` from the gradients of the hidden states (T, B, H); return that of x (T, B, D) if wanted."""
        for grad in self.grads.values():
            grad[:] = 0
        d_state, d_xs = own_cell.start(self.own, self.zeros), []
        back = partial(own_cell.stepped_back, self.own)
        if self.checked:
            back = partial(self.own.definition.backward, own_cell.NUMPY)
        for x_t, state, d_h in zip(self.x[::-1], self.states[-2::-1], d_hs[::-1], strict=True):
            d_state = (d_state[0] + d_h, *d_state[1:]) if isinstance(d_state, tuple) else d_state + d_h
            grads, d_x, d_state = back(self.p, x_t, state, d_state)
            for name, grad in self.grads.items():
                grad += grads[name]
            d_xs += [d_x] if d_x_wanted else []
        self.checked = True
        return np.stack(d_xs[::-1]) if d_x_wanted else None


class OwnTrainer(NumpyTrainer):
    """Trains a user's own cell; its parameters go by the cell's names. ``Network`` has the readout and the losses."""

    def __init__(self, job: Job, parameters: Parameters, entry: Entry) -> None:
        assert job.own is not None
        self.own = job.own
        super().__init__(job, parameters or own_cell.parameters(job.own, job.model), entry)

    def loop(self) -> str:
        """What ``executed`` says of the loop over time."""
        return f"Python loop of {self.own.name}"

    def _built(self, entry: Entry) -> Built:
        kind = partial(OwnLayer, self.own, self.job.model.hidden)

        def network(job: Job, p: Parameters, grads: Parameters) -> Network:
            return Network(np, kind, job, _as_a_cells(p), _as_a_cells(grads))

        return network

    def _shapes(self, parameters: Parameters) -> dict[str, tuple[int, ...]]:
        return {name: array.shape for name, array in parameters.items()}


def _as_a_cells(p: Parameters) -> Parameters:
    """Views of the parameters under the names, and the readout in the layout, that a cell of the harness has."""
    named = {name if name.startswith("head.") else f"l0.{name}": array for name, array in p.items()}
    return {**named, "head.W": p["head.W"].T}
