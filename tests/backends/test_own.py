"""What a model of a user's own is handed and must give back, whatever its framework."""

from __future__ import annotations

from typing import Any

import pytest

from backends.job import Job, ModelSpec, OptimizerSpec
from backends.own import OwnModel, OwnModelError

OWN = OwnModel(None, "Mine", 0)


def job(readout: Any = "last", **changes: Any) -> Job:
    model = ModelSpec("lstm", 3, 4, 2, readout)
    return Job(model, "mse", OptimizerSpec(), batch=5, length=6, own=OWN, **changes)


def test_a_model_is_made_with_what_its_signature_names() -> None:
    def of(key: str, outputs: int, hidden: int = 7, dropout: float = 0.1, **more: Any) -> Any:
        return key, outputs, hidden, dropout, more

    assert OWN.made(of, job().model, "key") == ("key", 2, 4, 0.1, {})


def test_what_nothing_gives_and_what_would_be_passed_over_is_refused() -> None:
    def wants(inputs: int, dropout: float) -> None: ...

    with pytest.raises(OwnModelError, match="Mine wants 'dropout', which nothing gives: it may take inputs, outputs"):
        OWN.made(wants, job().model)
    with pytest.raises(OwnModelError, match="Mine takes no 'layers': --layers would change nothing"):
        OWN.made(lambda inputs: None, ModelSpec("lstm", 3, 4, 2, "last", layers=2))


def test_outputs_of_every_step_serve_every_task() -> None:
    assert OWN.last_of((5, 6, 2), job("last"), takes_lengths=False)
    assert not OWN.last_of((5, 6, 2), job("every"), takes_lengths=False)
    assert not OWN.last_of((5, 2), job("last"), takes_lengths=False)
    assert not OWN.last_of((5, 2), job("last", variable=True), takes_lengths=True)
    with pytest.raises(OwnModelError, match="reads out padding"):
        OWN.last_of((5, 2), job("last", variable=True), takes_lengths=False)
    with pytest.raises(
        OwnModelError, match=r"returned the shape \(5, 2\) for x of shape \(5, 6, 3\); wanted is \(5, 6"
    ):
        OWN.last_of((5, 2), job("every"), takes_lengths=False)
