"""Turn saved parameters into what a framework's own users load, and records into what experiment trackers show.

And verdicts into statements that others can sign. No framework is needed for it.
"""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import import_module
from itertools import chain
from pathlib import Path

import numpy as np

from backends.exported import Exported as Arrays
from backends.exported import NoEqual
from backends.job import ModelSpec, Parameters
from harness.errors import UsageError
from harness.presentation.in_toto import statement
from harness.presentation.tracking.tracked import Tracked, tracked
from harness.records.kinds import about
from harness.records.listing import ENDING
from harness.records.run import Record
from harness.records.saved import PREDICTIONS, check_installed, read
from harness.records.store import contents, each_of, each_sealed
from harness.records.verdict import VerdictRecord
from harness.records.whole import write_whole
from harness.text import counted
from tasks.registry import DISTRIBUTION, nearest

#: The modules that know a framework's names and layout. They import NumPy alone, and that of ONNX the library onnx.
FRAMEWORKS: Mapping[str, str] = {
    "torch": "backends.torch.export",
    "keras": "backends.tensorflow.export",
    "jax": "backends.jax.export",
    "onnx": "backends.onnx_export",
}
#: The modules that write a tracker's store. Each imports a library of its own when it writes.
TRACKERS: Mapping[str, str] = {
    name: f"harness.presentation.tracking.{name}" for name in ("mlflow", "wandb", "tensorboard")
}


#: What makes a statement of a verdict.
IN_TOTO = "in-toto"
#: Of a statement's file: no record's, as it may lie beside them.
STATEMENT = ".statement"


@dataclass(frozen=True, repr=False)
class Exported:
    """What was written, and what to do with it.

    Attributes:
        path: the file, or the tracker's folder.
        code: lines of Python that load the file, or the command that shows the folder.
        notes: lines about what was left out, or was there already.
        ok: whether each file was a record, or the parameters that it should have been.
    """

    path: Path
    code: str
    notes: list[str] = field(default_factory=list)
    ok: bool = True

    def __repr__(self) -> str:
        return f"# {self.path}\n{self.code}"


def export(places: Sequence[Path], target: str, out: Path | None = None) -> Exported:
    """Write saved parameters as a framework loads them, or records as a tracker of experiments shows them.

    Args:
        places: for a framework one file, of saved parameters or the record beside it; for a tracker records and folders
            of them.
        target: a framework's or a tracker's name.
        out: the file, or for a tracker the folder, to write; None for one beside the parameters, or the tracker's own.

    Raises:
        UsageError: there is nothing to export, ``target`` has no such model, its library is missing, or ``out`` cannot
            be written; in one line.
    """
    if not isinstance(target, str):
        raise UsageError(f"to takes a name, such as torch, not {target!r:.60}")
    if target in TRACKERS:
        return _to_tracker(places, target, out)
    if target == IN_TOTO:
        return _to_statement(places, out)
    if target not in FRAMEWORKS:
        raise UsageError(nearest("framework or tracker", target, [*FRAMEWORKS, *TRACKERS, IN_TOTO]))
    if len(places) != 1:
        raise UsageError(f"--to {target} takes one file: of saved parameters, or the record beside it")
    return _to_framework(places[0], target, out)


def _to_tracker(places: Sequence[Path], target: str, out: Path | None) -> Exported:
    module = import_module(TRACKERS[target])
    problems: list[str] = []
    others: list[str] = []
    out = out or module.FOLDER
    runs = _runs(places, problems, others)
    first = next(runs, None)  # a store is opened for runs alone
    if first is None:
        raise UsageError("; ".join([f"no runs in {', '.join(map(str, places))}", *problems]))
    try:
        written = module.write(chain([first], runs), out)
    except ImportError:
        raise _needs(target) from None
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None
    there = f", {written.known} were there already" if written.known else ""
    left = [f"{kind} left out, for trackers keep runs: {others.count(kind)}" for kind in dict.fromkeys(others)]
    told = [f"{counted(written.new, 'run')} written{there}", *left, *problems]
    return Exported(out, f"{written.look}\n", told, ok=not problems)


def _needs(target: str) -> UsageError:
    """The library and its extra have the target's name."""
    return UsageError(f"--to {target} needs {target}: pip install '{DISTRIBUTION}[{target}]'")


def _runs(places: Sequence[Path], problems: list[str], others: list[str]) -> Iterator[Tracked]:
    """The runs among the records in ``places``; what kind each other one is of goes to ``others``, in words."""
    for path, record in each_of(places, problems):
        if isinstance(record, Record):
            yield tracked(record, path)
        else:
            others.append(about(record).plural)


def _to_statement(places: Sequence[Path], out: Path | None) -> Exported:
    problems: list[str] = []
    verdicts: list[tuple[Path, VerdictRecord]] = []
    runs: dict[str, tuple[Path, str]] = {}
    for path, record, seal in each_sealed(places, problems):
        if isinstance(record, VerdictRecord):
            verdicts.append((path, record))
        else:
            runs[record.id] = path, seal
    if len(verdicts) != 1:
        found = f"{len(verdicts)} verdicts" if verdicts else "no verdict"
        raise UsageError(
            "; ".join([f"--to {IN_TOTO} takes one verdict, and the record that it is on: {found}", *problems])
        )
    [(path, verdict)] = verdicts
    judged = verdict.judged
    if judged.id not in runs:
        raise UsageError(f"the record that it is on, {judged.id}, is not there: name its file, or its folder, too")
    of, seal = runs[judged.id]
    if seal != judged.digest:
        raise UsageError(f"{of}: its digest is {seal:.12}…, and the verdict is on one with {judged.digest:.12}…")
    made = statement(verdict, *(sha256(contents(each, "record")).hexdigest() for each in (path, of)))
    out = out or path.with_suffix(STATEMENT)
    if out.suffix == ENDING and out.exists():
        raise UsageError(f"--out {out} exists already, and may be a record; name another file")
    try:
        write_whole(out, json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None
    named, blob = shlex.quote(str(out)), shlex.quote(str(of))
    signed = shlex.quote(f"{out}.sigstore.json")
    return Exported(
        out, f"cosign attest-blob --key cosign.key --statement {named} --bundle {signed} {blob}\n", problems
    )


def _to_framework(file: Path, target: str, out: Path | None) -> Exported:
    check_installed("export")
    saved = read(file)
    converted: Callable[[ModelSpec, Parameters], Arrays] = import_module(FRAMEWORKS[target]).export
    try:
        found = converted(saved.model, saved.parameters)
    except NoEqual as error:
        raise UsageError(str(error)) from None
    except ImportError:
        raise _needs(target) from None
    kind = found.ending if found.ending == f".{target}" else f".{target}{found.ending}"
    out = out or saved.path.with_suffix(kind)
    try:
        for theirs in (saved.path, saved.path.with_suffix(".json"), saved.path.with_suffix(PREDICTIONS)):
            if out.exists() and theirs.exists() and out.samefile(theirs):
                raise UsageError(f"--out {out}: that is what the run left; name another file")
        if out.suffix not in ("", found.ending):
            raise UsageError(f"--out {out}: what {target} loads is a {found.ending} file")
        write_whole(out, _contents(found))
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None
    comments = [f"# {note}\n" for note in found.notes]
    return Exported(out, "".join([*comments, found.code(str(out))]))


def _contents(found: Arrays) -> bytes:
    if found.content is not None:
        return found.content
    arrays = {name: np.ascontiguousarray(array) for name, array in found.arrays.items()}
    if found.ending == ".safetensors":
        from safetensors.numpy import save

        content: bytes = save(arrays, metadata={"format": "pt"})  # as those who load it expect of a state_dict
        return content
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
