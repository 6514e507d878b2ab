"""Models of users' own in the worker: their files are run here and nowhere else, and looked at before the clock."""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import backends
from backends import own_cell
from backends.base import Backend, Unsupported
from backends.job import Array, Job, Parameters
from backends.own import OwnModel, OwnModelError, takes_lengths
from harness.errors import Diverged, RunFailed
from harness.protocol import Inspected, ProtocolError
from harness.records.base import Gate
from harness.specs.run import RunSpec
from harness.specs.speed import SpeedSpec
from harness.worker.gate import STEPS, TOLERANCE, Draw, distances, finite, small_job
from tasks.base import Batch, DataUnavailable, within
from tasks.registry import nearest

#: What the module of a user's file is called while it runs, whatever its name: no other module is hidden by it.
MODULE = "own_model"
#: Seeds of all frameworks have 32 bits.
SEEDS = 2**32
#: The step of a sequence at which a backward pass is looked at, or its last one: by then all states have come about.
SEEN = 4
#: Kinds of models that are known and not trained, by the package that defines them.
NOT_TRAINED = {"flax.linen": "Flax's linen", "haiku": "Haiku"}


def inspected(file: str, name: str) -> Inspected:
    """The backends that train what ``file`` defines as ``name``, or why none does."""
    try:
        definition = defined(Path(file), name)
        return Inspected(_backends_of(definition, name, Path(file).name), _lacking(definition))
    except RunFailed as error:
        return Inspected(problem=str(error))


def _backends_of(definition: Any, name: str, file: str) -> list[str]:
    for package, spoken in NOT_TRAINED.items():
        if any(f"{each.__module__}.".startswith(f"{package}.") for each in getattr(definition, "__mro__", ())):
            raise RunFailed(
                f"{name} of {file} is a module of {spoken}, which is not trained: wrap it in a class with the "
                "functions init and apply, as docs/extending.md shows"
            )
    found = []
    for backend in backends.registry.names():
        with suppress(ImportError):  # a third party's that is broken
            found += [backend] if backends.load(backend).trains(definition) else []
    if found:
        return found
    if not name:
        raise RunFailed(
            f"{file} has no functions init and apply, or initial and step: say what it calls the model, {file}:NAME"
        )
    what = "a class" if isinstance(definition, type) else f"of type {type(definition).__name__}"
    raise RunFailed(
        f"{name} of {file} is {what}, and no model: one is a class of torch.nn.Module, of keras.Layer, "
        "of equinox.Module or of flax.nnx.Module, or has the functions init and apply for JAX, or initial and step"
    )


def _lacking(definition: Any) -> list[str]:
    """The backends that would train a cell if it brought its backward pass."""
    if not own_cell.is_cell(definition) or own_cell.has_backward(definition):
        return []
    found = []
    for backend in backends.registry.names():
        with suppress(ImportError):  # a third party's that is broken
            found += [backend] if not backends.load(backend).differentiates else []
    return found


def with_model(job: Job, spec: RunSpec | SpeedSpec, file: str | None) -> Job:
    """The job with the user's own model that its spec is of, from this file; unchanged where it is of a cell.

    Raises:
        RunFailed: there is no file, another than the spec's, or it does not define the model.
    """
    if spec.model.source is None:
        return job
    file_name, _, name = spec.model.source.partition(":")
    if file is None:
        raise RunFailed(f"the spec is of {spec.model.source}, whose file was not handed over")
    definition = defined(Path(file), name, spec.model.sha256)
    return replace(job, own=OwnModel(definition, name or file_name, spec.seed % SEEDS))


def defined(path: Path, name: str, sha256: str | None = None) -> Any:
    """What a file defines as ``name``; without one, itself.

    The file is run; its folder is not searched for what it imports.

    Args:
        sha256: that its text must have; None for any.

    Raises:
        RunFailed: it cannot be read or run, has another text, or defines no such name; says why in one line.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise RunFailed(f"{path.name} cannot be read: {error.strerror}") from None
    if sha256 and hashlib.sha256(source).hexdigest() != sha256:
        raise RunFailed(f"{path.name} was changed after this was planned")
    module = ModuleType(MODULE)
    module.__file__ = str(path)
    sys.modules[MODULE] = module
    with explained(path, f"{path.name} cannot be imported"):
        exec(compile(source, str(path), "exec"), vars(module))
    if not name:
        return module
    if not hasattr(module, name):
        offered = [each for each, value in vars(module).items() if getattr(value, "__module__", "") == MODULE]
        raise RunFailed(nearest(f"name in {path.name}", name, offered))
    return getattr(module, name)


@contextmanager
def explained(path: Path | None, what: str) -> Iterator[None]:
    """Whatever goes wrong inside in a user's code is a RunFailed of one line, which names the line of the file."""
    try:
        yield
    except (RunFailed, Unsupported, DataUnavailable, MemoryError, ProtocolError):
        raise
    except OwnModelError as error:
        raise RunFailed(str(error)) from error
    except BaseException as error:  # SystemExit of a file that is a script, too; Ctrl-C is the parent's alone
        traceback.print_exc()
        raise RunFailed(f"{what}: {_said(error, path)}"[:500]) from None


def _said(error: BaseException, path: Path | None) -> str:
    """What an error is and says, in one line, and where in a user's file it came from."""
    text = error.msg if isinstance(error, SyntaxError) and error.msg else str(error)  # its text names the place itself
    return f"{type(error).__name__}: {text.strip().split(chr(10))[0] or 'no reason given'}{_line(error, path)}"


def _line(error: BaseException, path: Path | None) -> str:
    """Where in a user's file an error came from; nothing where it did not."""
    if path is None:
        return ""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f" ({path.name}, line {error.lineno})"
    frames = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f" ({path.name}, line {frames[-1]})" if frames else ""


def _file() -> Path | None:
    """Where the user's file lies that this process ran; None where it ran none."""
    file = vars(sys.modules[MODULE])["__file__"] if MODULE in sys.modules else None
    return Path(file) if file else None


@contextmanager
def explained_after_gate(job: Job) -> Iterator[None]:
    """What a user's own model raises inside is a RunFailed, as in the gate; of a cell it is what it is."""
    if job.own is None:
        yield
        return
    with explained(_file(), f"{job.own.name} failed"):
        yield


# ---- the gate


class WrongBackward(Diverged):
    """The backward pass of a user's cell is not that of its step; ``gate`` says by how much."""

    def __init__(self, message: str, gate: Gate) -> None:
        super().__init__(message)
        self.gate = gate


def pass_gate(backend: Backend, job: Job, draw: Draw) -> Gate | None:
    """Look at a user's own model before the clock: its outputs' shape, finite numbers, and that updates change it.

    Returns:
        What its predictions were apart from those of its own ``reference``, a function of its parameters by name and x
        in float64, before each update and after the last; None where it has none.

    Raises:
        WrongBackward: the backend goes by the backward pass that the cell brings, and that is not its step's.
        RunFailed: it cannot be trained; the message says why, in one line.
    """
    assert job.own is not None
    own, small = job.own, small_job(job)
    reference = own_cell.reference(own, job.model) if own_cell.is_cell(own.definition) else None
    reference = getattr(own.definition, "reference", reference)
    apart: list[float] = []
    gradients = 0.0
    with explained(_file(), f"{own.name} cannot be trained"):
        trainer = backend.trainer(small, {})
        start = trainer.parameters()
        for update in range(STEPS + 1):
            batch = draw(update, small.batch).astype(job.dtype)
            predicted = trainer.predict(batch.x, batch.lengths)
            inside = _counted(small, predicted, batch.lengths)
            _check_finite(inside, f"what {own.name} predicts", update)
            if reference is not None:
                expected = _expected(small, reference, trainer.parameters(), batch)
                apart += distances({"": inside}, {"": _counted(small, expected, batch.lengths)}).values()
            if not backend.differentiates:
                gradients = max(gradients, _gradients_apart(small, trainer.parameters(), batch))
            if update < STEPS:
                losses = trainer.train(trainer.stage([batch]))
                _check_finite(losses, f"the loss of {own.name}", update)
        if all(np.array_equal(start[name], after) for name, after in trainer.parameters().items()):
            raise OwnModelError(f"{own.name} trains nothing: after {STEPS} updates all its parameters are as before")
    if reference is None:
        return None
    tolerance, by_itself = TOLERANCE[job.precision], backend.differentiates
    return Gate(
        steps=STEPS, batch=small.batch, loss_distance=None, parameter_distance=None, prediction_distance=max(apart),
        gradient_distance=None if by_itself else gradients, tolerance=tolerance, passed=max(apart) <= tolerance,
    )  # fmt: skip


def _counted(job: Job, predicted: Array, lengths: Array | None) -> Array:
    """The predictions that count: none of padding."""
    if lengths is None or job.model.readout == "last":
        return predicted
    found: Array = predicted[within(lengths, job.length)]
    return found


def _gradients_apart(small: Job, parameters: Parameters, batch: Batch) -> float:
    """How far a cell's backward pass is from differences of its step on this batch.

    Raises:
        WrongBackward: too far; names the first gradient that is.
    """
    assert small.own is not None
    wide = {name: array.astype(np.float64) for name, array in parameters.items()}
    steps = min(small.length if batch.lengths is None else int(batch.lengths.min()), SEEN)
    found = own_cell.gradients_apart(small.own, small.model.hidden, wide, batch.x[:, :steps].astype(np.float64))
    apart = {name: finite(each) for name, each in found.items()}
    for name, each in apart.items():
        if not each <= own_cell.GRADIENT_TOLERANCE:
            gate = Gate(
                steps=0, batch=small.batch, loss_distance=None, parameter_distance=None,
                gradient_distance=max(apart.values()), tolerance=own_cell.GRADIENT_TOLERANCE, passed=False,
            )  # fmt: skip
            raise WrongBackward(
                f"did not pass the gate: backward of {small.own.name} gives a gradient of {name} that is {each:.1e} "
                f"from central differences of step, relatively; {own_cell.GRADIENT_TOLERANCE:.0e} is allowed", gate
            )  # fmt: skip
    return max(apart.values())


def _check_finite(values: Array, what: str, update: int) -> None:
    if bad := int(np.size(values) - np.isfinite(values).sum()):
        when = f"after {update} updates" if update else "at the start"
        share = "" if np.size(values) == 1 else f" in {bad} of {np.size(values)} numbers"
        raise OwnModelError(f"{what} {when} is not finite: {values[~np.isfinite(values)].flat[0]}{share}")


def _expected(job: Job, reference: Any, parameters: Parameters, batch: Batch) -> Array:
    """The outputs of a user's own reference in float64, read out as the job says."""
    assert job.own is not None
    wide = {name: array.astype(np.float64) for name, array in parameters.items()}
    more = (batch.lengths,) if takes_lengths(reference) else ()
    out: Array = np.asarray(reference(wide, batch.x.astype(np.float64), *more))
    if not job.own.last_of(out.shape, job, takes_lengths(reference)):
        return out
    ends = np.full(len(out), job.length) if batch.lengths is None else batch.lengths
    read: Array = out[np.arange(len(out)), ends - 1]
    return read
