"""Determinism of the process, put in force without what it does not need."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("torch")

#: Asks for determinism or not, and says what is in force, and what importing Inductor then finds.
SCRIPT = """
import sys
from backends.torch.runtime import _deterministic
import torch
for wanted in (True, False):
    _deterministic(wanted)
    assert torch.are_deterministic_algorithms_enabled() is wanted
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
_deterministic(True)
assert "torch._inductor" not in sys.modules
import torch._inductor.config as inductor
assert inductor.deterministic is True
_deterministic(False)
assert inductor.deterministic is False
"""


def test_determinism_is_in_force_without_importing_inductor_and_in_inductor_if_it_comes_later() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
