"""What JAX is found to have in force."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from backends.conformance import a_job
from backends.jax import JaxBackend

jax = pytest.importorskip("jax")
backend = JaxBackend()


def test_the_denormal_policy_is_read_on_the_cpu_though_a_gpu_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU keeps denormals whatever the CPU does: read there, every run under the usual policy would be refused."""
    cpus = jax.devices("cpu")
    client = SimpleNamespace(platform_version="PJRT C API\ncuda 13000")
    imaginary = SimpleNamespace(device_kind="NVIDIA Imaginary 40GB", client=client)  # nothing can be placed on it
    monkeypatch.setattr(jax, "devices", lambda platform: [imaginary] if platform == "cuda" else cpus)
    try:
        found = backend.start(a_job(device="cuda"))
    finally:
        monkeypatch.undo()
        on_cpu = backend.start(a_job(precision="float64"))
    assert (found.flushes_denormals, found.threads) == (on_cpu.flushes_denormals, on_cpu.threads)
    assert found.device_name == "NVIDIA Imaginary 40GB"
    assert found.versions["cuda"] == "13000"
