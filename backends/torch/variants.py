"""The variants of PyTorch's backend."""

from __future__ import annotations

from backends import allocator
from backends.job import Device, Job, ModelSpec
from backends.torch.toolchain import why_no_compiler
from backends.variants import Entry, VariantRegistry

TRAINER = "backends.torch.trainer:TorchTrainer"
GRAPH_TRAINER = "backends.torch.cuda_graph:GraphTrainer"
STOCK_LAYERS = "backends.torch.layers:StockLayers"
DEFERRED_DW_LAYERS = "backends.torch.deferred_dw:DeferredDwLayers"

#: Where kernels can be seen, those of the replay are; where they cannot, it is seen to have made an update.
REPLAYED = r"CUDA graph \((cudaGraphLaunch, [1-9]\d* kernels|updates; no CUPTI to see its kernels)\) of "
BY_HAND = r"Python loop of \S+, backward pass by hand"
ONLY_CUDA = "CUDA graphs are replayed on CUDA only"


def stock_operator(model: ModelSpec, device: Device) -> str:
    """A pattern of the operators that compute a stock layer on ``device``."""
    return "aten::_cudnn_rnn" if device == "cuda" else r"aten::(mkldnn_rnn_layer|lstm|gru|rnn_tanh)"


def why_no_stock_layer(model: ModelSpec, device: Device) -> str | None:
    """PyTorch has no layer of one of the cells."""
    return "PyTorch has no stock layer for it" if model.cell == "gru-reset-before" else None


def why_not_kept(model: ModelSpec, device: Device) -> str | None:
    """A stock layer is needed, and on the CPU an allocator that can be told to keep freed memory."""
    return why_no_stock_layer(model, device) or (allocator.why_not() if device == "cpu" else None)


def why_not_compiled(model: ModelSpec, device: Device) -> str | None:
    """There must be something to fuse, and a compiler."""
    if model.cell == "rnn":
        return "a plain RNN's step has one element-wise operation: nothing to fuse"
    return why_no_compiler(device)


def why_not_captured(job: Job) -> str | None:
    """A captured update reads nothing on the host."""
    if job.variable or job.loss == "ctc":
        return "lengths and CTC's labels are read on the host, which a CUDA graph cannot do"
    return None


VARIANTS = VariantRegistry(
    Entry(
        name="nn",
        summary="nn.RNN, nn.LSTM or nn.GRU: oneDNN (LSTM on CPU), cuDNN (CUDA)",
        tier="default",
        layers=STOCK_LAYERS,
        trainer=TRAINER,
        runs=stock_operator,
        cannot=why_no_stock_layer,
    ),
    Entry(
        name="nn-kept",
        summary="the same layers; freed memory stays with the process",
        tier="best",
        layers=STOCK_LAYERS,
        trainer=TRAINER,
        runs=lambda model, device: f"{stock_operator(model, device)}, freed memory kept$",
        like="nn",
        keeps_freed_memory=True,
        devices=("cpu",),
        elsewhere="it is about the host's memory",
        cannot=why_not_kept,
    ),
    Entry(
        name="deferred-dw",
        former=("late-dw",),
        summary="a loop with its backward pass by hand, in place: dW_hh is one GEMM after it",
        tier="best",
        layers=DEFERRED_DW_LAYERS,
        trainer=TRAINER,
        runs=f"{BY_HAND}(,|$)(?!.*TorchInductor)",
        keeps_freed_memory=True,
    ),
    Entry(
        name="compiled",
        summary="deferred-dw, its element-wise work fused by torch.compile",
        tier="best",
        layers="backends.torch.compiled:CompiledLayers",
        trainer="backends.torch.compiled:CompiledTrainer",
        runs=f"{BY_HAND}, gates by TorchInductor",
        keeps_freed_memory=True,
        cannot=why_not_compiled,
    ),
    Entry(
        name="loop",
        summary="a Python loop over time, input projection hoisted out of it",
        tier="best",
        layers="backends.torch.layers:LoopLayers",
        trainer=TRAINER,
        runs=r"Python loop of \S+, by autograd",
        keeps_freed_memory=True,
    ),
    Entry(
        name="graph",
        summary="nn, the whole update captured once in a CUDA graph and replayed",
        tier="best",
        layers=STOCK_LAYERS,
        trainer=GRAPH_TRAINER,
        runs=lambda model, device: REPLAYED + stock_operator(model, device),
        keeps_freed_memory=True,
        devices=("cuda",),
        elsewhere=ONLY_CUDA,
        cannot=why_no_stock_layer,
        lacks=why_not_captured,
    ),
    Entry(
        name="graph-deferred-dw",
        former=("graph-late-dw",),
        summary="deferred-dw, the whole update captured once in a CUDA graph and replayed",
        tier="best",
        layers=DEFERRED_DW_LAYERS,
        trainer=GRAPH_TRAINER,
        runs=f"{REPLAYED}{BY_HAND}",
        keeps_freed_memory=True,
        devices=("cuda",),
        elsewhere=ONLY_CUDA,
        lacks=why_not_captured,
    ),
)
