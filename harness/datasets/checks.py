"""What a data set's arrays must be like: shapes and types that fit together, and finite numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.datasets.sources import Array, Source
from harness.errors import UsageError
from tasks.base import Loss, Readout, within

#: Arrays are kept in this type.
KEPT = np.float32
_LARGEST = float(np.finfo(KEPT).max)
#: Fewest sequences that can be split in three.
FEWEST = 3


@dataclass(frozen=True)
class Part:
    """Sequences, their targets and, where they differ, lengths: all of a user's, or those for testing."""

    x: Source
    y: Source
    lengths: Source | None = None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Kind:
    """What is learned from each sequence: numbers or classes, one per sequence or one per step."""

    loss: Loss
    readout: Readout


def parts(arrays: Mapping[str, Source]) -> tuple[Part, Part | None]:
    """The arrays put together: all sequences, or those for training and those for testing.

    Args:
        arrays: by what each is, as ``sources.ROLES`` has them.

    Raises:
        UsageError: some are missing.
    """
    for role in ("x", "y"):
        if role not in arrays:
            raise UsageError(f"{role} is missing: a data set has inputs x and targets y")
    main = Part(arrays["x"], arrays["y"], arrays.get("lengths"))
    if not {"x_test", "y_test", "lengths_test"} & set(arrays):
        return main, None
    for role in ("x_test", "y_test", *(["lengths_test"] if main.lengths else [])):
        if role not in arrays:
            raise UsageError(f"{role} is missing: sequences for testing have what those for training have")
    if main.lengths is None and "lengths_test" in arrays:
        raise UsageError("lengths is missing: there are lengths_test, so sequences for training have lengths, too")
    return main, Part(arrays["x_test"], arrays["y_test"], arrays.get("lengths_test"))


def kind_of(part: Part, regression: bool) -> Kind:
    """What is learned, from the shape and type of the targets.

    Args:
        regression: whole numbers are numbers, not classes.

    Raises:
        UsageError: shapes or types that do not fit together.
    """
    x, y = part.x, part.y
    if len(x.shape) != 3:
        hint = "; for one feature per step: x[:, :, None]" if len(x.shape) == 2 else ""
        raise UsageError(f"{x.name}: three dimensions are needed (sequences, steps, features), not {x.shape}{hint}")
    if 0 in x.shape:
        raise UsageError(f"{x.name}: the array is empty, {x.shape}")
    if len(y) != len(x):
        raise UsageError(f"{y.name} has {len(y):,} rows, {x.name} has {len(x):,} sequences: each needs its target")
    _check_lengths_shape(part)
    steps = x.shape[1]
    if y.dtype.kind == "f" or regression:
        if len(y.shape) in (1, 2) and 0 not in y.shape:
            return Kind("mse", "last")
        if len(y.shape) == 3 and y.shape[1] == steps and 0 not in y.shape:
            return Kind("mse", "every")
        raise UsageError(
            f"{y.name}: numbers to predict have the shape (sequences,), (sequences, outputs) or "
            f"(sequences, {steps} steps, outputs), not {y.shape}"
        )
    if len(y.shape) == 1 or y.shape[1:] == (1,):
        return Kind("cross-entropy", "last")
    if y.shape[1:] in ((steps,), (steps, 1)):
        return Kind("cross-entropy", "every")
    raise UsageError(
        f"{y.name}: class numbers have the shape (sequences,) or (sequences, {steps} steps), not {y.shape}; "
        "whole numbers to predict as numbers need --regression"
    )


def check_alike(main: Part, test: Part, regression: bool) -> None:
    """Raises UsageError where sequences for testing are not like those for training."""
    if kind_of(main, regression) != kind_of(test, regression):
        raise UsageError(f"{test.y.name} holds other targets than {main.y.name}: {test.y.dtype} of {test.y.shape}")
    for ours, theirs in ((main.x, test.x), (main.y, test.y)):
        if ours.shape[1:] != theirs.shape[1:]:
            raise UsageError(
                f"{theirs.name} has the shape {theirs.shape}, which does not fit {ours.name}: {ours.shape}"
            )


def _check_lengths_shape(part: Part) -> None:
    lengths = part.lengths
    if lengths is None:
        return
    if lengths.shape != (len(part.x),):
        raise UsageError(f"{lengths.name}: one length per sequence is needed, ({len(part.x)},), not {lengths.shape}")
    if lengths.dtype.kind not in "iu":
        raise UsageError(f"{lengths.name}: whole numbers are needed, not {lengths.dtype}")


def lengths_of(part: Part) -> Array | None:
    """The lengths, int32; None where all sequences are equally long.

    Raises:
        UsageError: a length that no sequence can have.
    """
    if part.lengths is None:
        return None
    found, steps = part.lengths.rows(slice(None)), part.x.shape[1]
    wrong = np.flatnonzero((found < 1) | (found > steps))
    if len(wrong):
        row = int(wrong[0])
        raise UsageError(
            f"{part.lengths.name}: lengths go from 1 to {steps}; row {row} (counted from 0) has {found[row]}"
        )
    return found.astype(np.int32)


def masked(values: Array, lengths: Array | None) -> Array:
    """Values (rows, steps, …) with zero in place of the padding, whatever it was."""
    if lengths is not None:
        values[~within(lengths, values.shape[1])] = 0
    return values


def check_finite(values: Array, first: int, source: Source, words: tuple[str, ...]) -> None:
    """Raises UsageError for the first value that is no finite number of the type that is kept; says where it is.

    Args:
        first: row of the source that ``values`` begins with.
        words: what each dimension counts, the first aside.
    """
    good = np.isfinite(values)
    if values.dtype.itemsize > np.dtype(KEPT).itemsize:  # others have no larger number
        good &= np.abs(values) <= _LARGEST
    if good.all():
        return
    at = [int(each) for each in np.argwhere(~good)[0]]
    place = ", ".join(f"{word} {number}" for word, number in zip(words, at[1:], strict=True))
    value = float(values[tuple(at)])
    found = "NaN" if np.isnan(value) else f"{value:g}"
    why = ", too large for float32" if np.isfinite(value) else ""
    place = ", ".join(filter(None, [f"row {first + at[0]}", place]))
    raise UsageError(f"{source.name} has {found}{why} in {place} (each counted from 0)")


def check_classes(values: Array, first: int, source: Source) -> None:
    """Raises UsageError for a class number below zero."""
    if values.size and values.min() < 0:
        at = np.argwhere(values < 0)[0]
        place = f"row {first + int(at[0])}" + (f", step {int(at[1])}" if len(at) > 1 else "")
        raise UsageError(
            f"{source.name}: classes are numbered from 0; {place} (counted from 0) has {values[tuple(at)]}"
        )
