"""Recurrent layers, linear readout and loss, with the backward pass through all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from backends import ctc
from backends.job import Array, Job, Parameters, kept_scale
from backends.parameters import layer, layer_names


class Recurrent(Protocol):
    """One layer in one direction, as ``Layer`` is."""

    def forward(self, x: Array) -> Array:
        """Hidden states (T, B, H) for x (T, B, D), from a zero state. A view: valid until the next call."""

    def predict(self, x: Array, end_alone: bool) -> Array:
        """As ``forward``, with no backward pass to follow; with ``end_alone`` the last state suffices, as (1, B, H)."""

    def backward(self, d_hs: Array, d_x_wanted: bool) -> Array | None:
        """Fill the gradients from those of the hidden states (T, B, H); return that of x (T, B, D) if wanted."""


Kind = Callable[[Any, Parameters, Parameters, int, int], Recurrent]
"""A layer of ``xp``, its parameters and their gradients by their names in it, the length and the batch."""


class Network:
    """The model of a job, time-major.

    Args:
        xp: ``numpy`` or ``cupy``.
        kind: makes the layers that compute the job's cell.
        job: says the model, the loss and the shapes.
        p: the parameters, by their canonical names.
        grads: receives their gradients; same names and shapes.
    """

    def __init__(self, xp: Any, kind: Kind, job: Job, p: Parameters, grads: Parameters) -> None:
        self.xp, self.model, self.loss, self.smoothing = xp, job.model, job.loss, job.label_smoothing
        self.p, self.grads, self.scale = p, grads, kept_scale(job)
        self.layers: list[list[tuple[bool, Recurrent]]] = [[] for _ in range(job.model.layers)]
        for index, backward, prefix in layer_names(job.model):
            built = kind(xp, layer(p, prefix), layer(grads, prefix), job.length, job.batch)
            self.layers[index].append((backward, built))

    def forward(self, x: Array, lengths: Array | None = None, masks: Array | None = None) -> Array:
        """The outputs (B, outputs) or (T, B, outputs) for x (T, B, inputs) and, if lengths vary, lengths (B,).

        ``masks`` (layers - 1, T, B, features) say what is kept between layers, in training with dropout.
        """
        self.masks = masks
        return self._outputs(lambda index, each, below: each.forward(below), x, lengths)

    def predict(self, x: Array, lengths: Array | None = None) -> Array:
        """As ``forward``, keeping nothing for a backward pass."""
        self.masks, top = None, len(self.layers) - 1
        ends_alone = self.model.readout == "last" and lengths is None
        return self._outputs(lambda index, each, below: each.predict(below, ends_alone and index == top), x, lengths)

    def _outputs(self, states: Callable[[int, Recurrent, Array], Array], x: Array, lengths: Array | None) -> Array:
        """The outputs, with ``states`` of each layer and direction, which gets x in the order in which it reads."""
        self.lengths = lengths
        hs = x
        for index, directions in enumerate(self.layers):
            below = self._dropped(hs, index)
            outs = [
                self._in_order(states(index, each, self._in_order(below, backward)), backward)
                for backward, each in directions
            ]
            hs = outs[0] if len(outs) == 1 else self.xp.concatenate(outs, axis=2)
        if self.model.readout == "last":
            H = self.model.hidden
            hs = self.xp.concatenate([hs[*self._ends(), :H], hs[0, :, H:]], axis=1)
        self.features = hs
        out: Array = hs @ self.p["head.W"].T + self.p["head.b"]
        return out

    def loss_and_gradients(self, x: Array, y: Array, lengths: Array | None = None, masks: Array | None = None) -> Array:
        """The mean loss, shape (); fills ``grads``."""
        value, d_out = self._loss(self.forward(x, lengths, masks), y)
        flat = d_out.reshape(-1, self.model.outputs)
        self.xp.matmul(flat.T, self.features.reshape(-1, self.model.features), out=self.grads["head.W"])
        self.xp.sum(flat, axis=0, out=self.grads["head.b"])
        d_hs = self._through_readout(x, d_out @ self.p["head.W"])
        for index in reversed(range(self.model.layers)):
            d_hs = self._backward_layer(index, d_hs)
        return value

    def _backward_layer(self, index: int, d_hs: Array) -> Array:
        H, d_below = self.model.hidden, None
        for number, (backward, each) in enumerate(self.layers[index]):
            half = d_hs[:, :, number * H : (number + 1) * H]
            d_x = each.backward(self._in_order(half, backward), d_x_wanted=index > 0)
            if d_x is not None:
                d_x = self._in_order(d_x, backward)
                d_below = d_x if d_below is None else d_below + d_x
        return d_hs if d_below is None else self._dropped(d_below, index)

    def _dropped(self, hs: Array, index: int) -> Array:
        """What layer ``index`` gets of the outputs of the layer below, or the latter of the former's gradient."""
        return hs if self.masks is None or index == 0 else hs * self.masks[index - 1] * self.scale

    def _through_readout(self, x: Array, d_features: Array) -> Array:
        if self.model.readout == "every":
            return d_features
        H = self.model.hidden
        d_hs: Array = self.xp.zeros((*x.shape[:2], self.model.features), x.dtype)
        d_hs[*self._ends(), :H] = d_features[:, :H]
        d_hs[0, :, H:] += d_features[:, H:]
        return d_hs

    def _loss(self, out: Array, y: Array) -> tuple[Array, Array]:
        """The mean loss and its gradient with respect to the outputs."""
        xp = self.xp
        if self.loss == "ctc":
            loss, d_loss = ctc.loss_and_gradient(out.swapaxes(0, 1), y, self.lengths, xp)  # float64 inside
            return xp.asarray(loss, out.dtype), xp.ascontiguousarray(d_loss.swapaxes(0, 1), out.dtype)
        if self.lengths is not None and self.model.readout == "every":
            return self._loss_within(out, y)
        if self.loss == "mse":
            error = out - y
            return xp.mean(error * error), error * (2 / error.size)
        shifted = out - out.max(axis=-1, keepdims=True)
        exp = xp.exp(shifted)
        total = exp.sum(axis=-1, keepdims=True)
        d_out = exp / total
        flat, rows, classes = d_out.reshape(-1, out.shape[-1]), xp.arange(y.size), y.reshape(-1)
        chosen = shifted.reshape(flat.shape)[rows, classes]
        flat[rows, classes] -= 1 - self.smoothing
        if self.smoothing:
            chosen = (1 - self.smoothing) * chosen + self.smoothing * shifted.reshape(flat.shape).mean(axis=-1)
            flat -= self.smoothing / out.shape[-1]
        d_out *= 1 / y.size
        return xp.mean(xp.log(total[..., 0]).reshape(-1) - chosen), d_out

    def _loss_within(self, out: Array, y: Array) -> tuple[Array, Array]:
        """The same over the positions within each sequence's length; ``share`` is the weight of each in the mean."""
        xp = self.xp
        valid = (xp.arange(len(out))[:, None] < self.lengths)[:, :, None]
        share = (valid / valid.sum()).astype(out.dtype)
        if self.loss == "mse":
            error, share = out - y, share / out.shape[-1]
            return (error * error * share).sum(), 2 * error * share
        shifted = out - out.max(axis=-1, keepdims=True)
        exp = xp.exp(shifted)
        total = exp.sum(axis=-1, keepdims=True)
        target = xp.arange(out.shape[-1]) == y[:, :, None]
        if self.smoothing:
            target = ((1 - self.smoothing) * target + self.smoothing / out.shape[-1]).astype(out.dtype)
        losses = xp.log(total) - (shifted * target).sum(axis=-1, keepdims=True)
        return (losses * share).sum(), (exp / total - target) * share

    def _in_order(self, x: Array, backward: bool) -> Array:
        """x in the order of a direction: reversed in time for the backward one."""
        if not backward:
            return x
        return x[::-1] if self.lengths is None else reverse_within(self.xp, x, self.lengths)

    def _ends(self) -> tuple[Any, Any]:
        """Where in (T, B) each sequence ends."""
        return (-1, slice(None)) if self.lengths is None else (self.lengths - 1, self.xp.arange(len(self.lengths)))


def reverse_within(xp: Any, x: Array, lengths: Array) -> Array:
    """x (T, B, n) with each sequence reversed within its length, padding left in place."""
    t = xp.arange(len(x))[:, None]
    reversed_x: Array = x[xp.where(t < lengths, lengths - 1 - t, t), xp.arange(len(lengths))]
    return reversed_x
