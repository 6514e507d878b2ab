"""A script of this folder as a module, by its path: ``bare/torch.py`` must never be found where torch is looked for."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent


def script(name: str) -> ModuleType:
    """``torch``, ``tensorflow``, ``jax`` or ``numpy`` for a bare script, ``keras_fit`` for Keras's own loop."""
    path = HERE / "keras_fit.py" if name == "keras_fit" else HERE / "bare" / f"{name}.py"
    spec = spec_from_file_location(f"script_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
