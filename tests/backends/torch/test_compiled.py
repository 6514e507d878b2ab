"""What torch.compile needs of a machine, and that kernels may be compiled where autograd runs on a GPU."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backends.conformance import a_job
from backends.torch import TorchBackend, toolchain

torch = pytest.importorskip("torch")


def test_each_shape_may_be_compiled_in_the_thread_of_the_backward_pass_too() -> None:
    """On CUDA that is autograd's own, and settings are a thread's own."""
    compiled = pytest.importorskip("backends.torch.compiled")
    if why := toolchain.why_no_compiler("cpu"):
        pytest.skip(why)
    layer = compiled.LAYERS["gru-reset-before"]()
    layer.forward(torch.ones(1, 2, 3), torch.ones(12, 3), torch.ones(12, 4), torch.ones(12))

    def backward_pass() -> tuple[int, bool]:
        with torch.no_grad():
            layer.backward(torch.ones(1, 2, 4), False)
        return torch._dynamo.config.recompile_limit, torch._dynamo.config.fail_on_recompile_limit_hit

    with ThreadPoolExecutor(1) as other:
        assert other.submit(backward_pass).result() == (compiled.RECOMPILATIONS, True)


def test_what_triton_lacks_is_said_before_anything_is_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def reason() -> str | None:
        variants = TorchBackend().variants(a_job().model, "cuda")
        return next(each.reason for each in variants if each.name == "compiled")

    (tmp_path / "Python.h").touch()
    monkeypatch.setattr(toolchain, "find_spec", lambda name: object())
    monkeypatch.setattr(toolchain, "python_headers", lambda: tmp_path)
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: "/usr/bin/gcc" if name == "gcc" else None)
    assert reason() is None
    (tmp_path / "Python.h").unlink()
    assert "python3-dev" in str(reason())
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: None)
    assert "C compiler" in str(reason())


def test_pythons_headers_are_looked_for_where_they_can_be() -> None:
    assert toolchain.python_headers().parts[-2] == "include"
