"""What stops a worker before its clock starts, and after: settings that are not in force, a variant that is another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backends.base import Runtime, Trainer, Unsupported
from backends.job import Job, Parameters
from backends.numpy import NumpyBackend
from backends.parameters import InitialisationSpec, initial
from harness.errors import RunFailed
from harness.protocol import Decided, Event, Executed, GateDone
from harness.specs.base import Model
from harness.specs.speed import SpeedSpec
from harness.worker import preparation
from harness.worker.clocks import Clocks
from harness.worker.contestant import draw

SPEC = SpeedSpec(backend="numpy", variant="hoisted", threads=1, model=Model(hidden=5), batch=3, length=4, features=2)


class Settings(NumpyBackend):
    """Says which settings are in force, without touching those of this process."""

    def __init__(self, **found: Any) -> None:
        super().__init__()
        self.found = {"threads": 1, "flushes_denormals": True, "versions": {"numpy": "2"}, **found}

    def start(self, job: Job) -> Runtime:
        return Runtime(**self.found)


class Faster(NumpyBackend):
    """Trains at twice the learning rate that it is told."""

    def build(self, job: Job, parameters: Parameters) -> Trainer:
        return super().build(replace(job, optimizer=replace(job.optimizer, lr=2 * job.optimizer.lr)), parameters)


def test_what_was_decided_is_told_with_the_settings_in_force() -> None:
    heard: list[Event] = []
    job, _ = preparation.start(Settings(), SPEC, SPEC.job(), heard.append)
    assert job.variant == "hoisted"
    (told,) = heard
    assert isinstance(told, Decided)
    assert (told.variant, told.threads, told.flushes_denormals) == ("hoisted", 1, True)


@pytest.mark.parametrize(
    ("found", "error", "says"),
    [
        ({"threads": 2}, RunFailed, "numpy runs 2 threads where the spec says 1"),
        ({"flushes_denormals": False}, Unsupported, "keeps denormals; the spec says 'flush'"),
    ],
)
def test_other_settings_than_the_specs_stop_it(found: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        preparation.start(Settings(**found), SPEC, SPEC.job(), lambda event: None)


def test_a_trainer_that_does_not_pass_the_gate_is_none() -> None:
    heard: list[Event] = []
    parameters = initial(SPEC.job().model, InitialisationSpec(), 0)

    def build(backend: NumpyBackend) -> Trainer:
        return preparation.build(
            backend, SPEC.job(), lambda index, size: draw(SPEC, index, size), parameters, Clocks(lambda: 0.0),
            heard.append,
        )  # fmt: skip

    assert build(NumpyBackend()).job == SPEC.job()  # type: ignore[attr-defined]
    with pytest.raises(RunFailed, match=r"did not pass the gate: after 3 updates .*; first apart is the gradient of"):
        build(Faster())
    assert [event.gate["passed"] for event in heard if isinstance(event, GateDone)] == [True, False]


def test_what_was_executed_must_be_what_the_variants_name_says(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Event] = []
    backend = NumpyBackend()
    trainer = backend.trainer(SPEC.job(), initial(SPEC.job().model, InitialisationSpec(), 0))
    batch = draw(SPEC, 0, SPEC.batch)
    preparation.check_executed(backend, SPEC.job(), trainer, batch, heard.append)
    monkeypatch.setattr(trainer, "executed", lambda batch: "something else")
    with pytest.raises(RunFailed, match="variant 'hoisted' ran 'something else', not what its name says"):
        preparation.check_executed(backend, SPEC.job(), trainer, batch, heard.append)
    assert heard[-1] == Executed("something else")


def test_peaks_of_memory_are_those_at_the_first_look() -> None:
    trainer = NumpyBackend().trainer(SPEC.job(), initial(SPEC.job().model, InitialisationSpec(), 0))
    memory = preparation.Memory(trainer)
    first = dict(memory.peaks())
    more = bytearray(64 * 2**20)
    assert memory.peaks() == first
    assert set(memory.levels) == {"host_init_bytes", "device_init_bytes"}
    assert len(more) == 64 * 2**20


def test_what_is_missing_can_be_installed_and_what_cannot_be_loaded_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(NumpyBackend):
        def __init__(self, error: Exception) -> None:
            super().__init__()
            self.error = error

        def version(self) -> str:
            raise self.error

    def why(error: Exception) -> str:
        monkeypatch.setattr(preparation.backends, "load", lambda name: Broken(error))
        with pytest.raises(Unsupported) as caught:
            preparation.load("numpy", Clocks(lambda: 0.0))
        return str(caught.value)

    missing = "No module named 'x'"
    assert why(ModuleNotFoundError(missing)) == f"numpy is not installed ({missing}): pip install numpy"
    no_memory = "libx.so: failed to map segment from shared object: Cannot allocate memory"
    assert why(ImportError(no_memory)) == why(OSError(no_memory)) == f"numpy cannot be loaded: {no_memory}"
    assert why(MemoryError()) == "numpy cannot be loaded: out of memory"
    advice = ImportError("Traceback\n...\nSee a page of advice")
    advice.__cause__ = ImportError(no_memory)
    assert why(advice) == f"numpy cannot be loaded: {no_memory}"
