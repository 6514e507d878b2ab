"""Fixtures of the middle floor's tests."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _three_trainers_share_what_jax_compiles(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """In tests that train one job several times over, XLA need not compile the same program for each trainer."""
    if "Jax" not in request.node.nodeid or "a_chunk_equals_its_parts" not in request.node.name or not find_spec("jax"):
        yield
        return
    import jax

    settings = {
        "jax_compilation_cache_dir": str(tmp_path),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    former = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    yield
    for name, value in former.items():
        jax.config.update(name, value)
