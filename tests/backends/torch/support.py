"""What the tests of the graph's trainer share."""

from __future__ import annotations

from typing import Any

from backends.conformance import start
from backends.job import Job, Parameters
from backends.torch.variants import VARIANTS


def f32(job: Job) -> Parameters:
    """The start of ``conformance`` in the type in which a trainer wants it."""
    return {name: p.astype("float32") for name, p in start(job).items()}


def graph_trainer(job: Job) -> Any:
    """A ``GraphTrainer`` around the job's variant, whatever the device."""
    from backends.torch.cuda_graph import GraphTrainer

    return GraphTrainer(job, f32(job), VARIANTS[job.variant])
