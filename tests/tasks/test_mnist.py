"""MNIST, read as sequences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks import mnist_files
from tasks.mnist import SequentialMnist, SmallSequentialMnist


@pytest.mark.parametrize(("split", "count"), [("validation", 5_000), ("test", 10_000)])
def test_mnist_has_the_published_sizes_and_digits(real: Path, split: str, count: int) -> None:
    held_out = SequentialMnist().held_out(split)  # type: ignore[arg-type]
    assert held_out.x.shape == (count, 28, 28)
    assert (held_out.x.min(), held_out.x.max()) == (0, 1)
    assert np.bincount(held_out.y).shape == (10,)


def test_mnist_begins_with_the_digits_everyone_knows(real: Path) -> None:
    assert SequentialMnist().batch("test", 0, 5).y.tolist() == [7, 2, 1, 0, 4]
    assert mnist_files.load("train")[1][:5].tolist() == [5, 0, 4, 1, 9]


def test_permuting_reorders_the_pixels_and_nothing_else(real: Path) -> None:
    row, pixel, permuted = (SequentialMnist(order=o).batch("test", 3, 20).x for o in ("row", "pixel", "permuted"))
    np.testing.assert_array_equal(row.reshape(20, 784), pixel[..., 0])
    order = np.random.RandomState(92916).permutation(784)
    assert sorted(order) == list(range(784))
    np.testing.assert_array_equal(SequentialMnist().permutation, order)
    np.testing.assert_array_equal(permuted, pixel[:, order])


def test_small_pixels_are_the_means_of_four(real: Path) -> None:
    large, small = (task.batch("test", 2, 30).x for task in (SequentialMnist(), SmallSequentialMnist()))
    assert small.shape == (30, 14, 14)
    corners = [large[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    np.testing.assert_allclose(small, np.mean(corners, axis=0), atol=1e-7)
    pixel, permuted = (SmallSequentialMnist(order=o).batch("test", 2, 30).x for o in ("pixel", "permuted"))
    np.testing.assert_array_equal(pixel[..., 0], small.reshape(30, 196))
    np.testing.assert_array_equal(permuted, pixel[:, np.random.RandomState(92916).permutation(196)])


def test_training_never_shows_a_validation_image(real: Path) -> None:
    labels = np.concatenate([SequentialMnist().batch("train", i, 11_000).y for i in range(5)])
    train = mnist_files.load("train")[1]
    np.testing.assert_array_equal(np.bincount(labels), np.bincount(train[:55_000]))


def test_constructing_and_judging_read_no_file(named: Path) -> None:
    task = SequentialMnist()
    assert (task.size("train"), task.baseline["accuracy"]) == (55_000, 0.1)
    assert (task.baseline["loss"], task.landmarks["chance"]) == pytest.approx((np.log(10),) * 2)
