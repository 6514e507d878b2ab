"""A user's own ``nn.Module`` on the training step of ``backends.torch.trainer``."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from backends.job import Array, Job
from backends.own import OwnModelError, takes_lengths
from backends.torch.trainer import TorchTrainer
from backends.variants import Entry


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
        self.module: nn.Module = self.own.made(self.own.definition, job.model)
        self.takes_lengths = takes_lengths(self.module.forward)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The outputs for x (B, T, D). Raises OwnModelError where they are of another kind or have no gradient."""
        out = self.module(x, lengths) if self.takes_lengths else self.module(x)
        if not isinstance(out, Tensor):
            raise OwnModelError(f"{self.own.name} returned a {type(out).__name__}; wanted is a tensor of its outputs")
        last = self.own.last_of(tuple(out.shape), self.job, self.takes_lengths)
        if torch.is_grad_enabled() and not out.requires_grad:
            raise OwnModelError(f"{self.own.name} trains nothing: no parameter has a part in its outputs' gradient")
        if last:
            out = out[:, -1] if lengths is None else out[torch.arange(len(lengths)), lengths - 1]
        return out.transpose(0, 1) if out.ndim == 3 else out


class OwnTrainer(TorchTrainer):
    """Trains a user's module; its parameters go by the module's own names. Inputs stay batch-major."""

    network: OwnNetwork

    def predict(self, x: Array, lengths: Array | None = None) -> Array:
        """As ``Trainer.predict``, in the module's evaluation mode."""
        self.network.eval()
        found = super().predict(x, lengths)
        self.network.train()
        return found

    def _built(self, entry: Entry) -> nn.Module:
        return OwnNetwork(self.job)

    def _named(self) -> dict[str, Tensor]:
        found = {name: p for name, p in self.network.module.named_parameters() if p.requires_grad}
        if not found:
            raise OwnModelError(f"{self.network.own.name} trains nothing: it has no parameters that want a gradient")
        return found

    def _inputs(self, x: Array) -> Tensor:
        return self._tensor(np.ascontiguousarray(x))
