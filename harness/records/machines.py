"""Machines by a name that says nothing personal: what they compute with, as records describe it."""

from __future__ import annotations

import re
from typing import Final

from harness.records.base import Environment

#: In a processor's name, what tells no two apart.
_NOISE: Final = re.compile(r"\((r|tm|c)\)|\b(cpu|processor|with .* graphics)\b|@", re.IGNORECASE)
_LONGEST: Final = 80


def slug(environment: Environment) -> str:
    """A machine as one word for a file's or a folder's name: its processor, how many CPUs it has, and the GPU if
    one was used, as in ``amd-epyc-2-cpus`` or ``intel-xeon-platinum-8480-64-cpus-nvidia-h200``.

    Machines of one kind share it, on purpose: their figures may be compared, and it names nobody. Whatever a record
    says, it is small letters, digits, dots and hyphens, begins with a letter or digit, and leads to no other folder.
    """
    cpus = f"{environment.logical_cpus} cpus" if environment.logical_cpus != 1 else "1 cpu"
    device = environment.device_name or environment.gpu.get("name") or ""
    processor = _NOISE.sub(" ", environment.cpu)
    return "-".join(filter(None, map(_word, (processor, cpus, device))))


def _word(text: str) -> str:
    plain = re.sub(r"[^a-z0-9.]+", "-", text.lower())
    return re.sub(r"\.{2,}", ".", plain).strip("-.")[:_LONGEST].strip("-.")
