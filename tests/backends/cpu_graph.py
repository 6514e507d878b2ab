"""A CUDA graph's rules kept on the CPU: what is captured is not done, and each replay does it to the same memory.

The operators of a captured piece of work are noted with the tensors and the Python numbers that they were called with,
and a replay calls them again. As on a device: numbers are those of the capture for ever; the memory of what was made
within is made once, holds nothing before the first replay, and nothing may be read on the host.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

#: Reading a value, and what asks for one to know the shape of its result.
ON_THE_HOST = ("aten._local_scalar_dense", "aten.nonzero", "aten.masked_select", "aten.equal")


class CpuGraph:
    """In place of ``torch.cuda.CUDAGraph``."""

    capturing = False

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any, Any, list[Tensor]]] = []

    def replay(self) -> None:
        # what was captured lies below autograd; oneDNN asks whether gradients are wanted all the same
        with torch.enable_grad(), torch._C._AutoDispatchBelowAutograd():
            for func, args, kwargs, made in self.calls:
                for place, value in zip(made, _made(func, func(*args, **kwargs)), strict=True):
                    place.copy_(value)


class Capture(TorchDispatchMode):
    """Notes each operator. Needs the work done to go on, and undoes it at the end."""

    def __init__(self, graph: CpuGraph) -> None:
        super().__init__()
        self.graph = graph
        self.before: dict[int, tuple[Any, Any]] = {}  # storages from outside with what they held
        self.within: dict[int, Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert not str(func).startswith(ON_THE_HOST), f"{func} while capturing: it waits for the device"
        kwargs = kwargs or {}
        for storage in (t.untyped_storage() for t in _tensors((args, kwargs))):
            if storage.data_ptr() not in self.before.keys() | self.within.keys():
                self.before[storage.data_ptr()] = storage, storage.clone()
        out = func(*args, **kwargs)
        made = _made(func, out)
        self.within |= {tensor.untyped_storage().data_ptr(): tensor for tensor in made}
        self.graph.calls.append((func, args, kwargs, made))
        return out

    def undo(self) -> None:
        for storage, held in self.before.values():
            storage.copy_(held)
        for key in self.within.keys() - self.before.keys():
            if self.within[key].is_floating_point():
                self.within[key].detach().fill_(torch.nan)


@contextmanager
def capture(graph: CpuGraph, stream: Any = None) -> Iterator[None]:
    """In place of ``torch.cuda.graph``."""
    capture = Capture(graph)
    CpuGraph.capturing = True
    try:
        with capture:
            yield
    finally:
        CpuGraph.capturing = False
    capture.undo()


class Stream:
    """Everything runs in order on a CPU."""

    def wait_stream(self, other: Stream) -> None:
        pass

    def is_capturing(self) -> bool:
        return CpuGraph.capturing


def put_in_place(patch: pytest.MonkeyPatch) -> None:
    """``torch.cuda`` as the capture of a step uses it, on the CPU; optimizers ask it whether they are captured."""
    for name, value in {
        "CUDAGraph": CpuGraph,
        "graph": capture,
        "Stream": Stream,
        "current_stream": Stream,
        "stream": lambda stream: nullcontext(),
        "synchronize": lambda: None,
        "is_available": lambda: True,
        "is_current_stream_capturing": lambda: CpuGraph.capturing,
    }.items():
        patch.setattr(torch.cuda, name, value)
    patch.setattr(torch.accelerator, "current_accelerator", lambda **_: torch.device("cuda"))  # newer ones ask here
    patch.setattr(torch.accelerator, "current_stream", Stream)
    patch.setattr(import_module("torch.optim.rmsprop"), "_get_capturable_supported_devices", lambda *_: ["cpu"])


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _made(func: Any, out: Any) -> list[Tensor]:
    """Of what an operator gave, that which is neither a view of an argument nor the argument itself."""
    results: Sequence[Any] = out if isinstance(out, tuple) else (out,)
    returns = func._schema.returns
    if len(returns) == 1:
        results = (out,)
    return [t for kind, each in zip(returns, results, strict=False) if kind.alias_info is None for t in _tensors(each)]
