"""Loops in CUDA graphs, which XLA calls command buffers: the options that ask for them, and a look at what it did."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

OPTIONS: dict[str, Any] = {
    # XLA's own choice (jaxlib 0.10 and 0.11), and loops. A compile option takes the whole list: "+WHILE" is understood
    # in XLA_FLAGS only, which is the whole process's.
    "xla_gpu_enable_command_buffer": "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,DYNAMIC_SLICE_FUSION,CONDITIONAL,WHILE",
    # Without it a loop that copies a slice by its own counter stays outside, as those of the way there do.
    "xla_gpu_command_buffer_unroll_loops": True,
}


def loops_in_graphs(lowered: Any, options: dict[str, Any]) -> tuple[int, int]:
    """How many loops of a programme are in command buffers, and how many it has.

    XLA decides that after the HLO that a compiled programme shows: so compile it once more, and read the launches that
    XLA then writes down. (0, 0) where it writes none.
    """
    with TemporaryDirectory() as folder:
        lowered.compile({**options, "xla_dump_to": folder})
        written = list(Path(folder).glob("*.thunk_sequence_after_thunk_passes.txt"))
        return counted(written[0].read_text()) if written else (0, 0)


def counted(launches: str) -> tuple[int, int]:
    """The same from XLA's text: a launch to a line, its kind after its number, what belongs to it indented below it."""
    inside = loops = 0
    around: list[tuple[int, str]] = []
    for indent, kind in re.findall(r"^( *)\d+: k(\w+)", launches, re.MULTILINE):
        around = [(outer, name) for outer, name in around if outer < len(indent)]
        loops += kind == "While"
        inside += kind == "While" and any(name == "CommandBuffer" for _, name in around)
        around.append((len(indent), kind))
    return inside, loops
