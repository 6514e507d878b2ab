"""What a CUDA graph needs and a CPU can show: a warm-up of which nothing remains, and what a profile is read as."""

from __future__ import annotations

import re
from typing import Any

import pytest

from backends.base import Unsupported
from backends.conformance import a_job, a_sequence_job, assert_close, some_batches, train
from backends.job import OptimizerSpec
from backends.torch import TorchBackend
from backends.torch.variants import REPLAYED
from tests.backends.torch.support import f32, graph_trainer

torch = pytest.importorskip("torch")
graph = pytest.importorskip("backends.torch.cuda_graph")


@pytest.fixture(autouse=True)
def steps_counted_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some optimizers count them in a way that a graph can capture only for tensors on a GPU."""
    monkeypatch.setattr(graph.GraphTrainer, "capturable", False)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
@pytest.mark.parametrize("trained", [0, 2], ids=["from-the-start", "later"])
@pytest.mark.parametrize("variant", ["nn", "deferred-dw"])
def test_nothing_of_a_warm_up_remains(variant: str, trained: int, optimizer: Any) -> None:
    """Neither in parameters nor in what the optimizer remembers: training goes on to the same bits."""
    job = a_job("lstm", 3, variant=variant, optimizer=OptimizerSpec(optimizer, 0.01))
    batches = some_batches(job, 5)
    fresh, warmed = TorchBackend().build(job, f32(job)), graph_trainer(job)
    eager = super(graph.GraphTrainer, warmed)
    expected = train(fresh, job, batches)
    losses = [*eager.train(eager.stage([b.astype(job.dtype) for b in batches[:trained]]))] if trained else []
    addresses = [p.data_ptr() for p in warmed.tensors.values()]
    [(x, y, _, masks)] = warmed.stage([batches[4].astype(job.dtype)])
    warmed._warm_up(x, y, masks)
    assert all(p.grad is None for p in warmed.tensors.values())
    assert addresses == [p.data_ptr() for p in warmed.tensors.values()]
    losses += [*eager.train(eager.stage([b.astype(job.dtype) for b in batches[trained:]]))]
    assert losses == [*expected]
    assert_close(warmed.parameters(), fresh.parameters(), 0.0, "parameter")


def test_a_batch_of_another_shape_is_refused_by_the_graph() -> None:
    job = a_job(variant="nn")
    trainer = graph_trainer(job)
    [(trainer.x, trainer.y, *_)] = trainer.stage([some_batches(job, 1)[0].astype(job.dtype)])
    trainer.graph = object()
    with pytest.raises(ValueError, match="the graph is of x"):
        trainer._replay(trainer.x[:, :2], trainer.y[:2], None)


@pytest.mark.parametrize(
    ("seen", "updates", "is_a_replay"),
    [
        ({"cudaGraphLaunch": 1, "kernels": 9, "memory": 2}, True, True),
        ({"aten::copy_": 2}, True, True),
        ({"aten::copy_": 2}, False, False),
        ({"cudaGraphLaunch": 1, "kernels": 2}, False, False),
        ({"cudaLaunchKernel": 9, "kernels": 9}, True, False),
    ],
    ids=["seen", "no-CUPTI", "nothing-happened", "seeds-alone", "launched-one-by-one"],
)
def test_a_profile_is_read_as_a_replay_where_it_shows_one(
    seen: dict[str, int], updates: bool, is_a_replay: bool
) -> None:
    executed = f"CUDA graph ({graph.described(seen, updates)}) of aten::_cudnn_rnn"
    assert bool(re.match(REPLAYED, executed)) == is_a_replay


@pytest.mark.parametrize("variant", ["graph", "graph-deferred-dw"])
def test_what_a_graph_cannot_do_is_said(variant: str) -> None:
    backend = TorchBackend()
    with pytest.raises(Unsupported, match="CUDA only"):
        backend.resolve(a_job(variant=variant))
    for case in (0, 3):  # lengths; CTC
        assert "one piece" in str(backend.lacks(a_job(variant=variant, device="cuda", batch=6, accumulate=2)))
        assert "host" in str(backend.lacks(a_sequence_job(case, variant=variant, device="cuda")))


def test_ctc_on_cuda_says_what_would_run() -> None:
    job = a_sequence_job(3, variant="nn", device="cuda")
    assert "--no-deterministic" in str(TorchBackend().lacks(job))
