"""Fixtures of the middle floor's tests."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

#: XLA's options for a program that is compiled in a fifth of the time, and slower to run.
QUICKLY: dict[str, Any] = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_backend_optimization_level": 0,
    "xla_cpu_parallel_codegen_split_count": 1,
}
#: Tests whose programs are compiled as in a run: each variant, cell and precision meets the reference in one of them,
#: and what is said of the compiled program itself is said of that.
AS_IN_A_RUN = ("after_20_adam_steps", "a_coarse_precision", "test_a_chunk_equals_its_parts", "what_executed")


@pytest.fixture(scope="session")
def _what_jax_compiled_is_kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    """From here on XLA compiles no program twice in this process."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("jax")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@pytest.fixture(autouse=True)
def _jax_compiles_no_more_than_a_test_needs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling is most of what the public suite does with JAX."""
    if "Jax" not in request.node.nodeid or not find_spec("jax"):
        return
    request.getfixturevalue("_what_jax_compiled_is_kept")
    if not any(name in request.node.name for name in AS_IN_A_RUN):
        monkeypatch.setattr("backends.jax.trainer.JaxTrainer._options", lambda self: QUICKLY)
