"""The variants of PyTorch's backend."""

from __future__ import annotations

from dataclasses import replace

from backends import allocator
from backends.job import Device, Job, ModelSpec
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
COMPILED = replace(
    LOOP, name="compiled", runs=f"{BY_HAND}, gates by TorchInductor", cannot=why_not_compiled,
    summary="deferred-dw, its element-wise work fused by torch.compile",
    layers="backends.torch.compiled:CompiledLayers", trainer="backends.torch.compiled:CompiledTrainer",
)  # fmt: skip
GRAPH = on_graph(NN, "graph", lambda model, device: REPLAYED + stock_operator(model, device))
GRAPH_DEFERRED_DW = on_graph(DEFERRED_DW, "graph-deferred-dw", f"{REPLAYED}{BY_HAND}", ("graph-late-dw",))

VARIANTS = VariantRegistry(NN, NN_KEPT, DEFERRED_DW, COMPILED, LOOP, GRAPH, GRAPH_DEFERRED_DW)

OWN_MODEL = Entry.of_own_models("backends.torch.own:OwnTrainer", keeps_freed_memory=True)
