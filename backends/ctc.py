"""Connectionist temporal classification: the loss of unaligned labels, and its gradient, in NumPy.

Graves, Fernández, Gomez & Schmidhuber 2006, "Connectionist Temporal Classification: Labelling
Unsegmented Sequence Data with Recurrent Neural Networks"; equation numbers are theirs. In log
space, float64, vectorised over the batch. Class 0 is the blank; labels go from 1 up.

``backends.reference`` and ``backends.numpy`` both call it: a mistake shared by
the two would show in a test that sums over all alignments, and against the other frameworks' CTC.
``xp`` is ``numpy`` or ``cupy``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backends.job import Array

BLANK = 0
LOG_0 = np.float64(-1e30)
"""log 0, but finite, since −∞ − (−∞) is no number. Adding to it changes nothing, and its exp is 0.

It has a type, so that CuPy too computes in float64 where the other operands are only booleans.
"""


def frames_needed(y: Array) -> Array:
    """The fewest steps in which labels y (B, L), padded with -1, can be emitted: (B,).

    One per label, and a blank between two that are equal (section 3.1: the map ℬ merges repeats).
    """
    repeats = (y[:, 1:] == y[:, :-1]) & (y[:, 1:] >= 0)
    needed: Array = (y >= 0).sum(1) + repeats.sum(1)
    return needed


def loss_and_gradient(outputs: Array, y: Array, lengths: Array | None = None, xp: Any = np) -> tuple[Any, Array]:
    """The mean over sequences of −log p(labels | outputs), and its gradient
    with respect to ``outputs``.

    The mean is over the batch alone: a sequence counts the same however long it is or how many labels it has.

    Args:
        outputs: (B, T, K), before the softmax.
        y: labels (B, L), each from 1 to K-1, padded with -1.
        lengths: steps of each sequence (B,); None: all T.
        xp: the module that computes.

    Raises:
        ValueError: a sequence is too short for its labels, whose probability is then zero (on NumPy; where ``xp``
            is another module, the loss is 1e30 or more: checking would wait for the device).
    """
    B, T, K = outputs.shape
    lengths = xp.full(B, T) if lengths is None else lengths
    if xp is np and (frames_needed(y) > lengths).any():
        raise ValueError("a sequence has fewer steps than its labels need: one each, one more between equal ones")
    shifted = outputs.astype("float64") - outputs.max(-1, keepdims=True)
    log_y = (shifted - xp.log(xp.exp(shifted).sum(-1, keepdims=True))).swapaxes(0, 1)  # (T, B, K)

    states = with_blanks(y, xp)  # (B, S)
    emitted = xp.take_along_axis(log_y, xp.broadcast_to(states, (T, *states.shape)), axis=2)  # (T, B, S)
    skips = may_skip(states, xp)
    ends = (y >= 0).sum(1) * 2  # the state of the last blank; the last label's is before it

    alpha = forward(emitted, skips, xp)
    last = alpha[lengths - 1, xp.arange(B)]
    finals = is_final(ends, states.shape[1], xp)
    log_p = _log_sum(xp.where(finals, last, LOG_0), xp)  # eq. 8
    beta = backward(emitted, skips, finals, lengths, xp)

    occupancy = xp.exp(alpha + beta - log_p[:, None])  # p(state s at step t | labels), eq. 14 over p
    by_class = (occupancy.swapaxes(0, 1) @ xp.eye(K)[states]).swapaxes(0, 1)  # (T, B, K), sums over lab(l, k)
    within = (xp.arange(T)[:, None] < lengths)[:, :, None]
    gradient = xp.where(within, xp.exp(log_y) - by_class, 0) / B  # eq. 16
    return -log_p.mean(), gradient.swapaxes(0, 1)


def with_blanks(y: Array, xp: Any = np) -> Array:
    """Labels (B, L) with a blank before, between and after them: l′ of section 4.1, (B, 2L+1)."""
    states = xp.full((y.shape[0], 2 * y.shape[1] + 1), BLANK)
    states[:, 1::2] = xp.where(y < 0, BLANK, y)
    return states  # type: ignore[no-any-return]


def may_skip(states: Array, xp: Any = np) -> Array:
    """0 where state s can follow s-2, else log 0: it is a label, and not the same one. (B, S)."""
    allowed = (states[:, 2:] != BLANK) & (states[:, 2:] != states[:, :-2])
    return xp.pad(xp.where(allowed, 0.0, LOG_0), ((0, 0), (2, 0)), constant_values=LOG_0)  # type: ignore[no-any-return]


def is_final(ends: Array, states: int, xp: Any = np) -> Array:
    """Whether a sequence may end in a state: in its last blank or its last label. (B, S)."""
    s = xp.arange(states)
    return (s == ends[:, None]) | (s == ends[:, None] - 1)  # type: ignore[no-any-return]


def forward(emitted: Array, skips: Array, xp: Any = np) -> Array:
    """log α (T, B, S): the labels so far were emitted in the first t+1 steps, the last of them in state s.

    α₀(0) = y₀(blank), α₀(1) = y₀(l₁);  αₜ(s) = (αₜ₋₁(s) + αₜ₋₁(s−1) + αₜ₋₁(s−2) if it may skip) · yₜ(l′ₛ)  (eqs. 6, 7)
    """
    alpha = xp.full(emitted.shape, LOG_0)
    alpha[0, :, :2] = emitted[0, :, :2]
    for t in range(1, len(emitted)):
        stay, step, skip = alpha[t - 1], _later(alpha[t - 1], 1, xp), _later(alpha[t - 1], 2, xp) + skips
        alpha[t] = xp.logaddexp(xp.logaddexp(stay, step), skip) + emitted[t]
    return alpha  # type: ignore[no-any-return]


def backward(emitted: Array, skips: Array, finals: Array, lengths: Array, xp: Any = np) -> Array:
    """log β (T, B, S): from state s at step t, the remaining labels are emitted by the end of the sequence.

    Without yₜ, which the paper counts in both α and β (eqs. 10, 11) and divides out again (eq. 14).
    """
    end = xp.where(finals, 0.0, LOG_0)
    skips_from = _earlier(skips, 2, xp)
    beta = xp.full(emitted.shape, LOG_0)
    beta[-1] = xp.where((lengths == len(emitted))[:, None], end, LOG_0)
    for t in reversed(range(len(emitted) - 1)):
        said = beta[t + 1] + emitted[t + 1]
        stay, step, skip = said, _earlier(said, 1, xp), _earlier(said, 2, xp) + skips_from
        beta[t] = xp.logaddexp(xp.logaddexp(stay, step), skip)
        beta[t] = xp.where((lengths == t + 1)[:, None], end, beta[t])
    return beta  # type: ignore[no-any-return]


def _later(a: Array, by: int, xp: Any) -> Array:
    """a (B, S) shifted: state s moves to state s + ``by``."""
    return xp.pad(a, ((0, 0), (by, 0)), constant_values=LOG_0)[:, : a.shape[1]]  # type: ignore[no-any-return]


def _earlier(a: Array, by: int, xp: Any) -> Array:
    """a (B, S) shifted: state s moves to state s - ``by``."""
    return xp.pad(a, ((0, 0), (0, by)), constant_values=LOG_0)[:, by:]  # type: ignore[no-any-return]


def _log_sum(a: Array, xp: Any) -> Array:
    """log Σ exp over the last axis."""
    top = a.max(-1)
    return top + xp.log(xp.exp(a - top[..., None]).sum(-1))  # type: ignore[no-any-return]
