"""Keeps a data set: checks every value, splits, standardises, and writes it whole or not at all. Also removes one.

Two passes go over the files, block by block. The first looks at every value, the second writes. Neither holds more than
some blocks in memory, however large the arrays are.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from filelock import FileLock

from harness.datasets import checks
from harness.datasets.checks import KEPT, Kind, Part
from harness.datasets.sources import Array, Source, blocks, first_line
from harness.datasets.splitting import Rule
from harness.datasets.statistics import Frequencies, Moments
from harness.errors import UsageError
from tasks import datasets
from tasks.base import UNSCALED, Split, within
from tasks.datasets import DataSet

Tell = Callable[[str], None]
#: Folders of writers begin so; one that is found under the lock is a dead writer's.
_UNFINISHED = ".unfinished-"
#: More classes than that are worth a question.
MANY_CLASSES = 1000


@dataclass(frozen=True)
class Wish:
    """What a user asks for.

    Attributes:
        name: of the data set and its task.
        rule: how sequences are split.
        standardise: subtract the mean and divide by the standard deviation, both of the training split.
        regression: whole numbers are numbers to predict, not classes.
        columns: names of the features and the target, where a table has given them.
    """

    name: str
    rule: Rule = field(default_factory=Rule)
    standardise: bool = False
    regression: bool = False
    columns: tuple[str, ...] = ()


@dataclass
class Seen:
    """What the first pass found: of training and test, inputs and numbers, or frequencies of classes."""

    x: Moments = field(default_factory=Moments)
    y: dict[Split, Moments] = field(default_factory=dict)
    classes: dict[Split, Frequencies] = field(default_factory=dict)
    whole_numbers: bool = True


@contextmanager
def locked() -> Iterator[Path]:
    """The folder of all data sets, while no other process changes it; what dead writers left is deleted.

    Raises:
        UsageError: the folder cannot be written.
    """
    place = datasets.folder()
    try:
        for inner in ("sets", "names"):
            (place / inner).mkdir(parents=True, exist_ok=True)
        with FileLock(place / "lock"):
            for left in place.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield place
    except OSError as error:
        raise UsageError(f"{place} cannot be written: {error.strerror or first_line(error)}") from None


@contextmanager
def scratch(place: Path) -> Iterator[Path]:
    """A folder beside the data sets, gone at the end."""
    with TemporaryDirectory(prefix=_UNFINISHED, dir=place, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def check_name(name: str, tasks: list[str]) -> None:
    """Raises UsageError where no data set can have this name, or something has it already.

    Args:
        tasks: names of all tasks that are not data sets.
    """
    if not datasets.NAME.fullmatch(name):
        raise UsageError(
            f"{name[:40]!r} is no name for a data set: up to 64 small letters, digits, dots, dashes and underscores, "
            "a letter or digit first"
        )
    if name in tasks or name == "all":
        raise UsageError(f"{name!r} is a task already; choose another name")
    if digest := datasets.names().get(name):
        raise UsageError(
            f"{name!r} is a data set already (SHA-256 {digest[: datasets.SHORT]}); choose another name, or first: "
            f"harness data remove {name}"
        )


def keep(wish: Wish, main: Part, test: Part | None, place: Path, tell: Tell) -> DataSet:
    """Check, split and write a data set; returns what it is.

    Args:
        test: sequences for testing, where they are given apart.
        place: the folder, locked.
        tell: is told what a user should know, a line at a time.

    Raises:
        UsageError: something is wrong with the data, or it does not fit on the disk. Nothing was written.
    """
    kind = checks.kind_of(main, wish.regression)
    if test is not None:
        checks.check_alike(main, test, wish.regression)
    rows: dict[Split, tuple[Part, Array]] = {
        split: (main, own) for split, own in wish.rule.rows(len(main), test is not None).items()
    }
    if test is not None:
        rows["test"] = (test, np.arange(len(test)))
    _check_room(place, main, test)
    lengths = {id(part): checks.lengths_of(part) for part, _ in rows.values()}
    seen = _look(kind, rows, lengths)
    outputs = _outputs(kind, main.y, seen)
    for line in _remarks(wish, kind, main, seen, outputs):
        tell(line)
    scaling = _scaling(kind, seen) if wish.standardise else None
    with scratch(place) as folder:
        written = {
            f"{split}-{what}": about
            for split, (part, own) in rows.items()
            for what, about in _write(folder, split, part, own, lengths[id(part)], kind, scaling).items()
        }
        shortest = (
            None if main.lengths is None else min(int(each.min()) for each in lengths.values() if each is not None)
        )
        content: dict[str, Any] = {
            "loss": kind.loss, "readout": kind.readout, "length": main.x.shape[1], "inputs": main.x.shape[2],
            "outputs": outputs, "shortest": shortest, "splits": {split: len(own) for split, (_, own) in rows.items()},
            "split_by": wish.rule.words(test is not None),
            "standardised": scaling and {name: each.tolist() for name, each in scaling.items()},
            "baseline": _baseline(kind, seen, outputs, scaling), "columns": list(wish.columns), "files": written,
        }  # fmt: skip
        content["sha256"] = DataSet.digest_of(content)
        (folder / datasets.DESCRIPTION).write_text(json.dumps(content, indent=1), encoding="utf-8")
        # the name first: were this process killed in between, a name without a data set would be left, which is none
        _write_name(place, wish.name, content["sha256"])
        target = place / "sets" / content["sha256"]
        if not target.exists():  # else the same contents are here under another name
            folder.rename(target)
            folder.mkdir()  # what the end of this block deletes
    return DataSet(**content)


def _write_name(place: Path, name: str, digest: str) -> None:
    with scratch(place) as folder:
        (folder / name).write_text(f"{digest}\n", encoding="ascii")
        (folder / name).rename(place / "names" / name)


def remove(name: str, place: Path) -> DataSet | None:
    """Delete a name, and its data set unless another name stands for it, too; None where there is no such name."""
    digest = datasets.digest_of(name)
    if digest is None:
        return None
    found = datasets.named(name)
    others = [other for other, its in datasets.names().items() if its == digest and other != name]
    with scratch(place) as folder:  # away at once: deleting much takes a while
        if not others:
            (place / "sets" / digest).rename(folder / digest)
        (place / "names" / name).unlink()
    return found


def _check_room(place: Path, main: Part, test: Part | None) -> None:
    parts = [main, *([test] if test else [])]
    size = sum(int(np.prod(each.shape)) for part in parts for each in (part.x, part.y)) * np.dtype(KEPT).itemsize
    if size > (free := shutil.disk_usage(place).free):
        raise UsageError(f"{size / 2**30:,.1f} GiB are to be kept in {place}, where {free / 2**30:,.1f} GiB are free")


def _look(kind: Kind, rows: Mapping[Split, tuple[Part, Array]], lengths: Mapping[int, Array | None]) -> Seen:
    """The first pass: every value is checked, and what the splits are like is gathered."""
    seen = Seen()
    by_part: dict[int, tuple[Part, dict[Split, Array]]] = {}
    for split, (part, own) in rows.items():
        by_part.setdefault(id(part), (part, {}))[1][split] = own
    for number, (part, splits) in by_part.items():
        for block in part.x.blocks():
            inside = lengths[number]
            inside = None if inside is None else inside[block]
            x = checks.masked(part.x.rows(block), inside)
            checks.check_finite(x, block.start, part.x, ("step", "feature"))
            y = _targets(part.y.rows(block), kind, inside)
            if kind.loss == "mse":
                words = ("step", "output") if kind.readout == "every" else ("output",)
                checks.check_finite(y, block.start, part.y, words)
                seen.whole_numbers &= bool((y == np.round(y)).all())
            else:
                checks.check_classes(y, block.start, part.y)
            for split, own in splits.items():
                first, last = np.searchsorted(own, (block.start, block.stop))
                _gather(seen, split, kind, x, y, inside, own[first:last] - block.start)
    return seen


def _gather(seen: Seen, split: Split, kind: Kind, x: Array, y: Array, lengths: Array | None, rows: Array) -> None:
    inside = None if lengths is None else within(lengths[rows], x.shape[1])
    if split == "train":
        seen.x.add(_flat(x[rows], inside))
    targets = y[rows]
    counted = inside if kind.readout == "every" else None
    if kind.loss == "mse":
        seen.y.setdefault(split, Moments()).add(_flat(targets, counted, steps=kind.readout == "every"))
    else:
        seen.classes.setdefault(split, Frequencies()).add(targets if counted is None else targets[counted])


def _flat(values: Array, inside: Array | None, steps: bool = True) -> Array:
    """Values of all steps that count, one below the other: (n, columns)."""
    if inside is not None:
        return values[inside]
    return values.reshape(-1, values.shape[-1]) if steps else values


def _targets(y: Array, kind: Kind, lengths: Array | None) -> Array:
    """Targets in the shape that a task has: (rows, outputs) or (rows, steps, outputs); classes without outputs."""
    if kind.readout == "every":
        y = checks.masked(y, lengths)
    if kind.loss == "mse":
        return y[:, None] if y.ndim == 1 else y
    return y.reshape(y.shape[0], -1)[:, 0] if kind.readout == "last" else y.reshape(y.shape[0], y.shape[1])


def _outputs(kind: Kind, y: Source, seen: Seen) -> int:
    """Numbers or classes. Raises UsageError where there is nothing to learn."""
    if kind.loss == "mse":
        if len(seen.y["train"].constant) == len(seen.y["train"].mean):
            raise UsageError(f"{y.name}: all targets of the training split are alike: there is nothing to learn")
        return len(seen.y["train"].mean)
    if np.count_nonzero(seen.classes["train"].counts) < 2:
        raise UsageError(f"{y.name}: all targets of the training split are of one class: there is nothing to learn")
    return max(len(each.counts) for each in seen.classes.values())


def _remarks(wish: Wish, kind: Kind, main: Part, seen: Seen, outputs: int) -> Iterator[str]:
    """What a user should know although nothing is wrong."""
    if constant := seen.x.constant:
        which = ", ".join(wish.columns[each] if wish.columns else str(each) for each in constant[:8])
        more = f" and {len(constant) - 8} more" if len(constant) > 8 else ""
        one, counted = len(constant) == 1, "" if wish.columns else " (counted from 0)"
        yield f"feature{'s' * (not one)} {which}{more}{counted} {'is' if one else 'are'} constant in the training split"
    unscaled = {"inputs": seen.x} | ({"targets": seen.y["train"]} if kind.loss == "mse" else {})
    beyond = [f"{what} reach {each.largest:.3g}" for what, each in unscaled.items() if each.largest > UNSCALED]
    if beyond and not wish.standardise:
        yield f"{' and '.join(beyond)}, where numbers near 1 train well; to scale them: --standardise"
    if kind.loss == "mse" and main.y.dtype.kind == "f" and seen.whole_numbers and kind.readout == "last":
        yield "all targets are whole numbers, kept as floats: they are predicted as numbers; for classes save integers"
    if kind.loss == "mse" and main.y.shape[1:] == main.x.shape[1:2]:
        yield (f"targets of shape {main.y.shape} are {outputs} numbers per sequence; for one per step: y[:, :, None]")
    if outputs > MANY_CLASSES and kind.loss != "mse":
        yield f"{outputs:,} classes; whole numbers to predict as numbers need --regression"


def _scaling(kind: Kind, seen: Seen) -> dict[str, Array]:
    """Means and standard deviations, rounded to float32: the last bits of sums may depend on the processor, and with
    them the digest of what is kept would.
    """
    found = {"x_mean": seen.x.mean, "x_std": seen.x.scale}
    if kind.loss == "mse":
        found |= {"y_mean": seen.y["train"].mean, "y_std": seen.y["train"].scale}
    return {name: values.astype(np.float32).astype(np.float64) for name, values in found.items()}


def _baseline(kind: Kind, seen: Seen, outputs: int, scaling: Mapping[str, Array] | None) -> dict[str, float]:
    """Test scores of answering with the training targets' mean, or with their most frequent class.

    Its loss on classes is that of their training frequencies, each counted once more, so that none is impossible.
    """
    if kind.loss == "mse":
        train, test = seen.y["train"], seen.y["test"]
        scale = scaling["y_std"] if scaling else np.ones(outputs)
        mse = float(np.mean((test.variance + (test.mean - train.mean) ** 2) / scale**2))
        return {"loss": mse, "mse": mse}
    train_counts, test_counts = (seen.classes[split].padded(outputs) for split in ("train", "test"))
    shares = (train_counts + 1) / (train_counts.sum() + outputs)
    return {
        "loss": float(-(test_counts * np.log(shares)).sum() / test_counts.sum()),
        "accuracy": float(test_counts[train_counts.argmax()] / test_counts.sum()),
    }


def _write(
    folder: Path,
    split: Split,
    part: Part,
    rows: Array,
    lengths: Array | None,
    kind: Kind,
    scaling: Mapping[str, Array] | None,
) -> dict[str, dict[str, Any]]:
    """Write a split's arrays; returns digest, type and shape of each by what it is."""

    def scaled(values: Array, what: str) -> Array:
        if scaling is None or f"{what}_mean" not in scaling:
            return values
        result: Array = (values.astype(np.float64) - scaling[f"{what}_mean"]) / scaling[f"{what}_std"]
        return result

    def inputs(own: Array) -> Array:
        inside = None if lengths is None else lengths[own]
        return checks.masked(scaled(checks.masked(part.x.rows(own), inside), "x").astype(KEPT), inside)

    def targets(own: Array) -> Array:
        inside = None if lengths is None else lengths[own]
        y = _targets(part.y.rows(own), kind, inside)
        if kind.loss != "mse":
            return y.astype(np.int32)
        y = scaled(y, "y").astype(KEPT)
        return checks.masked(y, inside) if kind.readout == "every" else y

    found = {
        "x": _write_array(folder / f"{split}-x.npy", rows, part.x.shape[1:], inputs),
        "y": _write_array(folder / f"{split}-y.npy", rows, part.x.shape[1:], targets),
    }
    if lengths is not None:
        found["lengths"] = _write_array(folder / f"{split}-lengths.npy", rows, (), lambda own: lengths[own])
    return found


def _write_array(path: Path, rows: Array, about: tuple[int, ...], values: Callable[[Array], Array]) -> dict[str, Any]:
    """Write the values of these rows, block by block; ``about`` is the shape of what is read for each."""
    digest = hashlib.sha256()
    shape: tuple[int, ...] | None = None
    dtype: np.dtype[Any] | None = None
    with path.open("wb") as file:
        for block in blocks(len(rows), about):
            written = np.ascontiguousarray(values(rows[block]))
            if shape is None:
                shape, dtype = (len(rows), *written.shape[1:]), written.dtype
                header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
            digest.update(written.data)
            file.write(written.data)
    assert shape is not None
    assert dtype is not None
    return {"sha256": digest.hexdigest(), "dtype": dtype.str, "shape": list(shape)}
