"""What the harness costs: its steady state against the same steps in a bare script, in turns.

    python tests/bench/overhead.py [BACKEND …]

For each backend one process builds two programmes for the spec ``adding``, preset ``quick``: the harness's own
(``harness.training.Run`` on the backend's stock variant), and a bare script of the framework that shares no code with
``harness`` or ``backends`` (but NumPy's, which has no layer of its own to call). They take turns, a block of updates
each; the ratio is taken pair by pair, over several processes, since where buffers happen to lie in memory moves a
whole process by a few percent. A ratio of 1.00 means that a figure in a record is the framework's own, 0.95 that the
harness's block took 5 % longer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

STOCK = {"numpy": "hoisted", "torch": "nn", "tensorflow": "keras", "jax": "scan"}
PROCESSES, PAIRS, BLOCK, WARM_UP = 6, 12, 10, 2
H, D, LR, CLIP, BETA1, BETA2, EPSILON = 64, 2, 5e-3, 1.0, 0.9, 0.999, 1e-8

Blocks = Callable[[Sequence[tuple[Any, Any]]], None]


def bare_torch() -> tuple[Any, Blocks]:
    """What a user writes: ``nn.LSTM``, a linear head, fused Adam."""
    import torch

    lstm, head = torch.nn.LSTM(D, H), torch.nn.Linear(H, 1)
    lstm.bias_hh_l0.requires_grad_(False).zero_()
    parameters = [p for p in (*lstm.parameters(), *head.parameters()) if p.requires_grad]
    adam = torch.optim.Adam(parameters, LR, (BETA1, BETA2), EPSILON, fused=True)

    def stage(x: Any, y: Any) -> tuple[Any, Any]:
        return torch.from_numpy(np.ascontiguousarray(x.swapaxes(0, 1))), torch.from_numpy(y)

    def train(batches: Sequence[tuple[Any, Any]]) -> None:
        losses = []
        for x, y in batches:
            adam.zero_grad(set_to_none=True)
            loss = torch.nn.functional.mse_loss(head(lstm(x)[0][-1]), y)
            loss.backward()
            gradients = [p.grad for p in parameters]
            norm = torch.nn.utils.get_total_norm(gradients)
            torch._foreach_mul_(gradients, torch.clamp(CLIP / norm, max=1.0))
            adam.step()
            losses.append(loss.detach())
        torch.stack(losses).numpy()

    return stage, train


def bare_tensorflow() -> tuple[Any, Blocks]:
    """What a user writes: ``keras.layers.LSTM`` in a ``tf.function``, Adam's fused operator."""
    import keras
    import tensorflow as tf

    lstm, head = keras.layers.LSTM(H), keras.layers.Dense(1)
    head.build((None, H))
    lstm.build((None, None, D))
    variables = [v.value for v in (*lstm.trainable_variables, *head.trainable_variables)]
    m, v = ([tf.Variable(tf.zeros_like(p)) for p in variables] for _ in range(2))
    t = tf.Variable(0.0)

    @tf.function
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((head(lstm(x)) - y) ** 2)
        gradients = tape.gradient(loss, variables)
        norm = tf.linalg.global_norm(gradients)
        scale = tf.minimum(CLIP / norm, 1.0)
        t.assign_add(1.0)
        power1, power2 = BETA1**t, BETA2**t
        for p, m_, v_, g in zip(variables, m, v, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=p.handle, m=m_.handle, v=v_.handle, beta1_power=power1, beta2_power=power2, lr=LR, beta1=BETA1,
                beta2=BETA2, epsilon=EPSILON * tf.sqrt(1 - power2), grad=g * scale,
            )  # fmt: skip
        return loss

    def train(batches: Sequence[tuple[Any, Any]]) -> None:
        losses = [step(x, y) for x, y in batches]
        tf.stack(losses).numpy()
        t.numpy()

    return lambda x, y: (tf.constant(x), tf.constant(y)), train


def bare_jax() -> tuple[Any, Blocks]:
    """What a user writes: a ``lax.scan`` with the input projection hoisted, one jitted step, Adam by hand."""
    import jax
    import jax.numpy as jnp

    rng = np.random.default_rng(0)
    shapes = {"W": (4 * H, D), "U": (4 * H, H), "b": (4 * H,), "V": (1, H), "c": (1,)}
    parameters = {name: jnp.asarray(0.1 * rng.standard_normal(shape), "float32") for name, shape in shapes.items()}
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = [parameters, zeros, jax.tree.map(jnp.zeros_like, parameters), jnp.zeros((), "float32")]

    def loss(p: Any, x: Any, y: Any) -> Any:
        def body(carry: Any, a: Any) -> Any:
            h, c = carry
            i, f, g, o = jnp.split(a + h @ p["U"].T, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zero = jnp.zeros((x.shape[1], H), x.dtype)
        _, hs = jax.lax.scan(body, (zero, zero), x @ p["W"].T + p["b"])
        return jnp.mean((hs[-1] @ p["V"].T + p["c"] - y) ** 2)

    def step(p: Any, m: Any, v: Any, t: Any, x: Any, y: Any) -> Any:
        value, g = jax.value_and_grad(loss)(p, x, y)
        norm = jnp.sqrt(sum(jnp.sum(each**2) for each in g.values()))
        scale = jnp.where(norm > CLIP, CLIP / norm, 1)
        g, t = {k: each * scale for k, each in g.items()}, t + 1
        m = {k: BETA1 * m[k] + (1 - BETA1) * g[k] for k in g}
        v = {k: BETA2 * v[k] + (1 - BETA2) * g[k] ** 2 for k in g}
        one, two = 1 - BETA1**t, 1 - BETA2**t
        p = {k: p[k] - LR * (m[k] / one) / (jnp.sqrt(v[k] / two) + EPSILON) for k in g}
        return p, m, v, t, value

    compiled = jax.jit(step, donate_argnums=(0, 1, 2, 3))

    def stage(x: Any, y: Any) -> tuple[Any, Any]:
        return jax.device_put(np.ascontiguousarray(x.swapaxes(0, 1))), jax.device_put(y)

    def train(batches: Sequence[tuple[Any, Any]]) -> None:
        losses = []
        for x, y in batches:
            *state[:], value = compiled(*state, x, y)
            losses.append(value)
        jax.block_until_ready(state)
        jax.device_get(losses)

    return stage, train


def bare_numpy() -> tuple[Any, Blocks]:
    """NumPy has no layer to call: the bare script is a plain loop around the backend's own network."""
    from backends.base import Job, ModelSpec, OptimizerSpec
    from backends.numpy.trainer import NumpyTrainer
    from backends.parameters import InitialisationSpec, initial

    model = ModelSpec("lstm", D, H, 1, "last")
    job = Job(model, "mse", OptimizerSpec(lr=LR), batch=50, length=100, variant="hoisted", threads=2)
    start = {name: p.astype("float32") for name, p in initial(model, InitialisationSpec(), 0).items()}
    trainer = NumpyTrainer(job, start)

    def train(batches: Sequence[tuple[Any, Any]]) -> None:
        for x, y in batches:
            trainer.network.loss_and_gradients(x, y)
            trainer._clip(CLIP)
            trainer.optimizer.update(trainer.flat, trainer.flat_grads)

    return lambda x, y: (np.ascontiguousarray(x.swapaxes(0, 1)), y), train


BARE = {"numpy": bare_numpy, "torch": bare_torch, "tensorflow": bare_tensorflow, "jax": bare_jax}


def pairs(name: str, bare_first: bool) -> list[float]:
    """Seconds of the bare script over seconds of the harness, pair by pair; runs in the worker's environment."""
    from harness import process

    process.pin(2)
    process.flush_denormals(True)
    import backends
    import tasks
    from backends.parameters import initial
    from harness.plan import Request, plan
    from harness.training import Clocks, Run

    spec = plan(Request(backends=[name], preset="quick", run={"variant": None}))[0]
    task = tasks.load(spec.task, spec.parameters)
    spec = spec.model_copy(update={"variant": STOCK[name]})
    backend = backends.load(name)
    backend.start(spec.job(task))
    if bare_first:
        stage, train = BARE[name]()
    trainer = backend.trainer(spec.job(task), initial(spec.job(task).model, spec.initialisation_spec(), 0))
    run = Run(spec, task, trainer, Clocks(time.perf_counter), lambda _: None, lambda _: None)
    if not bare_first:
        stage, train = BARE[name]()
    found = []
    for turn in range(WARM_UP + PAIRS):
        drawn = [task.batch("train", turn * BLOCK + k, spec.batch).astype("float32") for k in range(BLOCK)]
        staged = [stage(batch.x, batch.y) for batch in drawn]
        seconds = {}
        for who in ("ours", "bare") if turn % 2 else ("bare", "ours"):
            if who == "ours":
                _, seconds[who] = run._train(turn * BLOCK, BLOCK)
            else:
                start = time.perf_counter()
                train(staged)
                seconds[who] = time.perf_counter() - start
        found.append(seconds["bare"] / seconds["ours"])
    return found[WARM_UP:]


def main(names: Sequence[str]) -> None:
    """A line per backend: the median ratio and its 95 % interval (bootstrap)."""
    from scipy.stats import bootstrap

    from harness import environment
    from harness.plan import Request, plan

    print(f"{'backend':<11}{'variant':<9}{'harness / bare':>15}  95 % interval   pairs")
    for name in names or [name for name in STOCK if find_spec(name)]:
        spec = plan(Request(backends=[name], preset="quick"))[0]
        env, _ = environment.worker_environment(environment.worker_variables(spec), os.environ)
        ratios = []
        for number in range(PROCESSES):
            command = [sys.executable, __file__, "--pairs", name, *(["--bare-first"] if number % 2 else [])]
            done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
            ratios += json.loads(done.stdout.splitlines()[-1])
        low, high = bootstrap((ratios,), np.median, rng=np.random.default_rng(0)).confidence_interval
        print(
            f"{name:<11}{STOCK[name]:<9}{np.median(ratios):>15.3f}  {low:.3f}–{high:.3f}     {len(ratios)}", flush=True
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pairs"]:
        print(json.dumps(pairs(sys.argv[2], "--bare-first" in sys.argv)))
    else:
        main(sys.argv[1:])
