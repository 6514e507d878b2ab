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


def why_no_cudnn(model: ModelSpec, device: Device) -> str | None:
    """Why cuDNN cannot compute the model through JAX, which has only its LSTM."""
    if device == "cpu" or model.cell == "lstm":
        return None
    return "of cuDNN's layers JAX has the LSTM alone"


SCAN = Entry(
    name="scan", tier="default", runs="XLA ",
    summary="lax.scan over time, input projection hoisted out of it",
    layers="backends.jax.layers:scan_layers", trainer="backends.jax.trainer:JaxTrainer",
)  # fmt: skip
DEFERRED_DW = replace(
    SCAN, name="deferred-dw", former=("late-dw",), tier="best", runs=rf"XLA {PRODUCTS}(?!.* in command buffers)",
    summary="the same scan with a backward pass written by hand: dW_hh is one GEMM after its loop",
    layers="backends.jax.layers:deferred_dw_layers", keeps_freed_memory=True,
)  # fmt: skip
#: The same code in another arrangement.
LIKE = replace(DEFERRED_DW, name="", former=(), like="deferred-dw")
PARTS = replace(
    LIKE, name="parts", former=("halves",), runs=rf"XLA {PRODUCTS}.*, \d+ parts$",
    summary="deferred-dw on parts of the batch, a thread and a program for each",
    trainer="backends.jax.parts_trainer:JaxPartsTrainer", parts=True, lacks=parts.why_not,
    devices=("cpu",), elsewhere="a thread for each part of the batch is of use on the CPU only",
)  # fmt: skip
GRAPH = replace(
    LIKE, name="deferred-dw-graph", former=("late-dw-graph",),
    summary="deferred-dw with its loops in CUDA graphs, which is not XLA's default: no launch at every step",
    runs=rf"XLA {PRODUCTS}, [1-9]\d* of \d+ loops in command buffers",
    trainer="backends.jax.command_buffers:JaxCommandBufferTrainer",
    devices=("cuda",), elsewhere="CUDA graphs are on CUDA only",
)  # fmt: skip
UNROLLED = replace(
    LIKE, name="unrolled", runs=rf"XLA {PRODUCTS}",
    summary="deferred-dw, four steps in each turn of the loop", layers="backends.jax.layers:unrolled_layers",
)  # fmt: skip
CUDNN = replace(
    SCAN, name="cudnn", tier="best", runs="XLA, (.*, )?cudnn_rnn_bwd_ffi, cudnn_rnn_ffi", cannot=why_no_cudnn,
    summary="cuDNN's LSTM through jax.experimental.rnn: all layers and directions in one call",
    layers="backends.jax.layers:cudnn_layers", precisions=("float32",), keeps_freed_memory=True,
    devices=("cuda",), elsewhere="cuDNN is on CUDA only",
)  # fmt: skip
CHUNK = replace(
    LIKE, name="chunk", tier="fused", one_piece=True, runs=rf"XLA updates in a loop, {PRODUCTS}",
    summary="deferred-dw, several updates in one compiled loop",
    trainer="backends.jax.chunk_trainer:JaxChunkTrainer",
)  # fmt: skip

VARIANTS = VariantRegistry(SCAN, DEFERRED_DW, PARTS, GRAPH, UNROLLED, CUDNN, CHUNK)

OWN_MODEL = Entry.of_own_models("backends.jax.own:OwnTrainer", keeps_freed_memory=True)
