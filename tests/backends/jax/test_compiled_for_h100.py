"""JAX's training steps compiled for an H100, without one: XLA compiles for a GPU from its description. Nothing runs.

Needs JAX's plugin for CUDA (``pip install jax[cuda13]``), not a GPU.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any

import pytest

from backends.base import installed
from backends.conformance import DEEPEST, a_job, some_batches, start
from backends.jax import PLUGINS, JaxBackend
from backends.job import Cell, Job, Precision
from backends.parameters import InitialisationSpec, initial

jax = pytest.importorskip("jax")
pytestmark = pytest.mark.skipif(not installed(*PLUGINS), reason="JAX's plugin for CUDA is not installed")
# Read when JAX first looks for devices, which is after all tests are collected. Without it, the plugin looks for a
# driver and is not loaded where there is none.
os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")

backend = JaxBackend()
#: As XLA writes it into its dumps.
H100 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152 shared_memory_per_core: 233472
  threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128 block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535 block_dim_limit_z: 65535 memory_bandwidth: 3352320000000 l2_cache_size: 52428800
  clock_rate_ghz: 1.98 device_memory_size: 84942979072 shared_memory_per_block_optin: 232448
  cuda_compute_capability { major: 9 } registers_per_core_limit: 65536 registers_per_block_limit: 65536
  driver_version: "13.0.0" runtime_version: "13.0.0" compile_time_toolkit_version: "13.0.0" dnn_version: "9.10.0"
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 patch: 0 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


@pytest.fixture(scope="module")
def h100() -> Any:
    """Where to place arguments, so that they are compiled for it."""
    from jax.experimental import topologies
    from jax.sharding import SingleDeviceSharding

    topology = topologies.get_topology_desc("h100", "cuda", topology="1x1x1", target_config=H100)
    return SingleDeviceSharding(topology.devices[0])


def described(job: Job, h100: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The trainer of a job on CUDA, its arrays on the CPU and its programs compiled for the GPU that is described."""
    backend.start(replace(job, device="cpu"))
    parameters = {name: p.astype(job.dtype) for name, p in start(job).items()}
    trainer: Any = backend.build(replace(job, device="cpu"), parameters)
    trainer.job = replace(job, device="cuda")

    def lowered(function: Any, arguments: Any, donate: tuple[int, ...]) -> Any:
        on_h100 = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=h100), arguments)
        return jax.jit(function, donate_argnums=donate).trace(*on_h100).lower(lowering_platforms=("cuda",))

    options = trainer._options
    monkeypatch.setattr(trainer, "_lowered", lowered)
    # Deterministic products are cuBLAS's. Choosing between them and Triton's needs a GPU, so leave no choice.
    monkeypatch.setattr(trainer, "_options", lambda: {**options(), "xla_gpu_enable_triton_gemm": False})
    if job.variant == "cudnn":  # only cuDNN can tell how much memory it needs, and it needs a GPU for that
        from jax.experimental import rnn

        sizes = "compute_rnn_workspace_reserve_space_sizes"
        monkeypatch.setattr(rnn.gpu_rnn, sizes, lambda *_: (4096, 4096))
    return trainer


STEPS: list[tuple[Cell, str, Precision]] = [
    *(("lstm", v, "float32") for v in ("scan", "deferred-dw", "deferred-dw-graph", "unrolled", "cudnn", "chunk")),
    *((cell, "deferred-dw", "float64") for cell in ("rnn", "gru", "gru-reset-before")),
    ("lstm", "deferred-dw", "bfloat16"),
    ("gru-reset-before", "deferred-dw-graph", "float64"),
]


@pytest.mark.parametrize(("cell", "variant", "precision"), STEPS, ids=map("-".join, STEPS))
def test_what_executed_finds_is_what_the_variants_name_says(
    cell: Cell, variant: str, precision: Precision, h100: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the conformance suite's deepest network."""
    job = a_job(cell, DEEPEST, device="cuda", variant=variant, precision=precision)
    executed = described(job, h100, monkeypatch).executed(some_batches(job, 1)[0].astype(job.dtype))
    patterns = {each.name: each.runs for each in backend.variants(job.model, "cuda")}
    assert re.match(patterns[variant], executed), executed
    others = {"scan": ("deferred-dw", "cudnn", "chunk"), "cudnn": ("deferred-dw",), "deferred-dw": ("cudnn",)}
    for other in others.get(variant, ()):
        assert not re.match(patterns[other], executed), (other, executed)


@pytest.mark.parametrize(("precision", "wanted"), [("float32", "HIGHEST"), ("tf32", "HIGH")])
def test_float32_products_are_ieee_and_those_of_tf32_are_not(
    precision: Precision, wanted: str, h100: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XLA gives cuBLAS TF32 for all but the highest precision. Products so small that they stay outside it aside."""
    job = a_job("lstm", 0, device="cuda", variant="deferred-dw", precision=precision, batch=16, length=20)
    job = replace(job, model=replace(job.model, hidden=32))
    trainer = described(job, h100, monkeypatch)
    [staged] = trainer.stage([some_batches(job, 1)[0].astype(job.dtype)])
    text = trainer._program(staged).as_text()
    found = re.findall(r'"operand_precision":\["(\w+)","(\w+)"\],"algorithm":"(\w+)"', text)
    assert len(found) >= 4, "one product forward, one backward, and the weights' gradients"
    assert set(found) == {(wanted, wanted, "ALG_UNSET")}


def test_a_deterministic_job_asks_xla_for_it() -> None:
    job = a_job("rnn", variant="scan", precision="float64")
    trainer: Any = backend.build(job, initial(job.model, InitialisationSpec(), seed=0))
    asked = [replace(job, device=device, deterministic=yes) for device in ("cpu", "cuda") for yes in (False, True)]
    options = []
    for trainer.job in asked:
        options.append(trainer._options())
    assert options == [{}, {}, {}, {"xla_gpu_deterministic_ops": True}]
