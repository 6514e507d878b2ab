"""What figures of the CPU should be at least: all of an interval in ``cpu_targets.py``, its end in ``targets.py``."""

from __future__ import annotations

#: ``auto`` over the best variant that it may take, at every shape.
BEST = 0.95
#: ``auto`` over each library's own layer on the same framework, at every shape.
RIVAL = 1.0
#: ``auto`` over the framework's stock layer: at every shape, and geometric means over the shapes.
STOCK_AT = 1.0
STOCK = {
    ("torch", "lstm"): 1.4,
    ("torch", "gru"): 1.6,
    ("tensorflow", "lstm"): 1.8,
    ("tensorflow", "gru"): 1.6,
    ("jax", "lstm"): 2.2,
    ("jax", "gru"): 2.2,
}
#: NumPy's LSTM over torch's stock layer, geometric means: in NumPy alone, and compiled; and compiled at some shapes.
PURE, COMPILED, COMPILED_AT = 0.75, 1.25, {"E": 0.9, "F": 1.1}
#: NumPy's ``auto`` over ``textbook``.
TEXTBOOK = 3.0
#: ``auto`` over ``model.fit``.
KERAS = {"tensorflow": 1.5, "jax": 1.3, "torch": 5.0}
#: The best share of the GEMM rate, LSTM.
GEMM = {"A": 0.35, "C": 0.55, "E": 0.85, "F": 0.85}
#: Sequences predicted per second: over those trained, at every shape; over those of the stock layer, geometric mean.
PREDICTION, PREDICTION_STOCK = 2.5, 1.2
