"""A user's own ``nn.Module`` on the training step of ``backends.torch.trainer``."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from backends import own_cell
from backends.job import Array, Job
from backends.own import OwnModelError, takes_lengths
from backends.torch.trainer import TorchTrainer
from backends.variants import Entry

XP = own_cell.namespace(torch, mean=lambda a: torch.mean(a, -1, keepdim=True))


class OwnNetwork(nn.Module):
    """Maps x (B, T, D) to what the trainer expects of a network: (B, outputs) or (T, B, outputs).

    The module gets x as it is, on the job's device, and, where its ``forward`` names them, lengths (B,) on the host, or
    None where all sequences are as long as x.
    """

    def __init__(self, job: Job) -> None:
        super().__init__()
        assert job.own is not None
        self.job, self.own = job, job.own
        torch.manual_seed(self.own.seed)
        cell = own_cell.is_cell(self.own.definition)
        self.module: nn.Module = Cell(job) if cell else self.own.made(self.own.definition, job.model)
        self.takes_lengths = takes_lengths(self.module.forward)

    def forward(self, x: Tensor, lengths: Tensor | None = None, masks: Tensor | None = None) -> Tensor:
        """The outputs for x (B, T, D). Raises OwnModelError where they are of another kind or have no gradient."""
        assert masks is None  # a spec has no dropout between the layers of a model of a user's own
        out = self.module(x, lengths) if self.takes_lengths else self.module(x)
        if not isinstance(out, Tensor):
            raise OwnModelError(f"{self.own.name} returned a {type(out).__name__}; wanted is a tensor of its outputs")
        last = self.own.last_of(tuple(out.shape), self.job, self.takes_lengths)
        if torch.is_grad_enabled() and not out.requires_grad:
            raise OwnModelError(f"{self.own.name} trains nothing: no parameter has a part in its outputs' gradient")
        if last:
            out = out[:, -1] if lengths is None else out[torch.arange(len(lengths)), lengths - 1]
        return out.transpose(0, 1) if out.ndim == 3 else out


class Cell(nn.Module):
    """A cell of a user's own in a loop over time, with a readout; parameters go by the cell's names."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        assert job.own is not None
        self.job, self.own = job, job.own
        self.tensors = {
            name: nn.Parameter(torch.from_numpy(array))
            for name, array in own_cell.parameters(job.own, job.model).items()
        }
        for name, tensor in self.tensors.items():
            self.register_parameter(name.replace(".", "_"), tensor)

    def forward(self, x: Tensor) -> Tensor:
        """The outputs for x (B, T, D): of the last step where that alone is wanted, else of every one."""
        state = own_cell.start(self.own, lambda: x.new_zeros(len(x), self.job.model.hidden))
        p = {name: getattr(self, name.replace(".", "_")) for name in self.tensors}
        hs = []
        for x_t in x.unbind(1):
            state = own_cell.stepped(self.own, XP, p, x_t, state)
            hs.append(own_cell.read(state))
        h = hs[-1] if self.job.model.readout == "last" and not self.job.variable else torch.stack(hs, 1)
        out: Tensor = h @ p["head.W"] + p["head.b"]
        return out


class OwnTrainer(TorchTrainer):
    """Trains a user's module; its parameters go by the module's own names. Inputs stay batch-major."""

    network: OwnNetwork

    def predict_staged(self, staged: tuple[Tensor, Tensor | None]) -> Tensor:
        """As ``Trainer.predict_staged``, in the module's evaluation mode. The gate predicts, too, after its updates.

        Raises:
            OwnModelError: the user's code has set another number of threads than the job's.
        """
        self.network.eval()
        found = super().predict_staged(staged)
        self.network.train()
        if (threads := torch.get_num_threads()) != self.job.threads:
            raise OwnModelError(
                f"{self.network.own.name} set {threads} threads where the spec says {self.job.threads}: "
                "leave torch.set_num_threads out; --threads says how many"
            )
        return found

    def _built(self, entry: Entry) -> nn.Module:
        return OwnNetwork(self.job)

    def _named(self) -> dict[str, Tensor]:
        module = self.network.module
        found = {name: p for name, p in module.named_parameters() if p.requires_grad}
        if isinstance(module, Cell):
            found = dict(zip(module.tensors, found.values(), strict=True))
        if not found:
            raise OwnModelError(f"{self.network.own.name} trains nothing: it has no parameters that want a gradient")
        return found

    def _inputs(self, x: Array) -> Tensor:
        return self._tensor(np.ascontiguousarray(x))
