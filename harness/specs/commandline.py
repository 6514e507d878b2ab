"""The command that makes a run again, from its spec."""

from __future__ import annotations

import shlex

from harness.specs.base import Optimizer
from harness.specs.run import RunSpec

#: What has no option on the command line; a spec that departs from these can be run from its record only.
_FIXED = ("beta1", "beta2", "alpha", "epsilon")


def words(spec: RunSpec, version: str | None = None) -> list[str]:
    """The words of ``harness run`` for exactly this spec, every option named: no default can change them."""
    model, start, rule = spec.model, spec.initialisation, spec.optimizer
    options = {
        "backend": f"{spec.backend}@{version}" if version else spec.backend, "task": spec.task,
        "cell": model.cell, "preset": spec.preset, "seed": spec.seed,
        "variant": spec.variant, "device": spec.device, "precision": spec.precision, "hidden": model.hidden,
        "layers": model.layers, "batch": spec.batch, "steps": spec.steps, "chunk": spec.chunk,
        "evaluate-every": spec.evaluate_every, "optimizer": rule.name, "lr": rule.lr, "clip": rule.clip or 0,
        "init": start.recurrent, "input-init": start.input, "forget-bias": start.forget_bias,
        **({"chrono": start.chrono} if start.chrono else {}),
        "threads": spec.threads, "denormals": spec.denormals, "score-at": spec.score_at,
    }  # fmt: skip
    return [
        "harness",
        "run",
        *(word for name, value in options.items() for word in (f"--{name}", str(value))),
        *(["--bidirectional"] if model.bidirectional else []),
        "--deterministic" if spec.deterministic else "--no-deterministic",
        *(word for name, value in spec.parameters.items() for word in ("-P", f"{name}={value}")),
    ]


def command_line(spec: RunSpec, version: str | None = None) -> str | None:
    """The command for a shell; None for a spec that ``harness run`` cannot be asked for.

    ``version``: of the framework, where it was asked for by version.
    """
    usual = Optimizer()
    if any(getattr(spec.optimizer, name) != getattr(usual, name) for name in _FIXED):
        return None
    return shlex.join(words(spec, version))
