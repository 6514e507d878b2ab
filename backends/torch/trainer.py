"""The eager training step: forward pass, backward pass, clipping, update."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from backends import allocator
from backends.base import DeviceMemory, Trainer
from backends.device_clock import DeviceClock
from backends.job import (
    Array,
    Job,
    ModelSpec,
    OptimizerSpec,
    Parameters,
    checked_lengths,
    checked_masks,
    kept_scale,
    time_major,
)
from backends.torch.convert import tensors
from backends.torch.inductor import in_compiled
from backends.torch.network import Network
from backends.variants import Entry
from tasks.base import Batch

StagedBatch = tuple[Tensor, Tensor, Tensor | None, Tensor | None]
Staged = list[StagedBatch]
"""x, y, lengths where they vary, and the masks of dropout."""

#: Operators that compute a whole recurrence, most specific first.
RECURRENCES = ("aten::_cudnn_rnn", "aten::mkldnn_rnn_layer", "aten::lstm", "aten::gru", "aten::rnn_tanh")

#: Operators that compute a whole step of a cell.
CELL_STEPS = ("aten::lstm_cell", "aten::gru_cell", "aten::rnn_tanh_cell")

#: Operators of which a Python loop over time runs one per step, at least.
PRODUCTS = ("aten::addmm", "aten::addmm_", "aten::mm")

#: What is said where none of these ran.
UNKNOWN = "no recurrence known by name"

#: The class that ``cross_entropy`` leaves out of its mean.
IGNORED = -100


class TorchTrainer(Trainer):
    """Trains eagerly, updating the network's tensors in place. Inside, sequences are time-major."""

    #: Whether the optimizer counts its steps on the device, so that a CUDA graph can.
    capturable: ClassVar[bool] = False

    def __init__(self, job: Job, parameters: Parameters, entry: Entry) -> None:
        self.job = job
        self.device = torch.device(job.device)
        self.network = self._built(entry).to(self.device, getattr(torch, job.dtype))
        self.tensors = self._named()
        with torch.no_grad():
            for name, array in self._loaded(parameters).items():
                self.tensors[name].copy_(torch.from_numpy(array))
        self.optimizer = _optimizer(job.optimizer, list(self.tensors.values()), self.capturable)
        self.updates = 0
        self.clock = _device_clock(self.device)
        if job.device == "cuda":
            torch.cuda.reset_peak_memory_stats()  # the gate's trainer used it, not this one

    def _built(self, entry: Entry) -> torch.nn.Module:
        """What maps inputs and lengths to outputs, on the host."""
        scale = kept_scale(self.job) if self.job.dropout else None
        return Network(self.job.model, self._layers(entry), getattr(torch, self.job.layer_dtype), scale)

    def _layers(self, entry: Entry) -> Callable[[ModelSpec, bool], torch.nn.Module]:
        """What makes the recurrent layers."""
        found: Callable[[ModelSpec, bool], torch.nn.Module] = entry.load_layers()
        return found

    def _named(self) -> dict[str, Tensor]:
        """The trainable tensors of ``network``, in the order in which ``parameters`` has them."""
        return tensors(self.network, self.job.model)

    def _loaded(self, parameters: Parameters) -> Parameters:
        """What each of ``tensors`` starts from."""
        return parameters

    def stage(self, batches: Sequence[Batch]) -> Staged:
        """As ``Trainer.stage``; inside, sequences are time-major."""
        staged = [(self._inputs(b.x), self._target(b), self._lengths(b.lengths), self._masks(b.masks)) for b in batches]
        self._synchronize()
        return staged

    def train(self, staged: Staged) -> Array:
        """As ``Trainer.train``."""
        return self._trained(lambda batch: self._step(*batch), staged)

    def train_accumulated(self, staged: Sequence[Staged]) -> Array:
        """As ``Trainer.train_accumulated``."""
        return self._trained(self._accumulated, staged)

    def _trained(self, step: Callable[[Any], Tensor], staged: Sequence[Any]) -> Array:
        with self.clock:
            losses = [step(each) for each in self._rated(staged)]
        self._synchronize()
        values: Array = torch.stack(losses).cpu().numpy()
        return values

    def stage_inputs(self, x: Array, lengths: Array | None = None) -> tuple[Tensor, Tensor | None]:
        """As ``Trainer.stage_inputs``, in the layout of training."""
        staged = self._inputs(x), self._lengths(lengths)
        self._synchronize()
        return staged

    def predict_staged(self, staged: tuple[Tensor, Tensor | None]) -> Tensor:
        """As ``Trainer.predict_staged``, in the layout of the network."""
        with torch.no_grad():  # as in a Recurrence: for inference mode a kernel would be compiled again
            out: Tensor = self.network(*staged)
        self._synchronize()
        return out

    def fetch(self, outputs: Tensor) -> Array:
        """As ``Trainer.fetch``."""
        values: Array = (outputs.transpose(0, 1) if outputs.ndim == 3 else outputs).cpu().numpy()
        return values

    def parameters(self) -> Parameters:
        """As ``Trainer.parameters``."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.tensors.items()}

    def executed(self, batch: Batch) -> str:
        """As ``Trainer.executed``."""
        return self._recurrence(self._ran(batch)) + memory_kept()

    def _ran(self, batch: Batch) -> dict[str, int]:
        """How often each operator ran in a forward pass, as a profiler saw it."""
        x, lengths = self._inputs(batch.x), self._lengths(batch.lengths)
        with torch.autograd.profiler.profile() as profile:
            self.network(x, lengths)
        return {event.key: event.count for event in profile.key_averages()}

    def _recurrence(self, ran: Mapping[str, int]) -> str:
        """In words, what computed the recurrence where these operators ran so often."""
        if found := next((op for op in RECURRENCES if op in ran), None):
            return found
        if all(ran.get(op, 0) < self.job.length for op in PRODUCTS):
            return UNKNOWN
        step = next((op for op in CELL_STEPS if op in ran), None) or max(PRODUCTS, key=lambda op: ran.get(op, 0))
        graph = "by autograd" if "Recurrence" not in ran else "backward pass by hand"
        return f"Python loop of {step}, {graph}" + (", gates by TorchInductor" if in_compiled(ran) else "")

    def memory(self) -> DeviceMemory:
        """As ``Trainer.memory``."""
        if self.job.device == "cpu":
            return DeviceMemory()
        return DeviceMemory(torch.cuda.memory_allocated(), torch.cuda.max_memory_allocated())

    def device_seconds(self) -> float | None:
        """As ``Trainer.device_seconds``."""
        return self.clock.seconds()

    def _rated(self, staged: Sequence[Any]) -> Iterable[Any]:
        """Each batch, with the optimizer at the rate of its update."""
        return staged if not self.job.optimizer.scheduled else self._with_rates(staged)

    def _with_rates(self, staged: Sequence[Any]) -> Iterator[Any]:
        for batch in staged:
            self.updates += 1
            _set_rate(self.optimizer, self.job.optimizer.rate(self.updates))
            yield batch

    def _step(self, *batch: Any) -> Tensor:
        self._forget()
        loss = self._backward(batch)
        self._update()
        return loss

    def _accumulated(self, micros: Staged) -> Tensor:
        """One update with the mean of the micro-batches' gradients; its loss is the mean of theirs."""
        self._forget()
        losses = [self._backward(micro, len(micros)) for micro in micros]
        self._update()
        return torch.stack(losses).sum()

    def _forget(self) -> None:
        """Drop the gradients of the update before."""
        self.optimizer.zero_grad(set_to_none=True)

    def _backward(self, batch: Any, number: int = 1) -> Tensor:
        """The loss of one of ``number`` batches whose mean counts; its gradients are added to what there is."""
        x, y, lengths, masks = batch
        loss = self._loss(self.network(x, lengths, masks), y, lengths)
        if number > 1:
            loss = loss / number
        loss.backward()
        return loss.detach()

    def _update(self) -> None:
        """Clip the gradients, and change the parameters."""
        _clip(self.job.optimizer, self.tensors.values())
        self.optimizer.step()

    def _loss(self, out: Tensor, y: Tensor, lengths: Tensor | None) -> Tensor:
        if self.job.loss == "ctc":
            return self._ctc(out, y, lengths)
        if self.job.loss == "mse":
            if lengths is not None and out.ndim == 3:
                within = _within(out, lengths)[:, :, None]
                return functional.mse_loss(out * within, y * within, reduction="sum") / (within.sum() * out.shape[2])
            return functional.mse_loss(out, y)
        return functional.cross_entropy(
            out.flatten(0, -2), y.flatten(), ignore_index=IGNORED, label_smoothing=self.job.label_smoothing
        )

    def _ctc(self, out: Tensor, y: Tensor, lengths: Tensor | None) -> Tensor:
        """The mean over sequences; torch's own ``reduction="mean"`` would divide each by its number of labels first."""
        if lengths is None:
            lengths = torch.full((out.shape[1],), self.job.length)
        log_y, labels = functional.log_softmax(out, dim=2), (y >= 0).sum(1)
        return functional.ctc_loss(log_y, y, lengths, labels, blank=0, reduction="sum") / out.shape[1]

    def _inputs(self, x: Array) -> Tensor:
        return self._tensor(time_major(x))

    def _target(self, batch: Batch) -> Tensor:
        if self.job.loss == "ctc":
            return self._tensor(batch.y.astype("int64"))
        y = time_major(batch.y) if self.job.model.readout == "every" else batch.y
        if self.job.loss == "cross-entropy" and y.ndim == 2 and batch.lengths is not None:
            y = np.where(np.arange(len(y))[:, None] < batch.lengths, y, IGNORED)
        return self._tensor(y if self.job.loss == "mse" else y.astype("int64"))

    def _lengths(self, given: Array | None) -> Tensor | None:
        """Lengths (B,) on the host, where packing and CTC want them."""
        lengths = checked_lengths(self.job, given)
        return None if lengths is None else torch.from_numpy(lengths.astype("int64"))

    def _masks(self, given: Array | None) -> Tensor | None:
        masks = checked_masks(self.job, given)
        return None if masks is None else self._tensor(masks)

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def _synchronize(self) -> None:
        if self.job.device == "cuda":
            torch.cuda.synchronize()


def memory_kept() -> str:
    """What ``executed`` says at its end where freed memory stays with the process."""
    return ", freed memory kept" if allocator.keeps_freed_memory() else ""


def _device_clock(device: torch.device) -> DeviceClock:
    if device.type != "cuda":
        return DeviceClock()
    first, second = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    return DeviceClock((first, second), torch.cuda.Event.elapsed_time)


def _within(out: Tensor, lengths: Tensor) -> Tensor:
    """Whether a position of out (T, B, …) is within its sequence: (T, B)."""
    return torch.arange(len(out), device=out.device)[:, None] < lengths.to(out.device)


def _optimizer(spec: OptimizerSpec, parameters: list[Tensor], capturable: bool) -> torch.optim.Optimizer:
    """torch's own optimizers follow the rules of ``OptimizerSpec`` when given these arguments."""
    decay, lr = spec.weight_decay, _rate_on_device(spec, parameters) if capturable else spec.lr
    if spec.rule == "adam":
        kind = torch.optim.AdamW if spec.name == "adamw" else torch.optim.Adam
        betas = (spec.beta1, spec.beta2)
        return kind(parameters, lr, betas, spec.epsilon, decay, fused=True, capturable=capturable)
    if spec.rule == "rmsprop":
        return torch.optim.RMSprop(parameters, lr, spec.alpha, spec.epsilon, decay, foreach=True, capturable=capturable)
    fused = isinstance(lr, Tensor)  # the other kind would read it on the host
    return torch.optim.SGD(parameters, lr, weight_decay=decay, foreach=not fused, fused=fused)


def _rate_on_device(spec: OptimizerSpec, parameters: list[Tensor]) -> float | Tensor:
    """Where the learning rate changes, a tensor that holds it: a CUDA graph would repeat a number for ever.

    The fused optimizers read it as float32, whatever the parameters are, which ``OptimizerSpec.rate`` is rounded to.
    """
    if not spec.scheduled:
        return spec.lr
    dtype = parameters[0].dtype if spec.rule == "rmsprop" else torch.float32
    return torch.tensor(spec.lr, dtype=dtype, device=parameters[0].device)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def _clip(spec: OptimizerSpec, parameters: Iterable[Tensor]) -> None:
    """Clip the parameters' gradients; by the norm torch's ``clip_grad_norm_`` would divide by norm + 1e-6."""
    if not (spec.clip or spec.clip_value):
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    if spec.clip:
        norm = torch.nn.utils.get_total_norm(gradients)
        torch._foreach_mul_(gradients, torch.clamp(spec.clip / norm, max=1.0))
    else:
        torch.nn.utils.clip_grad_value_(parameters, spec.clip_value, foreach=True)
