"""Turn saved parameters into what a framework's own users load. No framework is needed for it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import numpy as np

from backends.exported import Exported, NoEqual
from backends.job import ModelSpec, Parameters
from harness.errors import UsageError
from harness.records.saved import PREDICTIONS, check_installed, read
from harness.records.whole import write_whole
from tasks.registry import nearest

#: The modules that know a framework's names and layout. They import NumPy alone.
TARGETS: Mapping[str, str] = {
    "torch": "backends.torch.export",
    "keras": "backends.tensorflow.export",
    "jax": "backends.jax.export",
}


def export(file: Path, target: str, out: Path | None = None) -> tuple[Path, str]:
    """Write saved parameters as ``target`` loads them.

    Args:
        file: the saved parameters, or the record beside them.
        out: the file to write; None for one beside ``file``.

    Returns:
        The file written, and Python that loads it, with what is not the same there in comments before it.

    Raises:
        UsageError: there are no saved parameters in ``file``, the framework has no such model, or the file cannot be
            written; in one line.
    """
    if target not in TARGETS:
        raise UsageError(nearest("framework", target, list(TARGETS)))
    check_installed("export")
    saved = read(file)
    to_framework: Callable[[ModelSpec, Parameters], Exported] = import_module(TARGETS[target]).export
    try:
        found = to_framework(saved.model, saved.parameters)
    except NoEqual as error:
        raise UsageError(str(error)) from None
    out = out or saved.path.with_suffix(f".{target}{found.ending}")
    try:
        for theirs in (saved.path, saved.path.with_suffix(".json"), saved.path.with_suffix(PREDICTIONS)):
            if out.exists() and theirs.exists() and out.samefile(theirs):
                raise UsageError(f"--out {out}: that is what the run left; name another file")
        write_whole(out, _contents(found))
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None
    comments = [f"# {note}\n" for note in found.notes]
    return out, "".join([*comments, found.code(str(out))])


def _contents(found: Exported) -> bytes:
    arrays = {name: np.ascontiguousarray(array) for name, array in found.arrays.items()}
    if found.ending == ".safetensors":
        from safetensors.numpy import save

        content: bytes = save(arrays, metadata={"format": "pt"})  # as those who load it expect of a state_dict
        return content
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
