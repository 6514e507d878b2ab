"""TensorFlow imported without JAX, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("jax")

SCRIPT = """
import sys
{before}
from backends.tensorflow import TensorflowBackend
TensorflowBackend().version()
import tensorflow, keras
print("jax" in sys.modules)
import jax
print(jax.__name__)
"""


@pytest.mark.parametrize(("before", "there"), [("", False), ("import jax", True)], ids=["not-asked-for", "asked-for"])
def test_jax_is_there_where_it_was_asked_for(before: str, there: bool) -> None:
    """And can be imported afterwards."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(before=before)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(there), "jax"]
