"""The gate: before anything is timed, a few updates of a small batch are compared with the float64 reference."""

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

#: Draws batch number ``index`` of ``size`` sequences.
Draw = Callable[[int, int], Batch]
STEPS = 3
BATCH = 4
#: Largest relative distance allowed, by precision. A wrong gate order, sign or transposition is off by 1e-2 or more,
#: and by about 1 in the biases, which start at zero. In bfloat16 the biases are what is far off without any mistake:
#: Adam's first updates are the signs of the gradients, and small gradients lose theirs. At most 1.7e-1 was measured on
#: the CPU (plain RNN over 100 steps; LSTM and GRU 2e-2). TF32 keeps three bits more: an eighth of it, not measured.
TOLERANCE: dict[Precision, float] = {"float32": 1e-3, "float64": 1e-9, "tf32": 4e-2, "bfloat16": 3e-1}


def distances(ours: Parameters, expected: Parameters) -> dict[str, float]:
    """‖ours − expected‖ / max(‖expected‖, 1e-6) of each array."""
    return {
        name: finite(float(np.linalg.norm(ours[name] - p) / np.maximum(np.linalg.norm(p), 1e-6)))
        for name, p in expected.items()
    }


def loss_distances(losses: Array, expected: Sequence[float]) -> list[float]:
    """|loss − expected| / max(|expected|, 1e-6) of each update."""
    apart = np.abs(losses - np.asarray(expected)) / np.maximum(np.abs(expected), 1e-6)
    return [finite(float(each)) for each in apart]


def pass_gate(backend: Backend, job: Job, draw: Draw, parameters: Parameters, shortened_to: int | None = None) -> Gate:
    """Train a few small batches with the backend and with the reference, and measure how far apart they end.

    Args:
        job: what the backend is to compute, at a batch size of 4 at most.
        draw: the batches.
        parameters: from which both start.
        shortened_to: the length of ``job``'s sequences where the measured job has longer ones, for the result.
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
    """The value; the largest number there is in place of infinity and nan, which JSON does not have."""
    return value if math.isfinite(value) else sys.float_info.max
