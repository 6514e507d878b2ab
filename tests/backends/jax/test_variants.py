"""JAX's registry of variants. Nothing here imports JAX."""

from __future__ import annotations

import re

import pytest

from backends.base import Unsupported
from backends.conformance import a_job
from backends.jax import JaxBackend

backend = JaxBackend()


def test_a_variant_is_what_executed_says() -> None:
    """With texts seen where XLA compiled these steps for CUDA."""
    patterns = {variant.name: variant.runs for variant in backend.variants(a_job().model, "cuda")}
    in_graph, none = (f"XLA while, 4 + 4 products in it, {n} of 8 loops in command buffers" for n in (8, 0))
    assert re.match(patterns["deferred-dw-graph"], in_graph)
    assert not re.match(patterns["deferred-dw-graph"], none)
    assert not re.match(patterns["deferred-dw"], in_graph)
    assert re.match(patterns["cudnn"], "XLA, __cublas$lt$matmul, cudnn_rnn_bwd_ffi, cudnn_rnn_ffi")


@pytest.mark.parametrize(("products", "is_it"), [("1 + 1", True), ("4 + 0", True), ("1 + 2", False), ("0 + 1", False)])
def test_deferred_dw_has_no_product_for_the_weights_gradient_in_its_loop(products: str, is_it: bool) -> None:
    """The last two are what ``scan`` shows, of a batch and of a single sequence."""
    found = f"while, {products} products in it"
    texts = {
        "deferred-dw": f"XLA {found}",
        "parts": f"XLA {found}, 2 parts",
        "chunk": f"XLA updates in a loop, {found}",
    }
    for variant in backend.variants(a_job().model, "cpu"):
        if variant.name in texts:
            assert bool(re.match(variant.runs, texts[variant.name])) is is_it, variant.name


@pytest.mark.parametrize("variant", ["cudnn", "deferred-dw-graph"])
def test_on_the_cpu_a_variant_for_cuda_says_why_not(variant: str) -> None:
    with pytest.raises(Unsupported, match=f"variant '{variant}': .* on CUDA only"):
        backend.resolve(a_job("lstm", variant=variant))


@pytest.mark.parametrize(
    ("device", "threads", "chosen"), [("cpu", 1, "deferred-dw"), ("cpu", 2, "parts"), ("cuda", 2, "deferred-dw")]
)
def test_auto_takes_parts_where_there_is_a_second_thread_for_them(device: str, threads: int, chosen: str) -> None:
    assert backend.choose(a_job(device=device, threads=threads)).variant == chosen
