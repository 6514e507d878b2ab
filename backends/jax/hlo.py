"""What a compiled program computes, read from the text of its HLO, XLA's intermediate representation."""

from __future__ import annotations

import re


def described(text: str) -> str:
    """In a few words: the program's loop, the products in it (forward + backward pass), the kernels that it calls."""
    products = re.findall(r' (?:dot|custom-call)\(.*op_name="([^"]*jvp\([^"]*while/body/[^"]*dot_general)"', text)
    backward = sum("transpose(jvp" in name for name in products)
    updates = "updates in a loop, " if re.search(r'while/body/[^"]*jvp\(', text) else ""
    calls = sorted(set(re.findall(r'custom_call_target="([^"]+)"', text)))
    if any(call.startswith("cudnn_rnn") for call in calls):
        return ", ".join(["XLA", *calls])
    loop = "while" if " while(" in text else "unrolled"  # XLA unrolls some loops unasked
    return ", ".join([f"XLA {updates}{loop}, {len(products) - backward} + {backward} products in it", *calls])
