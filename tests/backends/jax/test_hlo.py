"""What a compiled program is, from lines as XLA writes them."""

from __future__ import annotations

import pytest

from backends.jax.hlo import described

LOOP = "  %while.1 = (s32[]) while((s32[]) %tuple), condition=%c, body=%b\n"
FORWARD = (
    '  %d = f32[5,16] dot(f32[5,4] %h, f32[4,16] %w), metadata={op_name="jit(_step)/jvp()/while/body/dot_general"}\n'
)
BACKWARD = FORWARD.replace("jvp()", "transpose(jvp())")
AFTER = FORWARD.replace("while/body/", "")
CALL = '  %e = f32[5,4] custom-call(f32[5,4] %x), custom_call_target="{}"\n'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LOOP + FORWARD + BACKWARD + AFTER, "XLA while, 1 + 1 products in it"),
        (LOOP + FORWARD + 2 * BACKWARD, "XLA while, 1 + 2 products in it"),
        (FORWARD + BACKWARD, "XLA unrolled, 1 + 1 products in it"),
        (LOOP + (FORWARD + BACKWARD).replace("jit(_step)/", "jit(_chunk)/while/body/"),
         "XLA updates in a loop, while, 1 + 1 products in it"),
        (LOOP + FORWARD + CALL.format("TopK"), "XLA while, 1 + 0 products in it, TopK"),
        (CALL.format("cudnn_rnn_ffi") + CALL.format("cudnn_rnn_bwd_ffi"), "XLA, cudnn_rnn_bwd_ffi, cudnn_rnn_ffi"),
    ],
)  # fmt: skip
def test_loop_products_and_kernels_are_named(text: str, found: str) -> None:
    assert described(text) == found
