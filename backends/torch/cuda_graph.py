"""The training step captured once in a CUDA graph: an update is one launch, however many kernels it has.

A graph reads and writes the addresses that it was captured with: batches are copied into tensors made once, and
parameters, optimizer state, gradients and a learning rate that changes stay where they are. Capturing computes nothing,
but libraries must have been initialised before: a few warm-up updates come first, and are undone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from backends.job import Array, Job, Parameters
from backends.torch.runtime import side_stream
from backends.torch.trainer import Staged, TorchTrainer
from backends.variants import Entry
from tasks.base import Batch

#: Updates before the capture: cuBLAS, cuDNN and autograd set themselves up in the first ones.
WARM_UP = 3


class GraphTrainer(TorchTrainer):
    """Replays the captured update for each batch. All batches have the job's shape, and no lengths."""

    capturable = True

    def __init__(self, job: Job, parameters: Parameters, entry: Entry) -> None:
        super().__init__(job, parameters, entry)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.captures = 0

    def train(self, staged: Staged) -> Array:
        """As ``Trainer.train``."""
        self._captured(staged)
        losses = torch.empty(len(staged), dtype=getattr(torch, self.job.dtype), device=self.device)
        with self.clock:
            for k, (x, y, _, masks) in enumerate(self._rated(staged)):
                self._replay(x, y, masks)
                losses[k].copy_(self.loss)
        self._synchronize()
        values: Array = losses.cpu().numpy()
        return values

    def stage_inputs(self, x: Array, lengths: Array | None = None) -> tuple[Tensor, Tensor | None]:
        """As ``Trainer.stage_inputs``.

        Raises:
            ValueError: x has another shape than the job's: buffers for it would replace those of the graph.
        """
        if x.shape[:2] != (self.job.batch, self.job.length):
            raise ValueError(
                f"the graph is of {self.job.batch} sequences of {self.job.length} steps, not {x.shape[:2]}"
            )
        return super().stage_inputs(x, lengths)

    def executed(self, batch: Batch) -> str:
        """Two profiles: of one replay, whose update is undone, and of the eager forward pass that was captured."""
        captured, staged = super().executed(batch), self.stage([batch])
        self._captured(staged)
        with undone(list(self.tensors.values()), self.optimizer):
            before = self.parameters()
            seen = self._profiled(staged)
            after = self.parameters()
        updates = any((before[name] != after[name]).any() for name in before)
        return f"CUDA graph ({described(seen, updates)}) of {captured}"

    def compilations(self) -> int:
        """As ``Trainer.compilations``."""
        return super().compilations() + self.captures

    def _captured(self, staged: Staged) -> None:
        """Capture the update unless that was done. Parameters and optimizer state are left as they were."""
        if self.graph is not None:
            return
        x, y, _, masks = staged[0]
        self.x, self.y, self.masks = x.clone(), y.clone(), None if masks is None else masks.clone()
        # One stream for both: gradients' accumulators remember the stream that made them.
        stream, graph = side_stream(), torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._warm_up(self.x, self.y, self.masks)
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        with torch.cuda.graph(graph, stream=stream):
            self.loss = self._step(self.x, self.y, None, self.masks)
        self.graph, self.captures = graph, self.captures + 1

    def _warm_up(self, x: Tensor, y: Tensor, masks: Tensor | None) -> None:
        """Make updates and undo them. What remains is the optimizer's state, all zero; no gradients."""
        with undone(list(self.tensors.values()), self.optimizer):
            for _ in range(WARM_UP):
                self._step(x, y, None, masks)
        self.optimizer.zero_grad(set_to_none=True)  # those of the capture lie in the graph's memory

    def _replay(self, x: Tensor, y: Tensor, masks: Tensor | None) -> None:
        """One update.

        Raises:
            ValueError: the batch has another shape than the graph's.
        """
        assert self.graph is not None
        if x.shape != self.x.shape or y.shape != self.y.shape:
            raise ValueError(f"the graph is of x {tuple(self.x.shape)}, y {tuple(self.y.shape)}, not {tuple(x.shape)}")
        self.x.copy_(x)
        self.y.copy_(y)
        if masks is not None and self.masks is not None:
            self.masks.copy_(masks)
        self.graph.replay()

    def _profiled(self, staged: Staged) -> dict[str, int]:
        """What ran in one replay, and how often: the host's calls by name, the device's ``kernels`` and ``memory``."""
        x, y, _, masks = staged[0]
        torch.cuda.synchronize()
        # without acc_events some releases warn that a later cycle of the profiler would replace this one
        with torch.profiler.profile(acc_events=True) as profile:
            self._replay(x, y, masks)
            torch.cuda.synchronize()
        seen: dict[str, int] = {}
        for event in profile.events():
            on_device = event.device_type == torch.autograd.DeviceType.CUDA
            name = ("memory" if event.name.startswith("Mem") else "kernels") if on_device else event.name
            seen[name] = seen.get(name, 0) + 1
        return seen


def described(seen: dict[str, int], updates: bool) -> str:
    """What a profile of one replay shows, in words.

    Args:
        seen: as ``GraphTrainer._profiled`` gives it. Without CUPTI nothing of the device is in it.
        updates: whether the replay changed parameters. Kernels alone do not prove an update: a replay may launch some
            that only fill the random generator's seeds.
    """
    if not updates:
        return "no update"
    if kernels := seen.get("kernels", 0):
        launched = "cudaGraphLaunch" if "cudaGraphLaunch" in seen else "no graph launched"
        return f"{launched}, {kernels} kernels"
    return "updates; no CUPTI to see its kernels"


@contextmanager
def undone(parameters: list[Tensor], optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Undo what is done within: parameters and optimizer state get their values back, at their present addresses.

    State that was first made within becomes zero, where every rule of ``OptimizerSpec`` starts.
    """
    changed = [*parameters, *_state(optimizer)]
    before = [tensor.detach().clone() for tensor in changed]
    yield
    known = {id(tensor) for tensor in changed}
    with torch.no_grad():
        for tensor, value in zip(changed, before, strict=True):
            tensor.copy_(value)
        for tensor in _state(optimizer):
            if id(tensor) not in known:
                tensor.zero_()


def _state(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)]
