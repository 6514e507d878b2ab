"""A third party's backend and task, in one module. Its variants misbehave as their names say."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from backends.base import Choice, Variant
from backends.numpy import NumpyBackend
from backends.numpy.trainer import NumpyTrainer
from tasks.base import Batch, Preset, Task, loss_value


@dataclass(frozen=True, kw_only=True)
class Echo(Task):
    """Say the last input again."""

    name: ClassVar[str] = "echo"
    summary: ClassVar[str] = "say the last input again"
    loss: ClassVar[str] = "mse"
    score_name: ClassVar[str] = "mse"
    presets: ClassVar[dict[str, Preset]] = {"smoke": Preset(steps=20, hidden=4, batch=8, evaluate_every=10)}

    length: int = 5

    steps_in = property(lambda self: self.length)
    inputs = property(lambda self: 1)
    outputs = property(lambda self: 1)
    readout = property(lambda self: "last")
    baseline = property(lambda self: {"mse": 1.0, "loss": 1.0})

    def size(self, split):
        return None if split == "train" else 16

    def batch(self, split, index, size):
        x = np.random.default_rng([index, len(split)]).standard_normal((size, self.length, 1))
        return Batch(x, x[:, -1])

    def score(self, predictions, batch):
        return {"mse": loss_value("mse", predictions, batch.y)}

    def solved(self, scores):
        return scores["mse"] < 0.5


class MadeUpTrainer(NumpyTrainer):
    """Misbehaves in training, once the gate is passed (the gate trains three batches)."""

    updates: ClassVar[int] = 0
    traced = 0

    def train(self, staged):
        losses = super().train(staged)
        MadeUpTrainer.updates += len(staged)
        if self.job.variant == "wrong":
            self.flat += 0.1
        if MadeUpTrainer.updates <= 3:
            return losses
        return getattr(self, "_" + self.job.variant.replace("-", "_"))(losses)

    def _good(self, losses):
        return losses

    _wrong = _good

    def _chatty(self, losses):
        print("a library says something on standard output")
        os.write(1, b"and so does its compiled core\n")
        return losses

    def _crash(self, losses):
        os.abort()

    def _killed(self, losses):
        os.kill(os.getpid(), signal.SIGKILL)

    def _slow(self, losses):
        time.sleep(0.1)
        return losses

    def _exits(self, losses):
        print("last words", file=sys.stderr)
        os._exit(7)

    def _hang(self, losses):
        time.sleep(3600)

    def _raises(self, losses):
        raise RuntimeError("something inside broke")

    def _recompiles(self, losses):
        self.traced += 1
        return losses

    def _diverges(self, losses):
        return losses * np.nan

    def _late(self, losses):
        """With blocks of one update: gate 3, first 1, three turns of 2 to find the block's size, the first round 2."""
        if MadeUpTrainer.updates > 12:
            os._exit(3)
        return losses

    def _fused(self, losses):
        assert len(losses) == self.job.chunk, "a fused programme is compiled for whole chunks"
        return losses

    def compilations(self):
        return self.traced


class MadeUpBackend(NumpyBackend):
    name = "madeup"
    distribution = "madeup"
    names = (
        "good", "wrong", "chatty", "crash", "killed", "exits", "hang", "raises", "recompiles", "diverges", "late",
        "fused",
    )  # fmt: skip

    def version(self):
        return "1.0"

    def precisions(self, device):
        return ("float32",)

    def variants(self, model, device):
        tiers = {"good": "default", "fused": "fused"}
        return [Variant(name, name, tiers.get(name, "best")) for name in self.names]

    def choose(self, job):
        return Choice("good", "made up")

    def build(self, job, parameters):
        return MadeUpTrainer(job, parameters, self.registry["hoisted"])


class HangingBackend(MadeUpBackend):
    name = "hanging"

    def choose(self, job):
        return Choice("hang", "made up")


class OnCudaBackend(MadeUpBackend):
    """Says that it computes on a GPU, and takes its time."""

    name = "oncuda"
    names = ("slow",)

    def devices(self):
        return {"cpu": None, "cuda": None}

    def choose(self, job):
        return Choice("slow", "made up")

    def start(self, job):
        return replace(super().start(replace(job, device="cpu")), device_name="Imaginary")

    def build(self, job, parameters):
        return super().build(replace(job, device="cpu"), parameters)

    def probes(self, job):
        return super().probes(replace(job, device="cpu"))


class UninstalledBackend(MadeUpBackend):
    name = "uninstalled"
    distribution = "a-framework-that-is-not-there"

    def version(self):
        import a_framework_that_is_not_there

        return a_framework_that_is_not_there.__version__
