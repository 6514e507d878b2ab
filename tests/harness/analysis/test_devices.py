"""Where the GPU wins: contests of made-up figures on both devices."""

from __future__ import annotations

import pytest

from harness.analysis.devices import grids
from harness.records.speed import SpeedRecord
from tests.harness.conftest import SIZES_OF_BOTH, made_contestant, made_speed
from tests.harness.conftest import both_devices as contests_on_both


def both_devices(*sizes: tuple[int, int], **spec: object) -> SpeedRecord:
    """Contests at (hidden, batch): a GPU takes 4 ms, a CPU hidden × batch / 1024 ms."""
    return made_speed(*(
        [
            made_contestant("torch", ms, device=device, hidden=hidden, batch=batch, **spec)
            for device, ms in (("cpu", hidden * batch / 1024), ("cuda", 4.0))
        ]
        for hidden, batch in sizes
    ))  # fmt: skip


def test_a_gain_is_how_many_times_as_fast_as_the_cpu_the_gpu_is() -> None:
    (grid,) = grids(both_devices((128, 8), (128, 64)))
    assert {key: gain.median for key, gain in grid.gains.items()} == {
        ("torch", 128, 8): pytest.approx(0.25), ("torch", 128, 64): pytest.approx(2.0),
    }  # fmt: skip
    assert (grid.backends, grid.hiddens, grid.batches, grid.machine) == (["torch"], [128], [8, 64], "Made-up GPU")


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ([(128, 8), (128, 64)], "hidden 128 from batch 64 on"),
        ([(128, 64), (128, 512)], "hidden 128 at every batch"),
        ([(32, 8), (32, 64)], "hidden 32 at no batch up to 64"),
    ],
)
def test_from_which_batch_on_the_gpu_wins_is_told(sizes: list[tuple[int, int]], says: str) -> None:
    (grid,) = grids(both_devices(*sizes))
    assert list(grid.wins()) == [f"torch: the GPU wins at {says}"]


def test_one_size_makes_no_grid() -> None:
    assert grids(both_devices((32, 8))) == []


def test_where_the_gpu_wins_and_by_how_much() -> None:
    """By hand: at hidden 128 and batch 64 the CPU takes 8 ms, the GPU 4; fused variants do not count."""
    (grid,) = grids(contests_on_both(SIZES_OF_BOTH, without=("jax", 512, 512)))
    assert (grid.backends, grid.hiddens, grid.batches) == (["jax", "torch"], [32, 128, 512], [8, 64, 512])
    assert {key[1:]: gain.median for key, gain in grid.gains.items() if key[0] == "torch"} == {
        (hidden, batch): pytest.approx(hidden * batch / 4096) for hidden, batch in SIZES_OF_BOTH
    }
    assert ("jax", 512, 512) not in grid.gains
    assert list(grid.wins())[1] == (
        "torch: the GPU wins at hidden 32 from batch 512 on, hidden 128 from batch 64 on, hidden 512 from batch 64 on"
    )
    assert "hidden 32 at no batch up to 64" in next(grids(contests_on_both([(32, 8), (32, 64)]))[0].wins())


def test_one_device_makes_no_grid() -> None:
    assert grids(made_speed(*([made_contestant("torch", 1.0, batch=batch)] for batch in (1, 2)))) == []
