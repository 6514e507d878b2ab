"""The variants of JAX's backend."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from backends import parts
from backends.job import Cell, Device, ModelSpec
from backends.keras_layout import why_keras_is_elsewhere
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


def why_no_cell(library: str, has: dict[Cell, str], model: ModelSpec, device: Device) -> str | None:
    """Why a library cannot compute the model's cell: what it has in its place, where that is not None."""
    del device
    return f"{library} {has[model.cell]}" if model.cell in has else None


def rivals_products(model: ModelSpec, device: Device) -> str:
    """What a compiled step of another library's layers looks like, by the products in its backward loops.

    Each layer and direction has there the gradient with respect to h and, above the first layer, to x; where XLA leaves
    them in the loop, those of both weights too. ``scan`` has two of each. Keras's GRUs are different: one projects its
    input before the loop unless it is masked, the other has a product more. Of a single sequence XLA makes sums of some
    products, and it unrolls a loop of one step. On CUDA nobody looked yet.
    """
    if device == "cuda":
        return "XLA "
    layers = model.layers
    counts = {2 * layers - 1, 4 * layers - 1}
    if model.cell == "gru":
        counts |= {layers, 2 * layers}
    if model.cell == "gru-reset-before":
        counts = {3 * layers - 1, 6 * layers - 1}
    backward = "|".join(str(count * model.directions) for count in sorted(counts))
    return rf"XLA (while, \d+ \+ ({backward})|while, 0 \+ [01]|unrolled, \d+ \+ \d+) products in it"


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

#: Layers of other libraries in the step of ``scan``: see decision 40.
EQUINOX = replace(
    SCAN, name="equinox", needs="equinox", extra="rivals", layers="backends.jax.rivals:equinox_layers",
    summary="equinox.nn.LSTMCell or GRUCell in lax.scan under jax.vmap, as Equinox's documentation shows",
    runs=rivals_products,
    cannot=partial(why_no_cell, "Equinox", {
        "rnn": "has no plain RNN", "gru-reset-before": "has the GRU that resets after the product alone",
    }),
)  # fmt: skip
FLAX = replace(
    SCAN, name="flax", needs="flax", extra="rivals", layers="backends.jax.rivals:flax_layers",
    summary="flax.nnx.RNN of OptimizedLSTMCell or SimpleCell", runs=rivals_products,
    cannot=partial(why_no_cell, "Flax NNX", {
        "gru": "has no recurrent bias in its GRU, which inside the reset product is not the input's",
        "gru-reset-before": "has the GRU that resets after the product alone",
    }),
)  # fmt: skip
KERAS = replace(
    SCAN, name="keras", needs="keras", extra="rivals", layers="backends.jax.rivals:keras_layers",
    summary="SimpleRNN, LSTM or GRU of Keras on JAX, through stateless_call",
    runs=rivals_products, lacks=partial(why_keras_is_elsewhere, "jax"),
    precisions=("float32", "bfloat16"),  # on JAX its tanh computes in float32 whatever the layer's type
)  # fmt: skip

VARIANTS = VariantRegistry(SCAN, EQUINOX, FLAX, KERAS, DEFERRED_DW, PARTS, GRAPH, UNROLLED, CUDNN, CHUNK)

OWN_MODEL = Entry.of_own_models("backends.jax.own:OwnTrainer", keeps_freed_memory=True)
