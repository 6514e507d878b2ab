"""A user's own Keras layer or model on the training step of ``backends.tensorflow.trainer``."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from backends import own_cell
from backends.job import Job, Parameters
from backends.own import OwnModelError, takes_lengths
from backends.tensorflow.trainer import RECURRENCES, TensorflowTrainer
from backends.variants import Entry
from tasks.base import Batch

XP = own_cell.namespace(keras.ops, mean=lambda a: keras.ops.mean(a, axis=-1, keepdims=True))


class OwnNetwork:
    """Maps x (B, T, D) to the outputs, (B, outputs) or (B, T, outputs); a stand-in for ``Network``."""

    time_first, xla = False, False

    def __init__(self, job: Job) -> None:
        assert job.own is not None
        self.job, self.own = job, job.own
        keras.utils.set_random_seed(self.own.seed)
        keras.config.set_dtype_policy(job.dtype)
        cell = own_cell.is_cell(self.own.definition)
        self.module: Any = Cell(job) if cell else self.own.made(self.own.definition, job.model)
        self.takes_lengths = takes_lengths(self.module.call)
        self(tf.zeros((job.batch, job.length, job.model.inputs), job.dtype), tf.fill((job.batch,), job.length))
        if not self.variables:
            raise OwnModelError(f"{self.own.name} trains nothing: it has no trainable variables")

    @property
    def variables(self) -> list[tf.Variable]:
        """The trainable ones, as TensorFlow has them."""
        return [variable.value for variable in self.module.trainable_variables]

    def __call__(
        self, x: tf.Tensor, lengths: tf.Tensor | None = None, masks: tf.Tensor | None = None, training: bool = True
    ) -> tf.Tensor:
        """The outputs. Raises OwnModelError where they are of another kind."""
        assert masks is None  # a spec has no dropout between the layers of a model of a user's own
        more = (lengths,) if self.takes_lengths else ()
        out = self.module(x, *more, training=training)
        if not tf.is_tensor(out):
            raise OwnModelError(f"{self.own.name} returned a {type(out).__name__}; wanted is a tensor of its outputs")
        if not self.own.last_of(tuple(out.shape), self.job, self.takes_lengths):
            return out
        return out[:, -1] if lengths is None else tf.gather(out, lengths - 1, batch_dims=1)


class Cell(keras.Layer):
    """A cell of a user's own in a loop over time, with a readout."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        assert job.own is not None
        self.job, self.own = job, job.own
        self.own_names: list[str] = []
        for name, array in own_cell.parameters(job.own, job.model).items():
            self.own_names.append(name)
            self.add_weight(shape=array.shape, initializer=keras.initializers.Constant(array), name=name)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """The outputs for x (B, T, D): of the last step where that alone is wanted, else of every one."""
        p = {name: each.value for name, each in zip(self.own_names, self.trainable_variables, strict=True)}
        start = own_cell.start(self.own, lambda: tf.zeros((self.job.batch, self.job.model.hidden), x.dtype))
        steps = tf.scan(
            lambda state, x_t: own_cell.stepped(self.own, XP, p, x_t, state), tf.transpose(x, (1, 0, 2)), start
        )
        hs = own_cell.read(steps)
        last = self.job.model.readout == "last" and not self.job.variable
        h = hs[-1] if last else tf.transpose(hs, (1, 0, 2))
        return tf.tensordot(h, p["head.W"], 1) + p["head.b"]


class OwnTrainer(TensorflowTrainer):
    """Trains a user's layer; its parameters go by the paths of Keras's variables."""

    unconnected = "zero"

    def parameters(self) -> Parameters:
        """As ``Trainer.parameters``."""
        module = self.network.module
        names = module.own_names if isinstance(module, Cell) else [each.path for each in module.trainable_variables]
        values = (np.array(each.numpy()) for each in module.trainable_variables)
        return dict(zip(names, values, strict=True))

    def executed(self, batch: Batch) -> str:
        """Read from the graph of the training step, as for the cells here."""
        del batch  # its shapes are the job's
        operators = self._operators()[1]
        return next((kind for kind in RECURRENCES if kind in operators), "no recurrence known by name")

    def _built(self, parameters: Parameters, entry: Entry) -> OwnNetwork:
        return OwnNetwork(self.job)

    def _outputs(self, x: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        self.traces += 1
        return self.network(x, lengths, training=False)
