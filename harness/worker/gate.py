"""The gate: before a run is timed, a few updates of a small batch are held against the reference."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence

import numpy as np

from backends import reference
from backends.base import Backend
from backends.job import Array, Job, Parameters, Precision
from harness.records.base import Gate
from tasks.base import Batch

#: Batch number ``index`` of ``size`` sequences.
Draw = Callable[[int, int], Batch]
STEPS = 3
BATCH = 4
#: Largest relative distance, by precision. A wrong gate order, sign or transposition is off by 1e-2 or more, and moves
#: biases that started at zero elsewhere: these alone are off by about 1. In bfloat16 it is they that are far, since
#: Adam's first updates are the gradient's signs, and small gradients lose theirs: at most 1.7e-1 was measured on the
#: CPU (plain RNN over 100 steps; 2e-2 LSTM and GRU). TF32 rounds to three bits more: an eighth of it, not measured.
TOLERANCE: dict[Precision, float] = {"float32": 1e-3, "float64": 1e-9, "tf32": 4e-2, "bfloat16": 3e-1}


def distances(ours: Parameters, expected: Parameters) -> dict[str, float]:
    """‖ours − expected‖ / ‖expected‖ of each array (over 1e-6 where the expected one is smaller)."""
    return {
        name: finite(float(np.linalg.norm(ours[name] - p) / np.maximum(np.linalg.norm(p), 1e-6)))
        for name, p in expected.items()
    }


def loss_distances(losses: Array, expected: Sequence[float]) -> list[float]:
    """|loss − expected| / |expected| of each update (over 1e-6 where the expected one is smaller)."""
    apart = np.abs(losses - np.asarray(expected)) / np.maximum(np.abs(expected), 1e-6)
    return [finite(float(each)) for each in apart]


def pass_gate(backend: Backend, job: Job, draw: Draw, parameters: Parameters, shortened_to: int | None = None) -> Gate:
    """Train a few small batches on the backend and on the reference, and measure how far apart they end.

    ``shortened_to``: the length of ``job``'s sequences where the measured job's are longer.
    """
    batch = min(BATCH, job.batch)
    small = job.resized(batch)
    batches = [draw(index, batch) for index in range(STEPS)]
    trainer = backend.trainer(small, parameters)
    losses = trainer.train(trainer.stage([b.astype(job.dtype) for b in batches]))
    expected, expected_parameters = reference.train(small, parameters, batches)
    loss_distance = max(loss_distances(losses, expected))
    parameter_distance = max(distances(trainer.parameters(), expected_parameters).values())
    tolerance = TOLERANCE[job.precision]
    return Gate(
        steps=STEPS,
        batch=batch,
        length=shortened_to,
        loss_distance=loss_distance,
        parameter_distance=parameter_distance,
        tolerance=tolerance,
        passed=max(loss_distance, parameter_distance) <= tolerance,
    )


def finite(value: float) -> float:
    """JSON has no infinity and no nan: both count as the largest distance there is."""
    return value if math.isfinite(value) else sys.float_info.max
