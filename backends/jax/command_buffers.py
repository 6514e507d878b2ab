"""Loops in CUDA graphs, which XLA calls command buffers: the options that ask for them, and how many it made."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from backends.jax.trainer import JaxTrainer
from tasks.base import Batch

OPTIONS: dict[str, Any] = {
    # XLA's default (jaxlib 0.10 and 0.11), and loops. A compile option takes the whole list: "+WHILE" is understood in
    # XLA_FLAGS only, which hold for the whole process.
    "xla_gpu_enable_command_buffer": "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,DYNAMIC_SLICE_FUSION,CONDITIONAL,WHILE",
    # Without it a loop that copies a slice indexed by its counter stays outside, as those of the forward pass do.
    "xla_gpu_command_buffer_unroll_loops": True,
}


class JaxCommandBufferTrainer(JaxTrainer):
    """The training step compiled with ``OPTIONS``: its loops launched once, not step by step."""

    def executed(self, batch: Batch) -> str:
        """As in ``JaxTrainer``, with how many of its loops are in command buffers."""
        [staged] = self.stage([batch])
        lowered = self._lowered(*self._training(staged))
        inside, loops = loops_in_command_buffers(lowered, self._options())
        return f"{super().executed(batch)}, {inside} of {loops} loops in command buffers"

    def _options(self) -> dict[str, Any]:
        return super()._options() | OPTIONS


def loops_in_command_buffers(lowered: Any, options: dict[str, Any]) -> tuple[int, int]:
    """How many loops of a program are in command buffers, and how many it has; (0, 0) where XLA does not say.

    XLA decides that after the HLO that a compiled program shows. So the program is compiled once more, to read the
    launches that XLA then writes to a file.
    """
    with TemporaryDirectory() as folder:
        lowered.compile({**options, "xla_dump_to": folder})
        written = list(Path(folder).glob("*.thunk_sequence_after_thunk_passes.txt"))
        return counted(written[0].read_text()) if written else (0, 0)


def counted(launches: str) -> tuple[int, int]:
    """The same from XLA's text: one launch per line, its kind after its number, what it contains indented below it."""
    inside = loops = 0
    around: list[tuple[int, str]] = []
    for indent, kind in re.findall(r"^( *)\d+: k(\w+)", launches, re.MULTILINE):
        around = [(outer, name) for outer, name in around if outer < len(indent)]
        loops += kind == "While"
        inside += kind == "While" and any(name == "CommandBuffer" for _, name in around)
        around.append((len(indent), kind))
    return inside, loops
