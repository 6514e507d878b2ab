"""Learning curves as figures need them: of a record, or of what an index keeps of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.records.kept import Kept, Run

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """The evaluations of a run on the validation split, in order; each array has a number for each of them.

    Attributes:
        steps: updates done before.
        seconds: inside training steps before.
        losses: of the validation split.
        scores: the main score there; not a number where it was not evaluated.
    """

    steps: Numbers
    seconds: Numbers
    losses: Numbers
    scores: Numbers

    def __len__(self) -> int:
        return len(self.steps)

    def packed(self) -> bytes | None:
        """It as bytes; None where there is no evaluation."""
        return np.stack([self.steps, self.seconds, self.losses, self.scores]).tobytes() if len(self) else None

    @classmethod
    def unpacked(cls, packed: bytes | None) -> Curve:
        """From what ``packed`` gave."""
        return cls(*np.frombuffer(packed or b"", dtype=np.float64).reshape(4, -1))


def curve_of(run: Run, score: str | None = None) -> Curve:
    """The curve of a run.

    Args:
        score: the name of the score; None for the run's main one.
    """
    if isinstance(run, Kept) and score in (None, run.value("score_name")):
        return Curve.unpacked(run.packed_curve)
    name = score or (run.metrics.main_score if run.metrics else "")
    points = [(point.step, point.seconds, point.loss, point.scores.get(name, np.nan)) for point in run.curve]
    return Curve(*np.array(points, dtype=np.float64).reshape(-1, 4).T)
