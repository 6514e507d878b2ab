"""The batch in parts, each of which a thread takes through forward and backward pass.

PyTorch's operators release the lock of Python's interpreter while they compute, and its backward pass runs in the
thread that asks for it. A step of a recurrence is too small to be shared among threads: each thread uses one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.autograd.profiler import profile
from torch.profiler import _ExperimentalConfig

from backends import allocator, parts
from backends.job import Array, Job, Parameters, checked_lengths
from backends.torch.convert import tensors
from backends.torch.network import Network
from backends.torch.trainer import UNKNOWN, StagedBatch, TorchTrainer, memory_kept
from backends.variants import Entry
from tasks.base import Batch

T = TypeVar("T")

#: A profiler sees the thread alone that starts it, unless told.
EVERY_THREAD = _ExperimentalConfig(profile_all_threads=True)

Share = tuple[float, StagedBatch]
"""A part's weight in the batch's loss, and the part."""


@cache
def others(count: int) -> list[ThreadPoolExecutor]:
    """So many threads of this process besides the main one, each of which computes with itself alone.

    Each has a queue of its own: from a common one, a thread that is done early would take a second part.
    """
    allocator.share_one_heap()

    def begin() -> None:
        torch.get_num_threads()  # a thread takes the process's number when it first looks: let that be now
        torch.set_num_threads(1)

    before = torch.get_num_threads()
    threads = [ThreadPoolExecutor(1, "part") for _ in range(count)]
    for thread in threads:
        thread.submit(begin).result()
    torch.set_num_threads(before)  # also what threads begin with that are started by others
    return threads


@contextmanager
def one_thread() -> Iterator[None]:
    """Operators called by this thread are computed by it alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def for_each(function: Callable[..., T], *items: Sequence[Any]) -> list[T]:
    """``function`` of each item, in their order; this thread takes the first one, others the rest."""
    first, *rest = zip(*items, strict=True)
    running = [thread.submit(function, *each) for thread, each in zip(others(len(rest)), rest, strict=True)]
    return [function(*first), *(each.result() for each in running)]


class InParts(nn.Module):
    """A network for each part of the batch, all on the same parameters, with gradients of their own.

    Called as a whole, as for a prediction, it gives the outputs of all parts; without gradients.
    """

    def __init__(self, networks: Sequence[nn.Module], rows: Sequence[slice]) -> None:
        super().__init__()
        self.networks, self.rows = nn.ModuleList(networks), rows

    def forward(self, x: Tensor, lengths: Tensor | None = None, masks: Tensor | None = None) -> Tensor:
        """The outputs for x (T, B, D), as of one network."""
        assert masks is None  # they are for training
        with one_thread():
            outputs = for_each(partial(self._part, x, lengths), self.networks, self.rows)
        return torch.cat(outputs, dim=outputs[0].ndim - 2)

    def _part(self, x: Tensor, lengths: Tensor | None, network: nn.Module, rows: slice) -> Tensor:
        with torch.no_grad():  # a setting of each thread
            out: Tensor = network(x[:, rows].contiguous(), None if lengths is None else lengths[rows])
            return out


class TorchPartsTrainer(TorchTrainer):
    """Each thread adds to its own gradients; they are added up, part by part, before the update."""

    network: InParts

    def __init__(self, job: Job, parameters: Parameters, entry: Entry) -> None:
        self.rows = parts.rows(job)
        super().__init__(job, parameters, entry)
        mine, *theirs = [list(tensors(cast(Network, each), job.model).values()) for each in self.network.networks]
        self.own = [mine, *theirs]
        for each in theirs:
            for other, common in zip(each, mine, strict=True):
                other.data = common.data

    def _built(self, entry: Entry) -> nn.Module:
        build = super()._built
        return InParts([build(entry) for _ in self.rows], self.rows)

    def _named(self) -> dict[str, Tensor]:
        return tensors(cast(Network, self.network.networks[0]), self.job.model)

    def stage(self, batches: Sequence[Batch]) -> list[list[Share]]:  # type: ignore[override]
        """Each batch as its parts."""
        staged = super().stage
        whole = [replace(batch, lengths=checked_lengths(self.job, batch.lengths)) for batch in batches]
        shares = [parts.shares(self.job, batch, self.rows) for batch in whole]
        return [[(share.weight, staged([share.batch])[0]) for share in each] for each in shares]

    def executed(self, batch: Batch) -> str:
        """As ``Trainer.executed``, with the number of threads in which a profiler saw the recurrence."""
        [shares] = self.stage([batch])
        with one_thread(), profile(experimental_config=EVERY_THREAD) as profiled:
            self._backward(shares)
        self._forget()
        ran: dict[int, Counter[str]] = {}
        for event in profiled.function_events:
            ran.setdefault(event.thread, Counter())[event.name] += 1
        seen = Counter(self._recurrence(each) for each in ran.values())
        del seen[UNKNOWN]
        words = [f"{what}, {number} parts" for what, number in seen.items()] or [UNKNOWN]
        return " and ".join(words) + memory_kept()

    def _trained(self, step: Callable[[Any], Tensor], staged: Sequence[Any]) -> Array:
        with one_thread():
            return super()._trained(step, staged)

    def _backward(self, batch: Any, number: int = 1) -> Tensor:
        losses = for_each(self._part, self.network.networks, batch, [number] * len(batch))
        return torch.stack(losses).sum()

    def _part(self, network: nn.Module, share: Share, number: int) -> Tensor:
        weight, (x, y, lengths, masks) = share
        loss = self._loss(network(x, lengths, masks), y, lengths) * (weight / number)
        loss.backward()
        return loss.detach()

    def _update(self) -> None:
        mine, *theirs = self.own
        for each in theirs:
            torch._foreach_add_([p.grad for p in mine], [p.grad for p in each])
        super()._update()

    def _forget(self) -> None:
        super()._forget()
        for each in self.own[1:]:
            for p in each:
                p.grad = None
