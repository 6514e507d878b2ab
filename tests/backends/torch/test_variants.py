"""Which variant ``auto`` takes."""

from __future__ import annotations

import pytest

from backends import allocator
from backends.job import Job
from backends.torch import LARGEST, MANY, SMALLEST, TorchBackend
from tests.fixtures.jobs import sized

backend = TorchBackend()


@pytest.mark.parametrize(
    ("job", "chosen"),
    [
        (sized("lstm", SMALLEST - 1, batch=2 * MANY), "nn-kept"),
        (sized("lstm", SMALLEST, batch=2 * MANY), "nn-parts"),
        (sized("lstm", SMALLEST, batch=2 * MANY - 1), "nn-kept"),
        (sized("lstm", SMALLEST, batch=2 * MANY, threads=1), "nn-kept"),
        (sized("lstm", LARGEST, batch=2 * MANY), "nn-kept"),
        (sized("lstm", SMALLEST, precision="float64"), "deferred-dw"),
        (sized("gru", SMALLEST, batch=2 * MANY), "deferred-dw"),
        (sized("lstm", SMALLEST, variable=True), "deferred-dw"),
        (sized("lstm", SMALLEST, device="cuda"), "nn"),
    ],
    ids=lambda each: each if isinstance(each, str) else f"{each.model.cell}-{each.model.hidden}",
)
def test_auto_goes_by_cell_size_and_threads(job: Job, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "why_not", lambda: None)
    assert backend.choose(job).variant == chosen
