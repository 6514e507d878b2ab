"""A training step keeps to its device: run on PyTorch's ``meta`` device, which has shapes and no values.

No operator of a step that a CUDA graph captures may touch a tensor elsewhere, and none may need a value on the host. On
``meta`` the one cannot be computed and the other is seen, without a GPU. What it cannot show is which kernel runs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from backends.conformance import NETWORKS, SEQUENCES, a_job, a_sequence_job, some_batches
from backends.job import CELLS, OptimizerSpec
from backends.torch.variants import VARIANTS
from tests.backends.torch.support import f32

torch = pytest.importorskip("torch")
python_dispatch = pytest.importorskip("torch.utils._python_dispatch")
pytree = pytest.importorskip("torch.utils._pytree")

DEVICE: Any = "meta"
CAPTURED = [
    (cell, v) for cell in CELLS for v in ("graph", "graph-deferred-dw") if (cell, v) != ("gru-reset-before", "graph")
]
#: Lengths are on the host by design, and CTC and packing read them there: the loops with another loss compute only.
LOOPED = [case for case, (*_, loss, variable) in enumerate(SEQUENCES) if variable and loss != "ctc"]


class OnlyThere(python_dispatch.TorchDispatchMode):  # type: ignore[misc]
    """Fails an operator that a tensor elsewhere goes into or comes out of; int64 ones may be ``lengths``."""

    def __init__(self, lengths: bool) -> None:
        super().__init__()
        self.lengths, self.seen = lengths, Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.seen[str(func)] += 1
        for tensor in pytree.tree_leaves((args, kwargs, out)):
            if isinstance(tensor, torch.Tensor) and not (self.lengths and tensor.dtype == torch.int64):
                assert tensor.device.type == DEVICE, f"{func} with a tensor on {tensor.device}"
        return out


@pytest.fixture(autouse=True)
def optimizers_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """They name the devices that they are for."""
    for module, name in (
        ("torch.optim.optimizer", "_get_fused_kernels_supported_devices"),
        ("torch.optim.optimizer", "_get_foreach_kernels_supported_devices"),
        ("torch.optim.rmsprop", "_get_capturable_supported_devices"),
    ):
        monkeypatch.setattr(import_module(module), name, lambda *_: [DEVICE])


def steps(job: Any, lengths: bool = False) -> Any:
    """Two updates: the optimizer's state is made in the first. The trainer."""
    entry = VARIANTS[job.variant]
    there: Any = entry.load_trainer()(replace(job, device=DEVICE), f32(job), entry)
    batches = there.stage([batch.astype(job.dtype) for batch in some_batches(job, 2)])
    with OnlyThere(lengths) as only:
        losses = [there._step(*batch) for batch in batches]
    assert all(loss.device.type == DEVICE for loss in losses)
    assert all(p.grad.device.type == DEVICE for p in there.tensors.values()), "each parameter has a gradient, there"
    products = sum(
        only.seen[f"aten.{name}"] for name in ("mm.default", "mm.out", "addmm.default", "addmm.out", "addmm_.default")
    )
    assert products > len(batches) * there.job.model.layers, (
        "the forward and the backward pass were seen, operator by operator"
    )
    return there


def test_a_tensor_elsewhere_is_seen() -> None:
    on_the_host, there = torch.ones(2), torch.ones(2, device=DEVICE)
    for wrong in (lambda: on_the_host + 1, lambda: there.to("cpu", copy=True), lambda: torch.ones(2)):
        with OnlyThere(lengths=True), pytest.raises((AssertionError, NotImplementedError)):
            wrong()
    with OnlyThere(lengths=True) as only:
        torch.ones(2, dtype=torch.int64)
        there + 1
    assert only.seen["aten.add.Tensor"] == 1
    with OnlyThere(lengths=False), pytest.raises(AssertionError):
        torch.ones(2, dtype=torch.int64)


@pytest.mark.parametrize("network", range(len(NETWORKS)))
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
@pytest.mark.parametrize(("cell", "variant"), CAPTURED)
def test_a_captured_step_touches_nothing_elsewhere(cell: str, variant: str, optimizer: Any, network: int) -> None:
    """Nor does the optimizer's count of steps lie elsewhere."""
    there = steps(a_job(cell, network, variant=variant, optimizer=OptimizerSpec(optimizer, clip=0.1)))
    state = [value for each in there.optimizer.state.values() for value in each.values()]
    assert all(value.device.type == DEVICE for value in state if isinstance(value, torch.Tensor))
    assert bool(state) == (optimizer != "sgd")


@pytest.mark.parametrize("cell", CELLS)
def test_in_bfloat16_too(cell: str) -> None:
    steps(a_job(cell, 3, variant="graph-deferred-dw", precision="bfloat16"))


@pytest.mark.parametrize("case", LOOPED)
@pytest.mark.parametrize("variant", ["loop", "deferred-dw"])
def test_with_lengths_nothing_but_them_is_on_the_host(variant: str, case: int) -> None:
    steps(a_sequence_job(case, variant=variant), lengths=True)
