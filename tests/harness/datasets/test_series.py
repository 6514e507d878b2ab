"""Windows of a series: the rows before, and the values that follow. Wrong tables are in ``cli/test_data.py``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.datasets.keeping import Wish
from harness.datasets.series import Windows, windows
from harness.workflows.data import Given, add
from tasks.base import SPLITS


@pytest.mark.parametrize(("window", "horizon"), [(1, 1), (4, 1), (4, 3)])
def test_a_window_is_followed_by_its_targets(tmp_path: Path, window: int, horizon: int) -> None:
    pd.DataFrame({"a": np.arange(20) * 10, "b": np.arange(20)}).to_csv(tmp_path / "s.csv", index=False)
    part, columns = windows(tmp_path / "s.csv", Windows("b", window, horizon))
    assert columns == ("a", "b", "b")
    assert part.x.shape == (20 - window - horizon + 1, window, 2)
    for row in (0, len(part) - 1):
        np.testing.assert_array_equal(part.x.rows(slice(row, row + 1))[0, :, 1], np.arange(row, row + window))
        np.testing.assert_array_equal(
            part.y.rows(slice(row, row + 1))[0], np.arange(row + window, row + window + horizon)
        )


def test_features_are_those_named_in_their_order(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(9.0), "b": np.arange(9.0) + 100, "text": list("abcdefghi")})
    frame.to_csv(tmp_path / "s.csv", index=False)
    part, columns = windows(tmp_path / "s.csv", Windows("a", 2, features=("b", "a")))
    assert columns == ("b", "a", "a")
    np.testing.assert_array_equal(part.x.rows(slice(0, 1))[0], [[100, 0], [101, 1]])


@pytest.mark.parametrize("horizon", [1, 3])
def test_no_target_of_one_split_is_one_of_another_and_time_goes_on(
    own_data: Path, tmp_path: Path, horizon: int
) -> None:
    pd.DataFrame({"b": np.arange(60.0)}).to_csv(tmp_path / "s.csv", index=False)
    stored = add(Given(tmp_path / "s.csv", windows=Windows("b", 5, horizon)), Wish("mine"), lambda line: None)
    targets = [set(stored.arrays(split)[1].ravel()) for split in SPLITS]
    assert max(targets[0]) < min(targets[1])
    assert max(targets[1]) < min(targets[2])
    assert max(targets[2]) == 59
    assert "in the order of rows" in stored.split_by
