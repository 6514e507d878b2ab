"""The oracle: the cells' equations in float64 NumPy, with their gradients written out.

Slow, short, and what every variant of every backend is tested against. It shares no
arithmetic with ``backends.numpy``. The gradients are checked by finite differences.
Inside, sequences are time-major: x is (T, B, D), a state is (B, H).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from backends import ctc
from backends.job import Array, Cell, Job, ModelSpec, OptimizerSpec, Parameters, checked_masks, micro_batches
from backends.parameters import layer, layer_names
from tasks.base import Batch, Loss, within

State = tuple[Array, ...]
"""The hidden state h first; the LSTM's cell state c second."""


def sigmoid(a: Array) -> Array:
    """σ(a) = 1 / (1 + e⁻ᵃ)."""
    return 1 / (1 + np.exp(-a))


# -- the cells: one step forward, one step backward --------------------------------------------
# A step gives the next state and what the backward step needs. A backward step takes the gradient with respect
# to that next state, adds to ``grads``, and gives the gradients with respect to the input and the state.


def rnn_step(p: Parameters, x: Array, state: State) -> tuple[State, State]:
    """h' = tanh(W x + U h + b)."""
    (h,) = state
    h_next = np.tanh(x @ p["W_ih"].T + h @ p["W_hh"].T + p["b"])
    return (h_next,), (x, h, h_next)


def rnn_backward(p: Parameters, saved: State, d_state: State, grads: Parameters) -> tuple[Array, State]:
    """One backward step of the plain recurrent network."""
    x, h, h_next = saved
    (dh,) = d_state
    da = dh * (1 - h_next**2)
    grads["W_ih"] += da.T @ x
    grads["W_hh"] += da.T @ h
    grads["b"] += da.sum(0)
    return da @ p["W_ih"], (da @ p["W_hh"],)


def lstm_step(p: Parameters, x: Array, state: State) -> tuple[State, State]:
    """c' = f ∘ c + i ∘ g; h' = o ∘ tanh(c')."""
    h, c = state
    a_i, a_f, a_g, a_o = np.split(x @ p["W_ih"].T + h @ p["W_hh"].T + p["b"], 4, axis=1)
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
    c_next = f * c + i * g
    h_next = o * np.tanh(c_next)
    return (h_next, c_next), (x, h, c, i, f, g, o, c_next)


def lstm_backward(p: Parameters, saved: State, d_state: State, grads: Parameters) -> tuple[Array, State]:
    """One backward step of the LSTM."""
    x, h, c, i, f, g, o, c_next = saved
    dh, dc = d_state
    do = dh * np.tanh(c_next)
    dc = dc + dh * o * (1 - np.tanh(c_next) ** 2)
    di, df, dg = dc * g, dc * c, dc * i
    da = np.concatenate([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)], axis=1)
    grads["W_ih"] += da.T @ x
    grads["W_hh"] += da.T @ h
    grads["b"] += da.sum(0)
    return da @ p["W_ih"], (da @ p["W_hh"], dc * f)


def gru_step(p: Parameters, x: Array, state: State) -> tuple[State, State]:
    """Reset after the recurrent product: n = tanh(W_n x + b_n + r ∘ (U_n h + b_hn))."""
    (h,) = state
    x_r, x_z, x_n = np.split(x @ p["W_ih"].T + p["b_ih"], 3, axis=1)
    h_r, h_z, h_n = np.split(h @ p["W_hh"].T + p["b_hh"], 3, axis=1)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    n = np.tanh(x_n + r * h_n)
    h_next = (1 - z) * n + z * h
    return (h_next,), (x, h, r, z, n, h_n)


def gru_backward(p: Parameters, saved: State, d_state: State, grads: Parameters) -> tuple[Array, State]:
    """One backward step of the GRU."""
    x, h, r, z, n, h_n = saved
    (dh,) = d_state
    dz = dh * (h - n) * z * (1 - z)
    dn = dh * (1 - z) * (1 - n**2)
    dr = dn * h_n * r * (1 - r)
    da_x = np.concatenate([dr, dz, dn], axis=1)
    da_h = np.concatenate([dr, dz, dn * r], axis=1)
    grads["W_ih"] += da_x.T @ x
    grads["W_hh"] += da_h.T @ h
    grads["b_ih"] += da_x.sum(0)
    grads["b_hh"] += da_h.sum(0)
    return da_x @ p["W_ih"], (dh * z + da_h @ p["W_hh"],)


def gru_reset_before_step(p: Parameters, x: Array, state: State) -> tuple[State, State]:
    """Reset before the recurrent product: n = tanh(W_n x + b_n + U_n (r ∘ h)); z lets n in."""
    (h,) = state
    u_r, u_z, u_n = np.split(p["W_hh"], 3)
    x_r, x_z, x_n = np.split(x @ p["W_ih"].T + p["b"], 3, axis=1)
    r, z = sigmoid(x_r + h @ u_r.T), sigmoid(x_z + h @ u_z.T)
    n = np.tanh(x_n + (r * h) @ u_n.T)
    h_next = (1 - z) * h + z * n
    return (h_next,), (x, h, r, z, n)


def gru_reset_before_backward(p: Parameters, saved: State, d_state: State, grads: Parameters) -> tuple[Array, State]:
    """One backward step of the GRU that resets before the product."""
    x, h, r, z, n = saved
    (dh,) = d_state
    u_r, u_z, u_n = np.split(p["W_hh"], 3)
    dz = dh * (n - h) * z * (1 - z)
    dn = dh * z * (1 - n**2)
    d_rh = dn @ u_n
    dr = d_rh * h * r * (1 - r)
    da = np.concatenate([dr, dz, dn], axis=1)
    grads["W_ih"] += da.T @ x
    grads["W_hh"] += np.concatenate([dr.T @ h, dz.T @ h, dn.T @ (r * h)])
    grads["b"] += da.sum(0)
    return da @ p["W_ih"], (dh * (1 - z) + d_rh * r + dr @ u_r + dz @ u_z,)


class CellRules(NamedTuple):
    """A cell: the number of arrays in its state, its step and its backward step."""

    states: int
    step: Callable[[Parameters, Array, State], tuple[State, State]]
    backward: Callable[[Parameters, State, State, Parameters], tuple[Array, State]]


CELLS: dict[Cell, CellRules] = {
    "rnn": CellRules(1, rnn_step, rnn_backward),
    "lstm": CellRules(2, lstm_step, lstm_backward),
    "gru": CellRules(1, gru_step, gru_backward),
    "gru-reset-before": CellRules(1, gru_reset_before_step, gru_reset_before_backward),
}


# -- the network ---------------------------------------------------------------------------------


def run_layer(cell: Cell, p: Parameters, xs: Array) -> tuple[Array, list[State]]:
    """Hidden states (T, B, H) of one layer from zero states, and what its backward pass needs."""
    rules = CELLS[cell]
    state: State = tuple(np.zeros((xs.shape[1], p["W_hh"].shape[1])) for _ in range(rules.states))
    hs, saved = [], []
    for x in xs:
        state, kept = rules.step(p, x, state)
        hs.append(state[0])
        saved.append(kept)
    return np.stack(hs), saved


def backward_layer(cell: Cell, p: Parameters, saved: list[State], d_hs: Array) -> tuple[Array, Parameters]:
    """Gradients with respect to the inputs (T, B, D) and the parameters of one layer."""
    rules = CELLS[cell]
    grads = {name: np.zeros_like(array) for name, array in p.items()}
    d_state: State = tuple(np.zeros_like(d_hs[0]) for _ in range(rules.states))
    d_xs = []
    for kept, dh in zip(reversed(saved), reversed(d_hs), strict=True):
        d_x, d_state = rules.backward(p, kept, (d_state[0] + dh, *d_state[1:]), grads)
        d_xs.append(d_x)
    return np.stack(d_xs[::-1]), grads


class Trace(NamedTuple):
    """The model's outputs, the readout's input, and what the backward pass needs of each layer."""

    outputs: Array
    features: Array
    saved: dict[str, list[State]]


def reverse_within(x: Array, lengths: Array | None) -> Array:
    """x (T, B, n) with each sequence reversed within its length, padding left in place. Applied twice, it is x.

    So the backward direction begins at each sequence's own end, and meets the padding last, as the forward one does.
    """
    if lengths is None:
        return x[::-1]
    t = np.arange(len(x))[:, None]
    return np.take_along_axis(x, np.where(t < lengths, lengths - 1 - t, t)[:, :, None], axis=0)


def forward(
    model: ModelSpec, p: Parameters, x: Array, lengths: Array | None = None, kept: Array | None = None
) -> Trace:
    """The model's outputs for x (B, T, D): (B, outputs), or (B, T, outputs) read at every step.

    ``kept`` (layers - 1, T, B, features) are the factors of each layer's outputs on their way to the next; see
    ``factors``. Without it nothing is dropped.

    No step past a sequence's end is masked: in either direction it comes after all that count.
    """
    hs = x.swapaxes(0, 1).astype(np.float64)
    saved: dict[str, list[State]] = {}
    below = hs
    directions: list[Array] = []
    for index, backward, prefix in layer_names(model):
        if not backward:
            below, directions = hs if kept is None or index == 0 else hs * kept[index - 1], []
        out, saved[prefix] = run_layer(
            model.cell, layer(p, prefix), reverse_within(below, lengths) if backward else below
        )
        directions.append(reverse_within(out, lengths) if backward else out)
        hs = np.concatenate(directions, axis=2)
    if model.readout == "last":
        # the final state of each direction; the backward one ends at the first time step
        ends = directions[0][_last(lengths), np.arange(len(x))]
        features = np.concatenate([ends, *(d[0] for d in directions[1:])], axis=1)
    else:
        features = hs.swapaxes(0, 1)
    return Trace(features @ p["head.W"].T + p["head.b"], features, saved)


def factors(job: Job, masks: Array | None) -> Array | None:
    """By what each output of a layer is multiplied on its way to the next layer: 0 where it is dropped, 1/(1 − p)
    where it is kept. (layers - 1, T, B, features), from masks (B, T, layers - 1, features); None without dropout.
    """
    by_layer = checked_masks(job, masks)
    return None if by_layer is None else by_layer / (1 - job.dropout)


def _last(lengths: Array | None) -> Array | int:
    """The index of each sequence's own last step."""
    return -1 if lengths is None else lengths - 1


def loss_and_gradient(
    loss: Loss, outputs: Array, y: Array, lengths: Array | None = None, smoothing: float = 0.0
) -> tuple[float, Array]:
    """The mean loss over all elements (mse), positions (cross-entropy) or sequences (ctc), and its gradient
    with respect to the outputs.

    ``lengths`` are of outputs (B, T, outputs): only positions within a sequence are in the mean. With label
    ``smoothing`` s the target of cross-entropy is (1 − s) · one-hot + s / classes (Szegedy et al. 2016, section 7).
    """
    if loss == "ctc":
        return ctc.loss_and_gradient(outputs, y, lengths)
    if lengths is not None:
        valid = within(lengths, outputs.shape[1])
        value, d_valid = loss_and_gradient(loss, outputs[valid], y[valid], smoothing=smoothing)
        d_outputs = np.zeros_like(outputs)
        d_outputs[valid] = d_valid
        return value, d_outputs
    if loss == "mse":
        return float(np.mean((outputs - y) ** 2)), 2 * (outputs - y) / outputs.size
    e = np.exp(outputs - outputs.max(-1, keepdims=True))
    softmax = e / e.sum(-1, keepdims=True)
    one_hot = np.eye(outputs.shape[-1])[y]
    if smoothing:
        target = (1 - smoothing) * one_hot + smoothing / outputs.shape[-1]
        log_softmax = outputs - outputs.max(-1, keepdims=True) - np.log(e.sum(-1, keepdims=True))
        return float(-np.mean((target * log_softmax).sum(-1))), (softmax - target) / y.size
    return float(-np.mean(np.log((softmax * one_hot).sum(-1)))), (softmax - one_hot) / y.size


def loss_and_gradients(job: Job, p: Parameters, batch: Batch) -> tuple[float, Parameters]:
    """The loss of one batch and its gradient with respect to every parameter, before clipping.

    Of a job that accumulates gradients, the mean over its micro-batches.
    """
    if job.accumulate > 1:
        found = [loss_and_gradients(job.micro, p, each) for each in micro_batches(job, batch)]
        losses, gradients = zip(*found, strict=True)
        return sum(losses) / len(found), {name: sum(g[name] for g in gradients) / len(found) for name in p}
    model, lengths, kept = job.model, batch.lengths, factors(job, batch.masks)
    trace = forward(model, p, batch.x, lengths, kept)
    every = model.readout == "every"
    value, d_out = loss_and_gradient(job.loss, trace.outputs, batch.y, lengths if every else None, job.label_smoothing)
    flat_d, flat_f = d_out.reshape(-1, model.outputs), trace.features.reshape(-1, model.features)
    grads: Parameters = {"head.W": flat_d.T @ flat_f, "head.b": flat_d.sum(0)}
    d_hs = _through_readout(model, batch.x.shape[1], d_out @ p["head.W"], lengths)
    for index in reversed(range(model.layers)):
        halves = np.split(d_hs, model.directions, axis=2)
        d_below = np.zeros(1)
        for half, (_, backward, prefix) in zip(halves, [n for n in layer_names(model) if n[0] == index], strict=True):
            d_in, layer_grads = backward_layer(
                model.cell, layer(p, prefix), trace.saved[prefix], reverse_within(half, lengths) if backward else half
            )
            d_below = d_below + (reverse_within(d_in, lengths) if backward else d_in)
            grads.update({f"{prefix}.{name}": g for name, g in layer_grads.items()})
        d_hs = d_below if kept is None or index == 0 else d_below * kept[index - 1]
    return value, {name: grads[name] for name in p}


def _through_readout(model: ModelSpec, length: int, d_features: Array, lengths: Array | None) -> Array:
    """The gradient with respect to the top layer's hidden states, (T, B, features)."""
    if model.readout == "every":
        return d_features.swapaxes(0, 1)
    d_hs = np.zeros((length, *d_features.shape))
    d_hs[_last(lengths), np.arange(len(d_features)), : model.hidden] = d_features[:, : model.hidden]
    d_hs[0, :, model.hidden :] += d_features[:, model.hidden :]
    return d_hs


# -- the update ----------------------------------------------------------------------------------


def clipped(grads: Parameters, clip: float | None, clip_value: float | None = None) -> Parameters:
    """Gradients scaled down to the global norm ``clip`` where theirs is larger; or each element within ±clip_value."""
    if clip_value:
        return {name: np.minimum(np.maximum(g, -clip_value), clip_value) for name, g in grads.items()}
    norm = np.sqrt(sum((g**2).sum() for g in grads.values()))
    return {name: g * clip / norm for name, g in grads.items()} if clip and norm > clip else grads


class Optimizer:
    """The update rules of ``OptimizerSpec``, as printed there."""

    def __init__(self, spec: OptimizerSpec, parameters: Parameters) -> None:
        self.spec = spec
        self.t = 0
        self.m = {name: np.zeros_like(p) for name, p in parameters.items()}
        self.v = {name: np.zeros_like(p) for name, p in parameters.items()}

    def update(self, p: Parameters, grads: Parameters) -> Parameters:
        """The parameters after one update with ``grads``, which are clipped first."""
        s, m, v = self.spec, self.m, self.v
        self.t += 1
        lr = s.rate(self.t)
        new: Parameters = {}
        for name, g in clipped(grads, s.clip, s.clip_value).items():
            if s.name != "adamw":
                g = g + s.weight_decay * p[name]
            if s.name in ("adam", "adamw"):
                m[name] = s.beta1 * m[name] + (1 - s.beta1) * g
                v[name] = s.beta2 * v[name] + (1 - s.beta2) * g**2
                m_hat, v_hat = m[name] / (1 - s.beta1**self.t), v[name] / (1 - s.beta2**self.t)
                kept = p[name] - lr * s.weight_decay * p[name] if s.name == "adamw" else p[name]
                new[name] = kept - lr * m_hat / (np.sqrt(v_hat) + s.epsilon)
            elif s.name == "rmsprop":
                v[name] = s.alpha * v[name] + (1 - s.alpha) * g**2
                new[name] = p[name] - lr * g / (np.sqrt(v[name]) + s.epsilon)
            else:
                new[name] = p[name] - lr * g
        return new


def train(job: Job, parameters: Parameters, batches: list[Batch]) -> tuple[list[float], Parameters]:
    """One update per batch: the losses before each update, and the parameters after the last."""
    p = {name: array.astype(np.float64) for name, array in parameters.items()}
    optimizer = Optimizer(job.optimizer, p)
    losses = []
    for batch in batches:
        value, grads = loss_and_gradients(job, p, batch)
        losses.append(value)
        p = optimizer.update(p, grads)
    return losses, p
