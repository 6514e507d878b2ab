"""Names of the canonical parameters in ``nn.RNN``, ``nn.LSTM`` and ``nn.GRU``. PyTorch itself is not imported here."""

from __future__ import annotations

HEAD = {"head.W": "weight", "head.b": "bias"}
_ARRAYS = {"W_ih": "weight_ih", "W_hh": "weight_hh", "b": "bias_ih", "b_ih": "bias_ih", "b_hh": "bias_hh"}


def stock_name(name: str) -> str:
    """``l1r.W_ih`` is ``weight_ih_l1_reverse``; a single bias is ``bias_ih``."""
    prefix, array = name.split(".")
    return f"{_ARRAYS[array]}_{prefix.removesuffix('r')}" + ("_reverse" if prefix.endswith("r") else "")


def cell_name(name: str) -> str:
    """``l1r.W_ih`` is ``weight_ih`` of ``nn.LSTMCell`` and its kin, which have one layer in one direction."""
    return _ARRAYS[name.split(".")[1]]
