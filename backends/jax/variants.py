"""The variants of JAX's backend."""

from __future__ import annotations

from dataclasses import replace

from backends import parts
from backends.job import Device, ModelSpec
from backends.variants import Entry, VariantRegistry

#: As many products in the loop of the backward pass as in that of the forward pass: none of them is a weight's
#: gradient. Of a single sequence there are none in the backward pass, where XLA makes sums of them. Where XLA unrolls
#: the whole of a short loop, the forward pass has fewer: XLA leaves out a product with the first state, zero.
PRODUCTS = r"(while, (\d+) \+ (\2|0)|unrolled, \d+ \+ \d+) products in it"

TRAINER = "backends.jax.trainer:JaxTrainer"


def why_no_cudnn(model: ModelSpec, device: Device) -> str | None:
    """JAX has one of its layers."""
    if device == "cpu" or model.cell == "lstm":
        return None
    return "of cuDNN's layers JAX has the LSTM alone"


SCAN = Entry(
    name="scan",
    summary="lax.scan over time, input projection hoisted out of it",
    tier="default",
    layers="backends.jax.layers:scan_layers",
    trainer=TRAINER,
    runs="XLA ",
)
DEFERRED_DW = Entry(
    name="deferred-dw",
    former=("late-dw",),
    summary="the same scan with a backward pass written by hand: dW_hh is one GEMM after its loop",
    tier="best",
    layers="backends.jax.layers:deferred_dw_layers",
    trainer=TRAINER,
    runs=rf"XLA {PRODUCTS}(?!.* in command buffers)",
    keeps_freed_memory=True,
)
PARTS = replace(
    DEFERRED_DW,
    name="parts",
    former=("halves",),
    summary="deferred-dw on parts of the batch, a thread and a program for each",
    trainer="backends.jax.parts_trainer:JaxPartsTrainer",
    runs=rf"XLA {PRODUCTS}.*, \d+ parts$",
    like="deferred-dw",
    parts=True,
    devices=("cpu",),
    elsewhere="a thread for each part of the batch is of use on the CPU only",
    lacks=parts.why_not,
)
GRAPH = replace(
    DEFERRED_DW,
    name="deferred-dw-graph",
    former=("late-dw-graph",),
    summary="deferred-dw with its loops in CUDA graphs, which is not XLA's default: no launch at every step",
    trainer="backends.jax.command_buffers:JaxCommandBufferTrainer",
    runs=rf"XLA {PRODUCTS}, [1-9]\d* of \d+ loops in command buffers",
    like="deferred-dw",
    devices=("cuda",),
    elsewhere="CUDA graphs are on CUDA only",
)
UNROLLED = replace(
    DEFERRED_DW,
    name="unrolled",
    former=(),
    summary="deferred-dw, four steps in each turn of the loop",
    layers="backends.jax.layers:unrolled_layers",
    runs=rf"XLA {PRODUCTS}",
    like="deferred-dw",
)
CUDNN = Entry(
    name="cudnn",
    summary="cuDNN's LSTM through jax.experimental.rnn: all layers and directions in one call",
    tier="best",
    layers="backends.jax.layers:cudnn_layers",
    trainer=TRAINER,
    runs="XLA, (.*, )?cudnn_rnn_bwd_ffi, cudnn_rnn_ffi",
    precisions=("float32",),
    keeps_freed_memory=True,
    devices=("cuda",),
    elsewhere="cuDNN is on CUDA only",
    cannot=why_no_cudnn,
)
CHUNK = replace(
    DEFERRED_DW,
    name="chunk",
    former=(),
    summary="deferred-dw, several updates in one compiled loop",
    tier="fused",
    trainer="backends.jax.chunk_trainer:JaxChunkTrainer",
    runs=rf"XLA updates in a loop, {PRODUCTS}",
    like="deferred-dw",
)

VARIANTS = VariantRegistry(SCAN, DEFERRED_DW, PARTS, GRAPH, UNROLLED, CUDNN, CHUNK)
