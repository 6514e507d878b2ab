"""The training step: forward pass, backward pass, clipping and update, all in place on two flat vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from backends import parts
from backends.base import DeviceMemory, Trainer
from backends.device_clock import DeviceClock
from backends.job import Array, Job, Parameters, checked_lengths, checked_masks, time_major
from backends.numpy.convert import views_of
from backends.numpy.layers import Layer
from backends.numpy.network import Network
from backends.numpy.optimizer import Optimizer, Spans, clip
from backends.numpy.runtime import array_module, blas_name
from backends.parameters import shapes
from backends.variants import Entry
from tasks.base import Batch


class Share(NamedTuple):
    """A part's share of a batch; ``weight`` is its share of the batch's mean loss."""

    x: Array
    y: Array
    lengths: Array | None
    masks: Array | None
    weight: float


Staged = list[list[Share]]
Inputs = tuple[Array, Array | None]
"""Of a part to predict: x, and lengths where they vary."""
Built = Callable[[Job, Parameters, Parameters], Network]
"""The network of a job on parameters, which fills their gradients."""


class Part:
    """One slice of the batch: its own network and gradients, on the common parameters."""

    def __init__(self, xp: Any, job: Job, rows: slice, views: Parameters, built: Built) -> None:
        self.rows = rows
        self.flat_grads = xp.zeros(sum(view.size for view in views.values()), job.dtype)
        grads = views_of(self.flat_grads, {name: view.shape for name, view in views.items()})
        self.network = built(job.resized(rows.stop - rows.start), views, grads)

    def step(self, share: Share) -> Array:
        """This part's contribution to the batch's loss, shape (); its gradients get the same weight."""
        loss = self.network.loss_and_gradients(share.x, share.y, share.lengths, share.masks)
        if share.weight != 1:
            self.flat_grads *= share.weight
        return loss * share.weight


class NumpyTrainer(Trainer):
    """Parameters and gradients are views into one vector each, so that an update is a few passes over two vectors."""

    def __init__(self, job: Job, parameters: Parameters, entry: Entry) -> None:
        self.job = job
        self.xp = array_module(job.device)
        if self.xp is not np:
            self.xp.get_default_memory_pool().free_all_blocks()  # the gate's trainer used it, not this one
        self.flat = self.xp.zeros(sum(p.size for p in parameters.values()), job.dtype)
        self.views = views_of(self.flat, self._shapes(parameters))
        for name, view in self.views.items():
            view[:] = self.xp.asarray(parameters[name])
        built = self._built(entry)
        rows = parts.rows(job) if entry.parts else [slice(0, job.batch)]
        self.parts = [Part(self.xp, job, each, self.views, built) for each in rows]
        self.threads = ThreadPoolExecutor(len(rows), "part") if len(rows) > 1 else None
        self.blas = ThreadpoolController()
        self.spans = Spans(self.xp, self.flat.size, self.threads, len(rows))
        self.optimizer = Optimizer(self.xp, job.optimizer, self.flat, self.spans)
        self.clock = _device_clock(self.xp)

    def _built(self, entry: Entry) -> Built:
        """What makes the network of each part."""
        kind: type[Layer] = entry.load_layers()[self.job.model.cell]
        return partial(Network, self.xp, kind)

    def _shapes(self, parameters: Parameters) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter, in the order in which ``parameters`` has them."""
        del parameters  # their order is the caller's
        return shapes(self.job.model)

    def stage(self, batches: Sequence[Batch]) -> Staged:
        """As ``Trainer.stage``; inside, sequences are time-major."""
        rows = [part.rows for part in self.parts]
        staged = [[self._stage(share) for share in parts.shares(self.job, batch, rows)] for batch in batches]
        self._synchronize()
        return staged

    def train(self, staged: Staged) -> Array:
        """As ``Trainer.train``."""
        return self._trained(self._step, staged)

    def train_accumulated(self, staged: Sequence[Staged]) -> Array:
        """As ``Trainer.train_accumulated``."""
        return self._trained(self._accumulated, staged)

    def _trained(self, step: Callable[[Any], Array], staged: Sequence[Any]) -> Array:
        with self._threads_of_blas(), self.clock:
            losses = [step(each) for each in staged]
        self._synchronize()
        return self._host(self.xp.stack(losses))

    def stage_inputs(self, x: Array, lengths: Array | None = None) -> list[Inputs]:
        """As ``Trainer.stage_inputs``, of each part; inside, sequences are time-major."""
        lengths = checked_lengths(self.job, lengths)
        staged = [
            (
                self.xp.asarray(time_major(x[part.rows])),
                None if lengths is None else self.xp.asarray(lengths[part.rows]),
            )
            for part in self.parts
        ]
        self._synchronize()
        return staged

    def predict_staged(self, staged: list[Inputs]) -> list[Array]:
        """As ``Trainer.predict_staged``: the outputs of each part, in the layout of the network."""
        pairs = zip(self.parts, staged, strict=True)
        with self._threads_of_blas():
            outputs = list(self._for_each(lambda pair: pair[0].network.predict(*pair[1]), pairs))
        self._synchronize()
        return outputs

    def fetch(self, outputs: list[Array]) -> Array:
        """As ``Trainer.fetch``."""
        in_order = [out.swapaxes(0, 1) if out.ndim == 3 else out for out in outputs]
        return self._host(self.xp.concatenate(in_order))

    def parameters(self) -> Parameters:
        """As ``Trainer.parameters``."""
        return {name: self._host(view).copy() for name, view in self.views.items()}

    def executed(self, batch: Batch) -> str:
        """As ``Trainer.executed``."""
        library = blas_name() if self.xp is np else "cuBLAS"
        return f"{self.loop()}, {library}" + (f", {len(self.parts)} parts" if self.threads else "")

    def loop(self) -> str:
        """What ``executed`` says of the loop over time."""
        layer: Any = self.parts[0].network.layers[0][0][1]  # a layer of the harness's cells
        return f"Python loop of {layer.steps_by} {self.xp.__name__}.{layer.product_by}"

    def memory(self) -> DeviceMemory:
        """As ``Trainer.memory``."""
        if self.xp is np:
            return DeviceMemory()
        pool = self.xp.get_default_memory_pool()
        # CuPy's pool keeps no peak, but gives nothing back unasked: what it holds is the peak, or a little
        # more where a free block did not fit.
        return DeviceMemory(pool.used_bytes(), pool.total_bytes())

    def device_seconds(self) -> float | None:
        """As ``Trainer.device_seconds``."""
        return self.clock.seconds()

    def _step(self, shares: list[Share]) -> Array:
        loss = self._add_up(shares)
        self._update()
        return loss

    def _accumulated(self, micros: Staged) -> Array:
        grads = self.parts[0].flat_grads
        total = self.xp.zeros_like(grads)
        losses = []
        for shares in micros:
            losses.append(self._add_up(shares))
            total += grads
        self.xp.multiply(total, 1 / len(micros), out=grads)
        self._update()
        return sum(losses[1:], losses[0]) / len(micros)

    def _add_up(self, shares: list[Share]) -> Array:
        """The loss of the parts together; their gradients are added up in the first one's."""
        losses = list(self._for_each(lambda pair: pair[0].step(pair[1]), zip(self.parts, shares, strict=True)))
        first, *others = (part.flat_grads for part in self.parts)

        def add(blocks: list[slice]) -> None:
            for at in blocks:
                for other in others:
                    first[at] += other[at]

        if others:
            self.spans.each(add)
        return sum(losses[1:], losses[0])

    def _update(self) -> None:
        grads = self.parts[0].flat_grads
        clip(self.xp, self.job.optimizer, grads)
        self.optimizer.update(self.flat, grads)

    def _for_each(self, function: Callable[[Any], Array], items: Iterable[Any]) -> Iterable[Array]:
        """``function`` of each item, in the threads of the parts where there are several."""
        return self.threads.map(function, items) if self.threads else map(function, items)

    def _threads_of_blas(self) -> AbstractContextManager[Any]:
        """One thread of BLAS for each part: the parts occupy the job's threads."""
        return self.blas.limit(limits=1, user_api="blas") if self.threads else nullcontext()

    def _stage(self, share: parts.Share) -> Share:
        batch, lengths = share.batch, checked_lengths(self.job, share.batch.lengths)
        by_step = self.job.model.readout == "every" and self.job.loss != "ctc"
        y = self.xp.asarray(time_major(batch.y) if by_step else batch.y)
        own, masks = (
            None if each is None else self.xp.asarray(each) for each in (lengths, checked_masks(self.job, batch.masks))
        )
        return Share(self.xp.asarray(time_major(batch.x)), y, own, masks, share.weight)

    def _host(self, array: Array) -> Array:
        return np.asarray(array) if self.xp is np else array.get()  # type: ignore[attr-defined]

    def _synchronize(self) -> None:
        if self.xp is not np:
            self.xp.cuda.get_current_stream().synchronize()


class KernelsTrainer(NumpyTrainer):
    """A trainer whose loop over time is compiled kernels, of which ``loop`` says what ran."""

    def executed(self, batch: Batch) -> str:
        """As ``Trainer.executed``; a prediction first, so that a kernel has run."""
        self.predict(batch.x)
        return super().executed(batch)


def _device_clock(xp: Any) -> DeviceClock:
    if xp is np:
        return DeviceClock()
    return DeviceClock((xp.cuda.Event(), xp.cuda.Event()), xp.cuda.get_elapsed_time)
