"""What cannot be computed or kept is refused before it starts: too much for this machine's memory, or for a record."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from backends import parameters
from backends.job import Job, ModelSpec, host_dtype, layer_dtype
from backends.parameters import ITEM
from harness.errors import UsageError
from harness.machine import cgroups
from harness.machine.system import memory_bytes
from harness.records.store import LARGEST_BYTES
from harness.specs.run import RunSpec
from tasks.base import Task

#: Arrays as large as the parameters: themselves, their gradients, and the optimizer's state.
_COPIES = {"adam": 4, "adamw": 4, "rmsprop": 3, "sgd": 2}
#: Bytes that a record takes at most for a point of its curve, and for a timed block.
_POINT_BYTES, _BLOCK_BYTES = 600, 100
#: Room for all else in a record.
_REST_BYTES = 2**20
#: Predictions of a split that a task's closing scores may ask for, beside the score itself.
_CLOSING = 4


def check_memory(job: Job, updates: int = 1, held_out: int = 0, memory: int | None = None) -> None:
    """Refuse a job that this machine's memory cannot hold; counted is what it takes at the least.

    Args:
        updates: whose batches are drawn together.
        held_out: sequences that are kept for evaluation.
        memory: bytes that this process may use; None to find out.

    Raises:
        UsageError: parameters, states and data are larger than memory.
    """
    memory = usable_memory() if memory is None else memory
    if memory is None:
        return
    if (least := least_bytes(job, updates, held_out)) > memory:
        # sizes of thousands of digits are possible, and none could be read
        size, there = (f"{min(each, 2**80) / 2**30:,.1f} GiB" for each in (least, memory))
        raise UsageError(
            f"too large for this machine: parameters, states and data take at least {size}, it has {there}"
        )


def least_bytes(job: Job, updates: int = 1, held_out: int = 0) -> int:
    """Bytes that no way of computing ``job`` can do without: as for ``check_memory``."""
    model, item = job.model, ITEM[host_dtype(job.precision)]
    widths = 0 if model.is_own else model.layers * model.features  # of what a user's own keeps nothing is known
    states = ITEM[layer_dtype(job.precision)] * widths * job.micro.batch * job.length
    data = item * (updates * job.batch + held_out) * job.length * model.inputs
    if job.dropout:  # a mask's byte for each output of each layer but the last
        data += updates * job.batch * job.length * model.features * (model.layers - 1)
    return item * _COPIES[job.optimizer.name] * weights(model) + states + data


def weights(model: ModelSpec) -> int:
    """Trainable numbers, however many layers: all layers beyond the first are alike. None known of a user's own."""
    if model.is_own:
        return 0
    if model.layers == 1:
        return parameters.count(model)
    one, two = (parameters.count(replace(model, layers=layers)) for layers in (1, 2))
    return one + (model.layers - 1) * (two - one)


def check_record(spec: RunSpec, task: Task) -> None:
    """Refuse a run whose record would be larger than what is read again.

    Raises:
        UsageError: too many evaluations or timed blocks; the message says of which options.
    """
    evaluations = spec.steps // spec.evaluate_every + 2
    train = spec.steps // spec.chunk + evaluations
    validation, test = (ceil((task.size(split) or 0) / spec.batch) for split in ("validation", "test"))
    predict = evaluations * validation + _CLOSING * test
    if spec.score_at == "best-validation":
        predict += evaluations * _CLOSING * test
    if evaluations * _POINT_BYTES + (train + predict) * _BLOCK_BYTES > LARGEST_BYTES - _REST_BYTES:
        raise UsageError(
            f"steps: {evaluations:,} evaluations and {train + predict:,} timed blocks do not fit into a record "
            f"({LARGEST_BYTES // 2**20} MiB); raise --evaluate-every, --chunk or --batch"
        )


def check_run(spec: RunSpec, task: Task, memory: int | None = None) -> None:
    """Refuse a run that memory cannot hold, whose record could not be read, or whose options are for other tasks.

    Args:
        memory: as for ``check_memory``.

    Raises:
        UsageError: in one line.
    """
    if spec.label_smoothing and task.loss != "cross-entropy":
        raise UsageError(f"--label-smoothing: of cross-entropy alone; {task.name} is trained on {task.loss}")
    check_record(spec, task)
    held_out = sum(task.size(split) or 0 for split in ("validation", "test"))
    check_memory(spec.job(task), min(spec.chunk, spec.evaluate_every, spec.steps), held_out, memory)


def usable_memory() -> int | None:
    """Bytes that this process may use: the machine's, or its control group's; None where unknown."""
    return min((size for size in (memory_bytes(), cgroups.memory_limit()) if size is not None), default=None)
