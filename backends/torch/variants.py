"""The variants of PyTorch's backend."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from backends import allocator, parts
from backends.job import Device, Job, ModelSpec
from backends.keras_layout import why_keras_is_elsewhere
from backends.torch.toolchain import why_no_compiler
from backends.variants import Entry, Pattern, VariantRegistry

#: The kernels of the replay where a profiler shows them; elsewhere, that the replay changed parameters.
REPLAYED = r"CUDA graph \((cudaGraphLaunch, [1-9]\d* kernels|updates; no CUPTI to see its kernels)\) of "
BY_HAND = r"Python loop of \S+, backward pass by hand"


def stock_operator(model: ModelSpec, device: Device) -> str:
    """A pattern of the operators that compute a stock layer on ``device``."""
    return "aten::_cudnn_rnn" if device == "cuda" else r"aten::(mkldnn_rnn_layer|lstm|gru|rnn_tanh)"


def why_no_stock_layer(model: ModelSpec, device: Device) -> str | None:
    """Why no stock layer computes the model's cell; None where one does."""
    return "PyTorch has no stock layer for it" if model.cell == "gru-reset-before" else None


def why_not_kept(model: ModelSpec, device: Device) -> str | None:
    """Why no stock layer can run with freed memory kept; None where one can."""
    return why_no_stock_layer(model, device) or (allocator.why_not() if device == "cpu" else None)


def why_no_stock_compiled(model: ModelSpec, device: Device) -> str | None:
    """Why ``torch.compile`` cannot be put around a stock layer; None where it can."""
    return why_no_stock_layer(model, device) or why_no_compiler(device)


def keras_operator(model: ModelSpec, device: Device) -> str:
    """A pattern of what computes a Keras layer: cuDNN for some of them, else a loop."""
    loop = r"Python loop of \S+, by autograd"
    return f"aten::_cudnn_rnn|{loop}" if device == "cuda" else loop


def why_not_compiled(model: ModelSpec, device: Device) -> str | None:
    """Why nothing can be fused: no element-wise work, or no compiler; None where it can."""
    if model.cell == "rnn":
        return "a plain RNN's step has one element-wise operation: nothing to fuse"
    return why_no_compiler(device)


def why_not_captured(job: Job) -> str | None:
    """Why the update cannot be captured, as it reads something on the host; None where it can."""
    if job.variable or job.loss == "ctc":
        return "lengths and CTC's labels are read on the host, which a CUDA graph cannot do"
    return None


def on_graph(eager: Entry, name: str, runs: Pattern, former: tuple[str, ...] = ()) -> Entry:
    """``eager`` with its whole update captured once in a CUDA graph, and replayed for each batch."""
    return replace(
        eager, name=name, tier="best", runs=runs, former=former, trainer="backends.torch.cuda_graph:GraphTrainer",
        summary=f"{eager.name}, the whole update captured once in a CUDA graph and replayed",
        keeps_freed_memory=True, one_piece=True, lacks=why_not_captured,
        devices=("cuda",), elsewhere="CUDA graphs are replayed on CUDA only",
    )  # fmt: skip


NN = Entry(
    name="nn", tier="default", runs=stock_operator, cannot=why_no_stock_layer,
    summary="nn.RNN, nn.LSTM or nn.GRU: oneDNN (LSTM on CPU), cuDNN (CUDA)",
    layers="backends.torch.layers:StockLayers", trainer="backends.torch.trainer:TorchTrainer",
)  # fmt: skip
NN_KEPT = replace(
    NN, name="nn-kept", tier="best", like="nn", cannot=why_not_kept,
    runs=lambda model, device: f"{stock_operator(model, device)}, freed memory kept$",
    summary="the same layers; freed memory stays with the process", keeps_freed_memory=True,
    devices=("cpu",), elsewhere="it is about the host's memory",
)  # fmt: skip
NN_PARTS = replace(
    NN_KEPT, name="nn-parts", parts=True, lacks=parts.why_not,
    runs=lambda model, device: rf"{stock_operator(model, device)}, ([2-9]|\d\d+) parts, freed memory kept$",
    summary="nn on parts of the batch, a thread for each",
    trainer="backends.torch.parts_trainer:TorchPartsTrainer",
    elsewhere="a GPU shares each step among its own threads",
)  # fmt: skip
LOOP = Entry(
    name="loop", tier="best", runs=r"Python loop of \S+, by autograd", keeps_freed_memory=True,
    summary="a Python loop over time, input projection hoisted out of it",
    layers="backends.torch.layers:LoopLayers", trainer="backends.torch.trainer:TorchTrainer",
)  # fmt: skip
DEFERRED_DW = replace(
    LOOP, name="deferred-dw", former=("late-dw",), runs=f"{BY_HAND}(,|$)(?!.*TorchInductor)",
    summary="a loop with its backward pass by hand, in place: dW_hh is one GEMM after it",
    layers="backends.torch.deferred_dw:DeferredDwLayers",
)  # fmt: skip
DEFERRED_DW_PARTS = replace(
    DEFERRED_DW, name="deferred-dw-parts", former=(), like="deferred-dw", parts=True, lacks=parts.why_not,
    runs=rf"{BY_HAND}, ([2-9]|\d\d+) parts", summary="deferred-dw on parts of the batch, a thread for each",
    trainer=NN_PARTS.trainer, devices=("cpu",), elsewhere=NN_PARTS.elsewhere,
)  # fmt: skip
COMPILED = replace(
    LOOP, name="compiled", runs=f"{BY_HAND}, gates by TorchInductor", cannot=why_not_compiled,
    summary="deferred-dw, its element-wise work fused by torch.compile",
    layers="backends.torch.compiled:CompiledLayers", trainer="backends.torch.compiled:CompiledTrainer",
)  # fmt: skip
NN_COMPILED = replace(
    NN, name="nn-compiled", cannot=why_no_stock_compiled,
    runs=lambda model, device: f"{stock_operator(model, device)}, (no|in a) graph of TorchInductor",
    summary="torch.compile around nn.RNN, nn.LSTM or nn.GRU, with its default settings",
    layers="backends.torch.rivals:CompiledStockLayers", trainer="backends.torch.rivals:CompiledStockTrainer",
)  # fmt: skip
CELL_LOOP = replace(
    NN, name="cell-loop", runs=r"Python loop of \S+_cell, by autograd",
    summary="a loop of nn.RNNCell, nn.LSTMCell or nn.GRUCell, one call per step",
    layers="backends.torch.rivals:CellLayers",
)  # fmt: skip
KERAS = replace(
    NN, name="keras", cannot=lambda model, device: None, runs=keras_operator, needs="keras", extra="rivals",
    lacks=partial(why_keras_is_elsewhere, "torch"),
    precisions=("float32", "tf32", "bfloat16"),  # on PyTorch its products of float64 are float32
    summary="SimpleRNN, LSTM or GRU of Keras 3 on PyTorch, in the eager step",
    layers="backends.torch.rivals:KerasLayers", trainer="backends.torch.rivals:KerasTrainer",
)  # fmt: skip
GRAPH = on_graph(NN, "graph", lambda model, device: REPLAYED + stock_operator(model, device))
GRAPH_DEFERRED_DW = on_graph(DEFERRED_DW, "graph-deferred-dw", f"{REPLAYED}{BY_HAND}", ("graph-late-dw",))

VARIANTS = VariantRegistry(
    NN,
    NN_COMPILED,
    CELL_LOOP,
    KERAS,
    NN_KEPT,
    NN_PARTS,
    DEFERRED_DW,
    DEFERRED_DW_PARTS,
    COMPILED,
    LOOP,
    GRAPH,
    GRAPH_DEFERRED_DW,
)

OWN_MODEL = Entry.of_own_models("backends.torch.own:OwnTrainer", keeps_freed_memory=True)
