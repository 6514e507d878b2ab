"""The variants of TensorFlow's backend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from backends import parts
from backends.job import Device, Job, ModelSpec, Precision
from backends.variants import Entry, VariantRegistry

#: Longest sequence for which Keras's layers can be unrolled.
LONGEST_UNROLLED = 128
#: What ``BlockLSTM`` computes in: it has neither float64 nor bfloat16.
BLOCK_PRECISIONS: tuple[Precision, ...] = ("float32", "tf32")


def keras_operator(model: ModelSpec, device: Device) -> str:
    """A pattern of the operator that computes Keras's layers on ``device``."""
    return "CudnnRNNV3$" if device == "cuda" and model.cell in ("lstm", "gru") else "While$"


def why_no_block(model: ModelSpec, device: Device) -> str | None:
    """Why ``BlockLSTM`` cannot compute the model on the device; None where it can."""
    del device
    return None if model.cell == "lstm" else "BlockLSTM computes no cell but the LSTM"


def why_not_unrolled(job: Job) -> str | None:
    """Why the job's sequences are too long to unroll; None where they are not."""
    if job.length <= LONGEST_UNROLLED:
        return None
    return f"unrolled over more than {LONGEST_UNROLLED} steps, it is traced for minutes"


def on_parts(whole: Entry, runs: str, summary: str, **changes: Any) -> Entry:
    """``whole`` on parts of the batch, a thread for each."""
    return replace(
        whole, name=f"{whole.name}-parts", tier="best", runs=runs, like=whole.name,
        summary=summary, keeps_freed_memory=True, parts=True, lacks=parts.why_not,
        devices=("cpu",), elsewhere="a thread for each part of the batch is of use on the CPU only", **changes,
    )  # fmt: skip


KERAS = Entry(
    name="keras", tier="default", runs=keras_operator,
    summary="keras.layers.SimpleRNN, LSTM or GRU: a while loop, or cuDNN (CUDA)",
    layers="backends.tensorflow.layers:StockLayer", trainer="backends.tensorflow.trainer:TensorflowTrainer",
)  # fmt: skip
UNROLLED = replace(
    KERAS, name="keras-unrolled", tier="best", like="keras", runs="MatMul, unrolled",
    summary="Keras's layers without a loop", layers="backends.tensorflow.layers:UnrolledLayer",
    keeps_freed_memory=True, lacks=why_not_unrolled,
)  # fmt: skip
BLOCK = replace(
    KERAS, name="block", tier="best", runs="BlockLSTM$", precisions=BLOCK_PRECISIONS, cannot=why_no_block,
    summary="the fused operator BlockLSTM", layers="backends.tensorflow.layers:BlockLayer", keeps_freed_memory=True,
)  # fmt: skip
XLA = replace(
    KERAS, name="xla", tier="best", runs="XLA While$",
    summary="the step compiled by XLA; input projection and weight gradient out of the loop",
    layers="backends.tensorflow.layers:LoopLayer", keeps_freed_memory=True,
)  # fmt: skip
KERAS_PARTS = on_parts(
    KERAS, r"While, \d+ parts$", "Keras's layers on parts of the batch, a thread for each", former=("keras-halves",)
)
BLOCK_PARTS = on_parts(
    BLOCK, r"BlockLSTM, \d+ parts$", "BlockLSTM on parts of the batch, a thread for each", former=("block-halves",)
)
XLA_PARTS = on_parts(
    XLA, r"XLA While, \d+ parts$", "xla on parts of the batch, a thread and a program for each",
    trainer="backends.tensorflow.parts_trainer:TensorflowPartsTrainer",
)  # fmt: skip
CHUNK = replace(
    XLA, name="chunk", tier="fused", one_piece=True, like="xla", runs="XLA updates in a loop, While",
    summary="xla, several updates in one compiled loop",
    trainer="backends.tensorflow.chunk_trainer:TensorflowChunkTrainer",
)  # fmt: skip

VARIANTS = VariantRegistry(KERAS, KERAS_PARTS, UNROLLED, BLOCK, BLOCK_PARTS, XLA, XLA_PARTS, CHUNK)

OWN_MODEL = Entry.of_own_models("backends.tensorflow.own:OwnTrainer", keeps_freed_memory=True)
