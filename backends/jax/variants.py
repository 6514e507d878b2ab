"""JAX's variants, one entry each, and which of them ``auto`` stands for."""

from __future__ import annotations

from backends import parts
from backends.base import Choice
from backends.job import Device, Job, ModelSpec
from backends.variants import Entry, VariantRegistry

#: As many products in the loop of the backward pass as in that of the forward pass: none of them is a weight's
#: gradient. Where XLA unrolls the whole of a short loop, the forward pass has fewer: XLA leaves out a product with the
#: first state, zero.
DEFERRED = r"(while, (\d+) \+ \2|unrolled, \d+ \+ \d+) products in it"

_TRAINER = "backends.jax.trainer:JaxTrainer"
_DEFERRED_DW = "backends.jax.layers:deferred_dw_layers"


def _why_no_cudnn(model: ModelSpec, device: Device) -> str | None:
    if device == "cpu" or model.cell == "lstm":
        return None
    return "of cuDNN's layers JAX has the LSTM alone"


REGISTRY = VariantRegistry(
    Entry(
        name="scan",
        summary="lax.scan over time, input projection hoisted out of it",
        tier="default",
        layers="backends.jax.layers:scan_layers",
        trainer=_TRAINER,
        runs="XLA ",
    ),
    Entry(
        name="deferred-dw",
        former=("late-dw",),
        summary="the same scan with a backward pass written by hand: dW_hh is one GEMM after its loop",
        tier="best",
        layers=_DEFERRED_DW,
        trainer=_TRAINER,
        runs=rf"XLA {DEFERRED}(?!.* in command buffers)",
        keeps_freed_memory=True,
    ),
    Entry(
        name="parts",
        former=("halves",),
        summary="deferred-dw on parts of the batch, a thread and a program for each",
        tier="best",
        layers=_DEFERRED_DW,
        trainer="backends.jax.parts_trainer:JaxPartsTrainer",
        runs=rf"XLA {DEFERRED}.*, \d+ parts$",
        like="deferred-dw",
        devices=("cpu",),
        elsewhere="a thread for each part of the batch is of use on the CPU only",
        parts=True,
        keeps_freed_memory=True,
        lacks=parts.why_not,
    ),
    Entry(
        name="deferred-dw-graph",
        former=("late-dw-graph",),
        summary="deferred-dw with its loops in CUDA graphs, which is not XLA's default: no launch at every step",
        tier="best",
        layers=_DEFERRED_DW,
        trainer="backends.jax.command_buffers:JaxCommandBufferTrainer",
        runs=rf"XLA {DEFERRED}, [1-9]\d* of \d+ loops in command buffers",
        like="deferred-dw",
        devices=("cuda",),
        elsewhere="CUDA graphs are on CUDA only",
        keeps_freed_memory=True,
    ),
    Entry(
        name="unrolled",
        summary="deferred-dw, four steps in each turn of the loop",
        tier="best",
        layers="backends.jax.layers:unrolled_layers",
        trainer=_TRAINER,
        runs=rf"XLA {DEFERRED}",
        like="deferred-dw",
        keeps_freed_memory=True,
    ),
    Entry(
        name="cudnn",
        summary="cuDNN's LSTM through jax.experimental.rnn: all layers and directions in one call",
        tier="best",
        layers="backends.jax.layers:cudnn_layers",
        trainer=_TRAINER,
        runs="XLA, (.*, )?cudnn_rnn_bwd_ffi, cudnn_rnn_ffi",
        precisions=("float32",),
        devices=("cuda",),
        elsewhere="cuDNN is on CUDA only",
        keeps_freed_memory=True,
        cannot=_why_no_cudnn,
    ),
    Entry(
        name="chunk",
        summary="deferred-dw, several updates in one compiled loop",
        tier="fused",
        layers=_DEFERRED_DW,
        trainer="backends.jax.chunk_trainer:JaxChunkTrainer",
        runs=rf"XLA updates in a loop, {DEFERRED}",
        like="deferred-dw",
        keeps_freed_memory=True,
    ),
)


def choose(job: Job) -> Choice:
    """The variant known to be the fastest for ``job``, and the measurement that says so."""
    if job.device == "cuda":
        return Choice("deferred-dw", "fewer operations per step of the backward pass than scan; not measured on CUDA")
    if parts.why_not(job):
        return Choice(
            "deferred-dw", "measured 1.3 to 2.2 times as fast as scan, LSTM and GRU; unrolling adds nothing to it"
        )
    return Choice(
        "parts",
        "measured on two threads 1.4 to 1.9 times as fast as deferred-dw up to 128 hidden units, 1.1 to 1.2 beyond",
    )
