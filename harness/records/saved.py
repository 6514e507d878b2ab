"""What a run may leave beside its record: its trained parameters, and what they predict of the test split.

``ID.safetensors`` has the parameters by their canonical names, as ``backends.parameters`` lays them out, and in its
metadata what they are: the spec, the model, the record's id. ``ID.predictions.npz`` has one array, ``predictions``.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from backends.job import Array, ModelSpec, Parameters
from backends.parameters import shapes
from harness.errors import UsageError
from harness.records.run import Record, Saved
from harness.records.store import StoreError, contents, read_record, regular
from harness.records.whole import write_whole
from harness.specs.run import RunSpec
from tasks.registry import DISTRIBUTION

ENDING, PREDICTIONS = ".safetensors", ".predictions.npz"
#: A larger file is not read into memory: a billion parameters in float32.
LARGEST_SAVED_BYTES = 4 * 2**30
_WHAT = "saved parameters"
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
#: The types that runs save, as safetensors names them.
_TYPES = {"F32", "F64"}
_MODEL = TypeAdapter(ModelSpec)


@dataclass(frozen=True)
class SavedParameters:
    """Parameters as a run saved them.

    Attributes:
        sha256: of their file.
        record: the id of the run's record.
        parameters: in canonical order.
    """

    path: Path
    sha256: str
    record: str
    spec: RunSpec
    model: ModelSpec
    parameters: Parameters


def check_installed(option: str) -> None:
    """Raises UsageError where the library of these files is missing."""
    if find_spec("safetensors") is None:
        raise UsageError(f"{option} needs safetensors: pip install '{DISTRIBUTION}[save]'")


def write(folder: Path, record: Record, model: ModelSpec, arrays: Mapping[str, Array]) -> Saved:
    """Write a run's parameters and predictions beside its record: both whole, or neither.

    Args:
        arrays: the parameters by their canonical names, and ``predictions``.

    Raises:
        StoreError: they could not be written, or would not be read again.
    """
    from safetensors.numpy import save

    parameters = {name: np.ascontiguousarray(arrays[name]) for name in shapes(model)}
    about = {"record": record.id, "spec": record.spec.model_dump_json(), "model": json.dumps(asdict(model))}
    buffer = io.BytesIO()
    np.savez(buffer, predictions=arrays["predictions"])
    files = {ENDING: save(parameters, metadata=about), PREDICTIONS: buffer.getvalue()}
    written: list[Path] = []
    try:
        for ending, content in files.items():
            target = folder / f"{record.id}{ending}"
            if len(content) > LARGEST_SAVED_BYTES:
                raise StoreError(f"cannot write {target}: larger than is read ({LARGEST_SAVED_BYTES // 2**20:,} MiB)")
            try:
                write_whole(target, content)
            except OSError as error:
                raise StoreError(f"cannot write {target}: {error.strerror}") from None
            written.append(target)
    except StoreError:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return Saved(**{name: hashlib.sha256(files[end]).hexdigest() for name, end in _FIELDS.items()})


_FIELDS = {"parameters": ENDING, "predictions": PREDICTIONS}


def named(word: str, folder: Path) -> SavedParameters:
    """The saved parameters that a user's word names: their file, the record beside it, or their SHA-256.

    Args:
        folder: where a file is looked for by its SHA-256.

    Raises:
        UsageError: there are none, in one line.
    """
    path = Path(word)
    if _DIGEST.fullmatch(word) and not path.exists():
        found = by_digest(word, folder)
        if found is None:
            raise UsageError(f"no file in {folder} has the saved parameters with SHA-256 {word[:12]}…")
        return found
    return read(path)


def by_digest(sha256: str, folder: Path) -> SavedParameters | None:
    """The saved parameters with this SHA-256 in a folder; None where no file has it.

    Raises:
        UsageError: one has it, but what it holds is none.
    """
    for path in sorted(folder.glob(f"*{ENDING}")):
        try:
            with regular(path, _WHAT, LARGEST_SAVED_BYTES) as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                    continue
        except (OSError, StoreError):
            continue  # whatever it is, it is not what is looked for
        if (found := read(path)).sha256 == sha256:
            return found
    return None


def read(path: Path) -> SavedParameters:
    """The saved parameters in a file, or those that a record beside them names.

    Raises:
        UsageError: there are none, they were altered, or they are not what a run saves; in one line.
    """
    try:
        return _read(path)
    except StoreError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None


def _read(path: Path) -> SavedParameters:
    if not path.name:  # "." and "/" have none, so that nothing is beside them
        raise UsageError(f"{path}: not a regular file")
    if path.suffix == ".json":
        record, path = read_record(path), path.with_suffix(ENDING)
        if record.saved is None:
            raise UsageError(f"{path.with_suffix('.json')}: nothing was saved with it; harness run --save does that")
        if not path.exists():
            raise UsageError(f"{path}: missing; its record names saved parameters")
    elif path.with_suffix(".json").exists():
        record = read_record(path.with_suffix(".json"))
    else:
        record = None  # the file was passed on alone
    content = contents(path, _WHAT, LARGEST_SAVED_BYTES)
    sha256 = hashlib.sha256(content).hexdigest()
    if record is not None and (record.saved is None or record.saved.parameters != sha256):
        raise UsageError(f"{path}: altered since it was saved: its SHA-256 is not the one in its record")
    about, arrays = _parsed(path, content)
    try:
        spec, model = RunSpec.model_validate_json(about["spec"]), _MODEL.validate_json(about["model"])
        # the names come from the model: one that claims more layers than there are arrays is not counted out
        fits = model.layers <= len(arrays) and shapes(model) == {name: each.shape for name, each in arrays.items()}
        if not fits:
            raise ValueError
    except (KeyError, ValueError, TypeError):  # ValidationError is a ValueError
        raise UsageError(f"{path}: not saved by harness run --save: no spec of its parameters") from None
    if unusable := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise UsageError(f"{path}: {unusable[0]} has values that are no finite numbers")
    parameters = {name: arrays[name] for name in shapes(model)}
    return SavedParameters(path, sha256, about.get("record", ""), spec, model, parameters)


def _parsed(path: Path, content: bytes) -> tuple[dict[str, str], Parameters]:
    """The metadata and the arrays of a safetensors file. Raises UsageError where it is none."""
    check_installed("reading saved parameters")
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        size = int.from_bytes(content[:8], "little")
        header: dict[str, Any] = json.loads(content[8 : 8 + size])
        about = header.pop("__metadata__", {})
        if any(each["dtype"] not in _TYPES for each in header.values()):
            raise UsageError(f"{path}: not saved by harness run --save: neither float32 nor float64")
        arrays = load(content)
    except UsageError:
        raise
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UsageError(f"{path}: not a safetensors file") from None
    return about, arrays


def apart(saved: ModelSpec, asked: ModelSpec) -> str | None:
    """What keeps saved parameters from starting a run of the model that is asked for; None where they fit."""
    names = ("cell", "inputs", "hidden", "layers", "bidirectional", "outputs")
    differing = [
        f"{name} is {getattr(saved, name)} there and {getattr(asked, name)} here"
        for name in names
        if getattr(saved, name) != getattr(asked, name)
    ]
    return "; ".join(differing) or None
