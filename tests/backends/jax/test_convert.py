"""Canonical parameters as cuDNN lays them out, compared with JAX's own unpacking."""

from __future__ import annotations

import numpy as np
import pytest

from backends.conformance import NETWORKS, a_job, start
from backends.parameters import layer, layer_names

rnn = pytest.importorskip("jax.experimental.rnn")


@pytest.mark.parametrize("network", range(len(NETWORKS)))
def test_the_flat_vector_unpacks_to_the_canonical_arrays(network: int) -> None:
    from backends.jax.convert import cudnn_weights

    model = a_job("lstm", network).model
    p = start(a_job("lstm", network))
    flat = cudnn_weights(model, p)
    size = rnn.get_num_params_in_lstm(model.inputs, model.hidden, model.layers, model.bidirectional)
    assert flat.shape == (size,)
    unpacked = rnn.unpack_lstm_weights(flat, model.inputs, model.hidden, model.layers, model.bidirectional)
    for pseudo_layer, (_, _, prefix) in enumerate(layer_names(model)):
        own = layer(p, prefix)
        expected = own["W_ih"], own["W_hh"], own["b"], np.zeros_like(own["b"])
        for ours, theirs in zip((kind[pseudo_layer] for kind in unpacked), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
