"""What a user of TensorFlow writes: ``keras.layers.LSTM`` or ``GRU`` in a ``tf.function``, Adam's fused operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

if TYPE_CHECKING:
    from loader import Sizes

CLIP, BETA1, BETA2, EPSILON = 1.0, 0.9, 0.999, 1e-8


def model(sizes: Sizes) -> tuple[Any, Any]:
    """The recurrent layer and the head."""
    kind = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[sizes.cell]
    layer = kind(sizes.hidden, return_sequences=sizes.readout == "every")
    head = keras.layers.Dense(sizes.outputs)
    head.build((None, sizes.hidden))
    layer.build((None, None, sizes.features))
    return layer, head


def prediction(sizes: Sizes) -> tuple[Any, Callable[[Any], Any]]:
    """Two functions: one leaves a batch on the host, one gives the outputs of each batch, on the host."""
    layer, head = model(sizes)

    @tf.function
    def outputs(x: Any) -> Any:
        return head(layer(x))

    return lambda x, y: (x, y), lambda batches: [outputs(tf.constant(x)).numpy() for x, _ in batches]


def program(sizes: Sizes) -> tuple[Any, Callable[[Any], Any]]:
    """Two functions: one puts a batch where training wants it, one does an update per batch and gives the losses."""
    layer, head = model(sizes)
    variables = [v.value for v in (*layer.trainable_variables, *head.trainable_variables)]
    m, v = ([tf.Variable(tf.zeros_like(p)) for p in variables] for _ in range(2))
    t = tf.Variable(0.0)

    def loss_of(out: Any, y: Any) -> Any:
        if sizes.loss == "mse":
            return tf.reduce_mean((out - y) ** 2)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=out))

    @tf.function
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(head(layer(x)), y)
        gradients = tape.gradient(loss, variables)
        norm = tf.linalg.global_norm(gradients)
        scale = tf.minimum(CLIP / norm, 1.0)
        t.assign_add(1.0)
        power1, power2 = BETA1**t, BETA2**t
        for p, m_, v_, g in zip(variables, m, v, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=p.handle, m=m_.handle, v=v_.handle, beta1_power=power1, beta2_power=power2, lr=sizes.lr,
                beta1=BETA1, beta2=BETA2, epsilon=EPSILON * tf.sqrt(1 - power2), grad=g * scale,
            )  # fmt: skip
        return loss

    def train(batches: Sequence[tuple[Any, Any]]) -> Any:
        losses = tf.stack([step(x, y) for x, y in batches]).numpy()
        t.numpy()
        return losses

    return lambda x, y: (tf.constant(x), tf.constant(y)), train
