"""Whether a run that starts and trains as Keras does learns as Keras ``fit`` does: the tutorial's model, on own data.

    python tests/bench/keras_curve.py [--epochs 30] [--seeds 5] [--json FILE]

An LSTM of 50 units on 100 steps of 10 features, one number out, Adam at 0.001, MSE, batches of 64. The same arrays go
to ``harness data add`` and to ``fit``; each seed draws another start and another order on both sides. Prints, epoch by
epoch, the validation losses of both, and in how many epochs the harness' median lies within the range of ``fit``'s
seeds; exits with 1 if it does in fewer than nine of ten.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

import tasks
from tasks.base import SPLITS

NAME = "keras-curve"
#: Of the epochs, that must lie within the range of ``fit``'s seeds: a median of as many draws leaves it now and then.
WITHIN = 0.9
#: Run by a process of its own, as frameworks are: prints the validation losses of each epoch.
FIT = """
import json, sys
import keras, numpy as np

folder, seed, epochs, hidden, batch = sys.argv[1], *map(int, sys.argv[2:])
keras.utils.set_random_seed(seed)
x, y, x_val, y_val = (np.load(f"{folder}/{name}.npy") for name in ("x", "y", "x_val", "y_val"))
layers = [keras.Input(x.shape[1:]), keras.layers.LSTM(hidden), keras.layers.Dense(y.shape[1])]
model = keras.Sequential(layers)
model.compile(keras.optimizers.Adam(0.001), "mse")
history = model.fit(x, y, batch_size=batch, epochs=epochs, validation_data=(x_val, y_val), verbose=0).history
print(json.dumps(history["val_loss"]))
"""


@dataclass(frozen=True)
class Epoch:
    """Validation losses after an epoch, by seed."""

    epoch: int
    ours: list[float]
    fit: list[float]

    @property
    def within(self) -> bool:
        """Whether the median of ours lies within the range of fit's."""
        return min(self.fit) <= median(self.ours) <= max(self.fit)

    def line(self) -> str:
        """A row of the table: median and range of each side."""
        sides = [f"{median(side):.4f} ({min(side):.4f}–{max(side):.4f})" for side in (self.ours, self.fit)]
        return f"| {self.epoch} | {' | '.join(sides)} | {'yes' if self.within else 'no'} |"


def main(words: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sequences", type=int, default=1280)
    parser.add_argument("--length", type=int, default=100)
    parser.add_argument("--hidden", type=int, default=50)
    parser.add_argument("--json", type=Path, help="file for the figures")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        env = {**os.environ, "HARNESS_DATASETS": str(place / "sets"), "TF_CPP_MIN_LOG_LEVEL": "2"}
        add_data(place, asked.sequences, asked.length, env)
        ours = learned(place, asked, env)
        fit = fitted(place, asked, env)
    rows = [
        Epoch(number, [curve[number] for curve in ours], [curve[number - 1] for curve in fit])
        for number in sorted(set.intersection(*map(set, ours)) - {0})
    ]
    print(
        "| epoch | harness, `--init keras`: median (range) | Keras `fit`: median (range) | within |\n|---|---|---|---|"
    )
    print("\n".join(row.line() for row in rows))
    share = sum(row.within for row in rows) / len(rows)
    print(f"\n{asked.seeds} seeds each; the median is within fit's range in {share:.0%} of {len(rows)} epochs")
    if asked.json:
        asked.json.write_text(json.dumps([asdict(row) | {"within": row.within} for row in rows]))
    return 0 if share >= WITHIN else 1


def add_data(place: Path, sequences: int, length: int, env: Mapping[str, str]) -> None:
    """Noisy sines with their next value, as arrays of a user's own; and the splits that the harness makes of them."""
    drawn = tasks.load("sine", {"length": length, "features": 10, "readout": "last"}, 0).batch("train", 0, sequences)
    np.save(place / "X.npy", drawn.x.astype("float32"))
    np.save(place / "Y.npy", drawn.y.astype("float32"))
    call(["data", "add", NAME, "--x", str(place / "X.npy"), "--y", str(place / "Y.npy")], env)
    os.environ["HARNESS_DATASETS"] = env["HARNESS_DATASETS"]
    task = tasks.load(NAME, {}, 0)
    for split, suffix in zip(SPLITS[:2], ("", "_val"), strict=True):
        whole = task.batch(split, 0, task.size(split) or 0)
        np.save(place / f"x{suffix}.npy", whole.x)
        np.save(place / f"y{suffix}.npy", whole.y)


def learned(place: Path, asked: argparse.Namespace, env: Mapping[str, str]) -> list[dict[int, float]]:
    """By seed, the validation loss after each epoch that was evaluated."""
    updates = asked.sequences * 8 // 10 // 64
    words = f"--backend tensorflow --cell lstm --hidden {asked.hidden} --batch 64 --lr 0.001 --clip 0 --init keras"
    more = f"--epochs {asked.epochs} --evaluate-every {updates} --seeds {asked.seeds} --threads 1 --json"
    done = call(["run", "--task", NAME, *words.split(), *more.split(), "--results", str(place / "results")], env)
    records = map(json.loads, done.splitlines())
    return [{point["step"] // updates: point["loss"] for point in record["curve"]} for record in records]


def fitted(place: Path, asked: argparse.Namespace, env: Mapping[str, str]) -> list[list[float]]:
    """The same of ``fit``, on TensorFlow."""
    curves = []
    for seed in range(asked.seeds):
        sizes = map(str, (seed, asked.epochs, asked.hidden, 64))
        done = subprocess.run(
            [sys.executable, "-c", FIT, str(place), *sizes],
            env={**env, "KERAS_BACKEND": "tensorflow"}, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        curves.append(json.loads(done.stdout.splitlines()[-1]))
    return curves


def call(words: Sequence[str], env: Mapping[str, str]) -> str:
    """What a command of the harness prints."""
    command = [sys.executable, "-P", "-m", "harness", *words]
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
