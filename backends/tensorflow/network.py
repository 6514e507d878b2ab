"""The model: a stack of recurrent layers and the linear readout."""

from __future__ import annotations

import tensorflow as tf

from backends import parts
from backends.job import Array, Job, kept_scale
from backends.parameters import layer_names
from backends.tensorflow.layers import Layer
from backends.variants import Entry


class Network:
    """Recurrent layers, which compute in the job's ``layer_dtype``, and the readout, in that of its parameters.

    Maps x to the outputs, (B, outputs) or, in the layout of x, (B, T, outputs).

    Attributes:
        layers: by the prefix of their parameters' names.
        head: weights (features, outputs) and bias (outputs,) of the readout.
        time_first, xla: as in ``Layer``.
    """

    def __init__(self, job: Job, entry: Entry, own: dict[str, list[Array]]) -> None:
        model = self.model = job.model
        kind: type[Layer] = entry.load_layers()
        self.dtype, self.time_first, self.xla = job.layer_dtype, kind.time_first, kind.xla
        self.scale = kept_scale(job)
        self.layers: dict[str, Layer] = {}
        for index, reverse, prefix in layer_names(model):
            every = model.readout == "every" or index < model.layers - 1
            self.layers[prefix] = kind(model.cell, own[prefix], reverse, every, self.dtype)
        self.head: list[tf.Variable] = [tf.Variable(array) for array in own["head"]]
        self.sizes = _part_sizes(job) if entry.parts else [job.batch]

    @property
    def variables(self) -> list[tf.Variable]:
        """All trainable ones, the readout's last."""
        return [variable for layer in self.layers.values() for variable in layer.variables] + self.head

    def __call__(
        self,
        x: tf.Tensor,
        lengths: tf.Tensor | None = None,
        masks: tf.Tensor | None = None,
        predicting: bool = False,
    ) -> tf.Tensor:
        """The outputs for x (T, B, D) where ``time_first``, or else (B, T, D).

        ``masks`` (layers - 1, …), in the layout of the layers, say what is kept between them in training with dropout.
        ``predicting``: that no backward pass follows.
        """
        batch_axis = 1 if self.time_first else 0
        states = [
            self._states(*part, predicting) for part in self._split(tf.cast(x, self.dtype), lengths, masks, batch_axis)
        ]
        hs = tf.concat(states, axis=batch_axis if self.model.readout == "every" else 0)
        W, b = self.head
        return tf.tensordot(tf.cast(hs, W.dtype), W, 1) + b

    def _states(self, x: tf.Tensor, lengths: tf.Tensor | None, masks: tf.Tensor | None, predicting: bool) -> tf.Tensor:
        """The top layer's hidden states, those that the readout reads."""
        hs = x
        for index in range(self.model.layers):
            if index and masks is not None:
                hs = hs * tf.cast(masks[index - 1], hs.dtype) * self.scale
            layers = [self.layers[prefix] for number, _, prefix in layer_names(self.model) if number == index]
            computed = [each.predict if predicting else each for each in layers]
            hs = tf.concat([compute(hs, lengths) for compute in computed], axis=-1)
        return hs

    def _split(
        self, x: tf.Tensor, lengths: tf.Tensor | None, masks: tf.Tensor | None, batch_axis: int
    ) -> list[tuple[tf.Tensor, tf.Tensor | None, tf.Tensor | None]]:
        """The batch in its parts. Their loops do not depend on each other, so that TensorFlow runs each in a thread."""
        if len(self.sizes) == 1:
            return [(x, lengths, masks)]
        absent = [None] * len(self.sizes)
        own = absent if lengths is None else tf.split(lengths, self.sizes)
        kept = absent if masks is None else tf.split(masks, self.sizes, axis=batch_axis + 1)
        return list(zip(tf.split(x, self.sizes, axis=batch_axis), own, kept, strict=True))


def _part_sizes(job: Job) -> list[int]:
    """Sequences in each part, the largest first: what takes longest starts first."""
    return sorted((part.stop - part.start for part in parts.rows(job)), reverse=True)
