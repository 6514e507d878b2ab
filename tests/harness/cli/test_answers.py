"""``harness answers``, from the command down."""

from __future__ import annotations

import json
from pathlib import Path

from harness.cli.answers import fitted
from harness.records.base import Noise
from harness.records.store import Store
from tests.conftest import Harness
from tests.harness.conftest import made_contestant, made_record, made_speed


def test_sentences_say_who_by_how_much_and_what_does_not_count(harness: Harness, tmp_path: Path) -> None:
    store = Store(tmp_path / "records")
    store.prepare()
    for number, backend in enumerate(("numpy", "torch")):
        for seed in range(3):
            store.write(made_record(backend=backend, seed=seed, number=10 * number + seed))
    noisy = made_record(backend="jax", number=90, record={"noise": Noise(drift=0.3)})
    store.write(noisy)
    rows = [made_contestant("torch", ms, tier) for ms, tier in ((2.0, "best"), (3.0, "default"))]
    store.write(made_speed([*rows, made_contestant("numpy", 4.0)]))
    told = harness("answers", "records").stdout.splitlines()
    runs, contest = told[: told.index("")], told[told.index("") + 1 :]
    assert runs[0] == "LSTM of 64 units · task adding, quick: Cannot be told yet"
    assert runs[1] == (
        "  Which is fastest cannot be told before JAX, which was disturbed, is measured again: JAX (drift) read 2.1 "
        "times as fast as PyTorch, which leads among those that count."
    )
    assert "to 0.01 training took PyTorch 9.38 s, NumPy 54.2 s" in runs[3]
    assert "3 seeds of each" in runs[4]
    assert runs[5].startswith("  Does not count: JAX nn (drift). (Drift: the last third of the blocks")
    assert contest[0].endswith("3 sequences of 4 steps × 2: PyTorch")
    assert contest[1] == "  PyTorch trained fastest: 2 times as fast (2–2) as NumPy."
    assert (
        "  PyTorch’s tuned form (best-one) is 1.5 times as fast (1.5–1.5) as what its users get (default-one)."
        in contest
    )
    assert "50 % in training" in contest[-1]
    first, second = map(json.loads, harness("answers", "records", "--json").stdout.splitlines())
    assert {first["verdict"], second["verdict"]} == {"fastest", "open"}
    of_runs = first if first["question"]["kind"] == "runs" else second
    assert noisy.id in of_runs["sentences"][0]["records"]
    assert [each["backend"] for each in of_runs["standing"]] == ["torch", "numpy"]


def test_a_backend_that_was_disturbed_in_each_of_several_calls_is_named_once(harness: Harness, tmp_path: Path) -> None:
    store = Store(tmp_path / "records")
    store.prepare()
    for number in range(2):
        disturbed = made_contestant("numpy", 2.0).model_copy(update={"noise": Noise(drift=0.3)})
        record = made_speed([disturbed, made_contestant("torch", 2.0)])
        store.write(record.model_copy(update={"id": f"{record.id[:-1]}{number}"}))
    told = harness("answers", "records").stdout
    assert "before NumPy, which was disturbed, is measured again: NumPy (drift) read about as fast as PyTorch, " in told


def test_where_one_backend_was_measured_there_is_nothing_to_answer(harness: Harness, tmp_path: Path) -> None:
    store = Store(tmp_path / "records")
    store.prepare()
    store.write(made_record())
    done = harness("answers", "records")
    assert (done.returncode, done.stdout) == (0, "")
    why = "no two backends were measured at the same sizes on the same machine: there is nothing to compare"
    assert done.stderr == f"harness: {why}\n"


def test_a_terminal_breaks_no_word() -> None:
    line = "  PyTorch trained fastest: 1.31 times as fast (1.17–1.46) as NumPy."
    assert fitted(line, None) == [line]
    parts = fitted(line, 30)
    assert parts[0] == "  PyTorch trained fastest:"
    assert max(map(len, parts)) <= 30
    assert " ".join(part.strip() for part in parts) == line.strip()
