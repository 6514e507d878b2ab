"""The variants of NumPy's backend."""

from __future__ import annotations

from dataclasses import replace

from backends import parts
from backends.numpy.native_library import why_no_compiler
from backends.variants import Entry, VariantRegistry

TEXTBOOK = Entry(
    name="textbook", tier="default", runs=r"Python loop of textbook \S+,",
    summary="a Python loop over time, a matrix per gate, gradients added up per step",
    layers="backends.numpy.textbook:LAYERS", trainer="backends.numpy.trainer:NumpyTrainer",
)  # fmt: skip
HOISTED = replace(
    TEXTBOOK, name="hoisted", tier="best", runs=r"Python loop of cells \S+, [^,]+$",
    summary="one recurrent GEMM per step; input projection and weight gradients are one GEMM each "
    "outside the loop; preallocated, in place",
    layers="backends.numpy.cells:LAYERS",
)  # fmt: skip
PARTS = replace(
    HOISTED, name="parts", former=("halves",), like="hoisted", runs=r"Python loop of cells \S+, [^,]+, \d+ parts",
    summary="hoisted, with a thread for each part of the batch",
    parts=True, lacks=parts.why_not, devices=("cpu",), elsewhere="CuPy has threads of its own",
)  # fmt: skip
NUMBA = replace(
    HOISTED, name="numba", runs=r"numba loop \([1-9]", precisions=("float32",), needs="numba", extra="numba",
    summary="the same, its element-wise work and its loop compiled by numba",
    layers="backends.numpy.numba_kernels:LAYERS", trainer="backends.numpy.numba_kernels:NumbaTrainer",
    parts=True, devices=("cpu",), elsewhere="numba computes on the CPU",
)  # fmt: skip
NATIVE = replace(
    HOISTED, name="native", runs=r"C loop \([^)]+\), ", precisions=("float32",),
    summary="the same, its loop in C of our own: the recurrent matrix packed once per pass, each block of units whole",
    layers="backends.numpy.native_kernels:LAYERS", trainer="backends.numpy.native_kernels:NativeTrainer",
    parts=True, cannot=lambda model, device: why_no_compiler(), devices=("cpu",), elsewhere="its kernels are C",
)  # fmt: skip
KERNELS = replace(
    HOISTED, name="kernels", runs=r"Python loop of kernels cupy\.dot, cuBLAS$",
    summary="hoisted, the element-wise work of a step in one CUDA kernel of our own, through CuPy",
    layers="backends.numpy.cuda_kernels:LAYERS", devices=("cuda",), elsewhere="its kernels are for CUDA only",
)  # fmt: skip

OWN_MODEL = Entry.of_own_models(
    "backends.numpy.own:OwnTrainer", devices=("cpu",), elsewhere="a cell of your own is NumPy's on the CPU alone"
)

VARIANTS = VariantRegistry(TEXTBOOK, HOISTED, PARTS, NUMBA, NATIVE, KERNELS)
