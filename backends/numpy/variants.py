"""The variants of NumPy's backend."""

from __future__ import annotations

from backends import parts
from backends.variants import Entry, VariantRegistry

TRAINER = "backends.numpy.trainer:NumpyTrainer"

VARIANTS = VariantRegistry(
    Entry(
        name="textbook",
        summary="a Python loop over time, a matrix per gate, gradients added up per step",
        tier="default",
        layers="backends.numpy.textbook:LAYERS",
        trainer=TRAINER,
        runs=r"Python loop of textbook \S+,",
    ),
    Entry(
        name="hoisted",
        summary="one recurrent GEMM per step; input projection and weight gradients are one GEMM each "
        "outside the loop; preallocated, in place",
        tier="best",
        layers="backends.numpy.cells:LAYERS",
        trainer=TRAINER,
        runs=r"Python loop of cells \S+, [^,]+$",
    ),
    Entry(
        name="parts",
        former=("halves",),
        summary="hoisted, with a thread for each part of the batch",
        tier="best",
        layers="backends.numpy.cells:LAYERS",
        trainer=TRAINER,
        runs=r"Python loop of cells \S+, [^,]+, \d+ parts",
        like="hoisted",
        parts=True,
        devices=("cpu",),
        elsewhere="CuPy has threads of its own",
        lacks=parts.why_not,
    ),
    Entry(
        name="numba",
        summary="the same, its element-wise work and its loop compiled by numba",
        tier="best",
        layers="backends.numpy.numba_kernels:LAYERS",
        trainer="backends.numpy.numba_kernels:NumbaTrainer",
        runs=r"numba loop \([1-9]",
        precisions=("float32",),
        parts=True,
        devices=("cpu",),
        elsewhere="numba computes on the CPU",
        extra="numba",
    ),
    Entry(
        name="kernels",
        summary="hoisted, the element-wise work of a step in one CUDA kernel of our own, through CuPy",
        tier="best",
        layers="backends.numpy.cuda_kernels:LAYERS",
        trainer=TRAINER,
        runs=r"Python loop of kernels cupy\.dot, cuBLAS$",
        devices=("cuda",),
        elsewhere="its kernels are for CUDA only",
    ),
)
