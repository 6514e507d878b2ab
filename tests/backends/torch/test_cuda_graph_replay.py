"""The whole of the graph's trainer on the CPU, where a stand-in keeps the rules of a capture: see ``cpu_graph``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from backends import reference
from backends.conformance import a_job, assert_close, some_batches, train
from backends.job import CELLS, OptimizerSpec
from backends.torch import TorchBackend
from backends.torch.variants import REPLAYED
from tests.backends.torch.support import f32, graph_trainer

torch = pytest.importorskip("torch")
graph = pytest.importorskip("backends.torch.cuda_graph")
cpu_graph = pytest.importorskip("tests.fixtures.cpu_graph")

EAGER = {"graph": "nn", "graph-deferred-dw": "deferred-dw"}
CASES = [
    (cell, variant, 0.0) for cell in CELLS for variant in EAGER if (cell, variant) != ("gru-reset-before", "graph")
]
CASES += [("lstm", variant, 0.4) for variant in EAGER]


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    graph.side_stream.cache_clear()
    cpu_graph.put_in_place(monkeypatch)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a product is slower on more
    yield
    torch.set_num_threads(threads)
    graph.side_stream.cache_clear()


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
@pytest.mark.parametrize(("cell", "variant", "dropout"), CASES, ids=str)
def test_replays_are_the_eager_updates(cell: str, variant: str, dropout: float, optimizer: Any) -> None:
    """To the last bit, in chunks or not, with predictions in between: nothing that changes was fixed by the capture."""
    job = a_job(cell, 3, variant=variant, optimizer=OptimizerSpec(optimizer, 0.05, clip=0.1), dropout=dropout)
    batches = some_batches(job, 5)
    x = batches[0].astype("float32").x
    eager = TorchBackend().build(replace(job, variant=EAGER[variant]), f32(job))
    replayed = graph_trainer(job)
    losses = [*train(replayed, job, batches[:2])]
    replayed.predict(x)
    losses += [*train(replayed, job, batches[2:])]
    assert losses == [*train(eager, job, batches)]
    assert len(set(losses)) == len(losses)
    assert_close(replayed.parameters(), eager.parameters(), 0.0, "parameter")
    assert (replayed.predict(x) == eager.predict(x)).all()
    assert replayed.compilations() == 1
    assert replayed.graph.calls, "what was replayed is what was captured"


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "sgd"])
def test_a_changing_rate_is_no_number_of_the_capture(name: Any, precision: Any) -> None:
    """It lies in a tensor, which on a GPU fused optimizers read in float32 alone. Looking counts as no update."""
    rule = OptimizerSpec(name, 0.05, weight_decay=0.1, schedule="cosine", warmup=2, updates=6)
    job = a_job(variant="graph-deferred-dw", optimizer=rule, precision=precision)
    batches = some_batches(job, 6)
    replayed = graph_trainer(job)
    train(replayed, job, batches[:2])
    replayed.executed(batches[0].astype(job.dtype))
    train(replayed, job, batches[2:])
    expected = reference.train(job, f32(job), batches)[1]
    assert_close(replayed.parameters(), expected, 1e-6 if precision == "float32" else 1e-9, name)
    [rate] = [group["lr"] for group in replayed.optimizer.param_groups]
    assert rate.item() == rule.rate(6)
    assert name == "rmsprop" or rate.dtype == torch.float32


@pytest.mark.parametrize("trained", [False, True], ids=["untrained", "trained"])
@pytest.mark.parametrize("variant", EAGER)
def test_looking_at_a_replay_leaves_no_trace(variant: str, trained: bool) -> None:
    """And no release of the profiler has anything to warn of."""
    job = a_job(variant=variant)
    first, *later = some_batches(job, 3)
    looked_at, other = (graph_trainer(job) for _ in range(2))
    for trainer in (looked_at, other) if trained else ():
        train(trainer, job, [first])
    executed = looked_at.executed(first.astype(job.dtype))
    assert re.match(REPLAYED, executed), executed
    eager = TorchBackend().build(a_job(variant=EAGER[variant]), f32(job)).executed(first.astype(job.dtype))
    assert executed.endswith(f" of {eager}"), "of the operators that the eager variant runs"
    assert looked_at.compilations() == 1
    assert [*train(looked_at, job, later)] == [*train(other, job, later)]
    assert_close(looked_at.parameters(), other.parameters(), 0.0, "parameter")


def test_a_prediction_of_another_shape_is_refused() -> None:
    job = a_job(variant="graph-deferred-dw")
    trainer = graph_trainer(job)
    with pytest.raises(ValueError, match="5 sequences of 6 steps"):
        trainer.predict(some_batches(job, 1)[0].x[:2].astype("float32"))
