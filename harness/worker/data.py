"""A run's data: checked before anything computes with it, so that no backend is blamed for it, and digested."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from backends.job import Array
from harness.errors import Diverged, RunFailed
from tasks.base import UNSCALED, Batch, Split, Task

#: Bytes of training batches that enter the digest: a second of hashing at most, and an epoch of most data sets.
DIGESTED = 64 * 2**20

#: Drops units of a training batch, given its number.
Drop = Callable[[Batch, int], Batch]

_AXES = {"input": ("sequence", "step", "feature"), "target": ("sequence", "step", "output")}


def as_drawn(batch: Batch, index: int) -> Batch:
    """Drops nothing."""
    del index
    return batch


class Data:
    """A task's batches, each checked, and the digest of those that train and score a run.

    Attributes:
        largest: absolute value among inputs, and among targets of regression, so far.
    """

    def __init__(self, task: Task, precision: str, drop: Drop = as_drawn, updates: int | None = None) -> None:
        """Nothing is drawn yet.

        Args:
            precision: the type that batches are rounded to for the run, such as ``float32``.
            drop: drops units of training batches; what it drops is no part of the data, nor of its digest.
            updates: whose batches may enter the digest; None for all. A run that may end early gives those that it
                makes in any case: of two runs on the same data, one may train on more of it.
        """
        self.task, self.precision, self.updates, self._drop = task, precision, updates, drop
        self.largest = {"input": 0.0, "target": 0.0}
        self._limit = float(np.finfo(precision).max)
        self._stated = task.data_digest()
        self._digest = hashlib.sha256()
        self._left = DIGESTED

    def draw(self, index: int, size: int) -> Batch:
        """Training batch number ``index``, as the task draws it, with units dropped where the run drops some.

        Raises RunFailed where it has no finite numbers.
        """
        return self._drop(self._drawn(index, size), index)

    def train(self, index: int, size: int) -> Batch:
        """The same, rounded for the run and digested."""
        batch = self._drawn(index, size).astype(self.precision)
        if self._left > 0 and (self.updates is None or index < self.updates):
            self._left -= self._digested(batch)
        return self._drop(batch, index)

    def _drawn(self, index: int, size: int) -> Batch:
        return self._checked(self.task.batch("train", index, size), f"train batch {index} of {size} sequences")

    def held_out(self, split: Split) -> Batch:
        """A whole held-out split, rounded for the run and digested. Raises RunFailed as ``draw`` does."""
        batch = self._checked(self.task.held_out(split), f"{split} split").astype(self.precision)
        self._digested(batch)
        return batch

    def digest(self) -> str:
        """SHA-256 of what the task says its data is; else of what was digested so far, in this order."""
        return self._digest.hexdigest() if self._stated is None else hashlib.sha256(self._stated.encode()).hexdigest()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Where numbers go wrong inside, the reason also says if the data is not scaled."""
        try:
            yield
        except Diverged as error:
            raise Diverged(f"{error}{self.hint()}") from None

    def hint(self) -> str:
        """What is wrong with the scale of the data, to end a sentence with; nothing where it is as expected."""
        beyond = [f"{what}s reach {most:.3g}" for what, most in self.largest.items() if most > UNSCALED]
        if not beyond:
            return ""
        return (
            f"; the data is not scaled: {' and '.join(beyond)}, above {UNSCALED:g}, where numbers near 1 are expected: "
            "subtract the mean and divide by the standard deviation"
        )

    def _checked(self, batch: Batch, where: str) -> Batch:
        self._check("input", batch.x, where)
        if batch.y.dtype.kind == "f":
            self._check("target", batch.y, where)
        return batch

    def _check(self, what: str, values: Array, where: str) -> None:
        """Raises RunFailed for a value that is no finite number of the run's type."""
        # least and greatest take no memory, and both are NaN where any value is
        low, high = float(values.min()), float(values.max())
        if -self._limit <= low and high <= self._limit:
            self.largest[what] = max(self.largest[what], -low, high)
            return
        at = tuple(int(axis[0]) for axis in np.nonzero(~(np.abs(values) <= self._limit)))
        names = _AXES[what] if len(at) == 3 else (_AXES[what][0], _AXES[what][-1])
        place = ", ".join(f"{name} {number}" for name, number in zip(names, at, strict=False))
        value = float(values[at])
        why = f", too large for {self.precision}" if np.isfinite(value) else ""
        raise RunFailed(f"the task's data has {value:g}{why}: {what} in {where}, {place} (each counted from 0)")

    def _digested(self, batch: Batch) -> int:
        """Add a batch to the digest; returns its bytes."""
        arrays = [each for each in (batch.x, batch.y, batch.lengths) if each is not None]
        for each in arrays:
            self._digest.update(f"{each.dtype.str}{each.shape}".encode())
            self._digest.update(np.ascontiguousarray(each).data)  # no copy: memory is measured
        return sum(each.nbytes for each in arrays)
