"""TensorFlow's variants, one entry each, and which of them ``auto`` stands for."""

from __future__ import annotations

from backends import parts
from backends.base import Choice
from backends.job import Device, Job, ModelSpec, Precision
from backends.variants import Entry, VariantRegistry

#: Longest sequence for which Keras's layers can be unrolled.
LONGEST_UNROLLED = 128
#: Up to SMALL hidden units the dispatch of operators dominates, from LARGE on matrix products do.
SMALL, LARGE = 64, 256
#: Up to so many steps, starting a second thread costs more than it computes.
SHORT = 16
#: What ``BlockLSTM`` computes in: it has neither float64 nor bfloat16.
BLOCK: tuple[Precision, ...] = ("float32", "tf32")

_TRAINER = "backends.tensorflow.trainer:TensorflowTrainer"
_NOT_PARTS = "a thread for each part of the batch is of use on the CPU only"


def _keras_runs(model: ModelSpec, device: Device) -> str:
    return "CudnnRNNV3$" if device == "cuda" and model.cell in ("lstm", "gru") else "While$"


def _why_no_block(model: ModelSpec, device: Device) -> str | None:
    del device
    return None if model.cell == "lstm" else "BlockLSTM computes no cell but the LSTM"


def _why_not_unrolled(job: Job) -> str | None:
    if job.length <= LONGEST_UNROLLED:
        return None
    return f"unrolled over more than {LONGEST_UNROLLED} steps, it is traced for minutes"


REGISTRY = VariantRegistry(
    Entry(
        name="keras",
        summary="keras.layers.SimpleRNN, LSTM or GRU: a while loop, or cuDNN (CUDA)",
        tier="default",
        layers="backends.tensorflow.layers:StockLayer",
        trainer=_TRAINER,
        runs=_keras_runs,
    ),
    Entry(
        name="keras-parts",
        former=("keras-halves",),
        summary="Keras's layers on parts of the batch, a thread for each",
        tier="best",
        layers="backends.tensorflow.layers:StockLayer",
        trainer=_TRAINER,
        runs=r"While, \d+ parts$",
        like="keras",
        devices=("cpu",),
        elsewhere=_NOT_PARTS,
        parts=True,
        keeps_freed_memory=True,
        lacks=parts.why_not,
    ),
    Entry(
        name="keras-unrolled",
        summary="Keras's layers without a loop",
        tier="best",
        layers="backends.tensorflow.layers:UnrolledLayer",
        trainer=_TRAINER,
        runs="MatMul, unrolled",
        like="keras",
        keeps_freed_memory=True,
        lacks=_why_not_unrolled,
    ),
    Entry(
        name="block",
        summary="the fused operator BlockLSTM",
        tier="best",
        layers="backends.tensorflow.layers:BlockLayer",
        trainer=_TRAINER,
        runs="BlockLSTM$",
        precisions=BLOCK,
        keeps_freed_memory=True,
        cannot=_why_no_block,
    ),
    Entry(
        name="block-parts",
        former=("block-halves",),
        summary="BlockLSTM on parts of the batch, a thread for each",
        tier="best",
        layers="backends.tensorflow.layers:BlockLayer",
        trainer=_TRAINER,
        runs=r"BlockLSTM, \d+ parts$",
        precisions=BLOCK,
        like="block",
        devices=("cpu",),
        elsewhere=_NOT_PARTS,
        parts=True,
        keeps_freed_memory=True,
        cannot=_why_no_block,
        lacks=parts.why_not,
    ),
    Entry(
        name="xla",
        summary="the step compiled by XLA; input projection and weight gradient out of the loop",
        tier="best",
        layers="backends.tensorflow.layers:LoopLayer",
        trainer=_TRAINER,
        runs="XLA While",
        keeps_freed_memory=True,
    ),
    Entry(
        name="chunk",
        summary="xla, several updates in one compiled loop",
        tier="fused",
        layers="backends.tensorflow.layers:LoopLayer",
        trainer="backends.tensorflow.chunk_trainer:TensorflowChunkTrainer",
        runs="XLA updates in a loop, While",
        like="xla",
        keeps_freed_memory=True,
    ),
)


def choose(job: Job) -> Choice:
    """The variant known to be the fastest for ``job``, and the measurement that says so."""
    model = job.model
    if job.device == "cuda":
        if model.cell in ("lstm", "gru"):
            return Choice("keras", "runs on cuDNN; expected to be the fastest, not measured")
        return Choice("xla", "no cuDNN kernel computes this cell in TensorFlow; not measured")
    if model.cell == "gru-reset-before":
        return Choice("xla", "measured about twice as fast as Keras, at every size")
    if job.loss == "ctc":
        return Choice("keras", "the CTC operator measured faster than the only form of it that XLA compiles")
    if model.hidden >= LARGE:
        return Choice("xla", f"measured 1.05 to 2 times as fast as Keras from {LARGE} hidden units on")
    has_parts = parts.why_not(job) is None
    if model.hidden > SMALL:
        if not has_parts:
            return Choice("keras", "no second part for a second thread")
        return Choice(
            "keras-parts", "measured 0.9 to 1.2 times as fast as Keras on the whole batch, at 128 hidden units"
        )
    if model.cell == "lstm" and job.precision == "float32":
        reason = f"measured fastest up to {SMALL} hidden units, where dispatching operators dominates"
        return Choice("block-parts" if has_parts and job.length > SHORT else "block", reason)
    return Choice("xla", f"measured as fast or faster up to {SMALL} hidden units, where dispatch dominates")
