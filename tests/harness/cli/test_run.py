"""``harness run`` as a user meets it: what it prints, how it refuses, how it exits."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from harness import protocol
from harness.records.store import read_all
from tests.conftest import Harness

QUICKEST = ("--backend", "numpy", "--task", "adding", "-P", "length=4", "--steps", "20", "--threads", "1")


def test_a_run_ends_with_the_table_and_leaves_a_record(harness: Harness, tmp_path: Path) -> None:
    done = harness("run", *QUICKEST)
    assert done.returncode == 0, done.stderr
    assert "adding" in done.stdout
    assert "numpy" in done.stdout
    assert done.stderr == ""
    (record,) = read_all([tmp_path / "results" / "local"]).records
    assert record.status == "ok"
    assert record.metrics is not None
    assert record.metrics.train_sequences_per_second is not None
    assert record.metrics.host_peak_bytes is None or record.metrics.host_peak_bytes >= 2**20
    assert record.metrics.import_s > 0
    assert record.curve[-1].step == 20


def test_json_is_records_and_nothing_else(harness: Harness) -> None:
    done = harness("run", *QUICKEST, "--seed", "0", "--seed", "1", "--json")
    assert [json.loads(line)["spec"]["seed"] for line in done.stdout.splitlines()] == [0, 1]


@pytest.mark.parametrize("backend", ["numpy", "torch", "tensorflow", "jax"])
def test_the_same_spec_twice_gives_bit_identical_losses(harness: Harness, backend: str) -> None:
    """In new processes, on two threads where there are two CPUs."""
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    words = ("run", "--backend", backend, "--task", "copy", "--hidden", "128", "--steps", "8", "--seed", "5", "--json")
    first, second = (json.loads(harness(*words).stdout) for _ in range(2))
    assert first["status"] == "ok", first["reason"]
    assert first["spec"] == second["spec"]
    assert [p["loss"] for p in first["curve"]] == [p["loss"] for p in second["curve"]]
    assert first["metrics"]["final_loss"] == second["metrics"]["final_loss"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--clip", "1", "--clip", "2"], "--clip is given twice; it takes one value"),
        (["--device", "cuda:1"], "'cuda:1': a worker sees one GPU, cuda; choose it with CUDA_VISIBLE_DEVICES=1"),
        (["--task", "ading"], "unknown task 'ading'; did you mean 'adding'?"),
        (["--backend", "pytorch"], "unknown backend 'pytorch'; did you mean 'torch'?"),
        (["--cell", "lstn"], "unknown cell 'lstn'; did you mean 'lstm'?"),
        (["--preset", "quik"], "unknown preset of adding 'quik'; did you mean 'quick'?"),
        (["--variant", "hoistd"], "unknown variant of numpy 'hoistd'; did you mean 'hoisted'?"),
        (["-P", "lenght=4"], "unknown parameter of adding 'lenght'; did you mean 'length'?"),
        (["-P", "length=0"], "adding: length must be at least 2, not 0"),
        (["-P", "length=-3"], "adding: length must be at least 2, not -3"),
        (["-P", "length=four"], "adding: length must be a whole number, not 'four'"),
        (["-P", "markers=elsewhere"], "adding: markers must be 'halves' or 'anywhere', not 'elsewhere'"),
        (["-P", "length"], "-P takes name=value, not 'length'"),
        (["--hidden", "0"], "model.hidden: input should be greater than or equal to 1, not 0"),
        (["--layers", "0"], "model.layers: input should be greater than or equal to 1, not 0"),
        (["--batch", "0"], "batch: input should be greater than or equal to 1, not 0"),
        (["--steps", "-1"], "steps: input should be greater than or equal to 1, not -1"),
        (["--lr", "0"], "optimizer.lr: input should be greater than 0, not 0.0"),
        (["--seed", "-1"], "seed: input should be greater than or equal to 0, not -1"),
        (["--precision", "float16"], "precision: input should be 'float32', 'float64', 'tf32' or 'bfloat16', not"),
        (["--device", "tpu"], "device: input should be 'cpu' or 'cuda', not 'tpu'"),
        (["--optimizer", "lion"], "optimizer.name: input should be 'adam', 'adamw', 'rmsprop' or 'sgd', not 'lion'"),
        (["--threads", "10000"], "CPUs, not 10000"),
        (["--task", "sequential-digits", "--batch", "5000"], "a batch of 5,000 is larger"),
        (["--results", "/dev/null/results"], "cannot write results to /dev/null/results: Not a directory"),
    ],
)  # fmt: skip
def test_wrong_words_get_one_line_that_says_what_would_be_right(harness: Harness, words: list[str], says: str) -> None:
    done = harness("run", "--backend", "numpy", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_cuda_that_is_not_there_is_told_in_the_table_and_the_rest_goes_on(harness: Harness) -> None:
    done = harness("run", *QUICKEST, "--device", "cuda", "--device", "cpu")
    if "unavailable" not in done.stdout:
        pytest.skip("this machine has a CUDA device and CuPy")
    assert done.returncode == 1
    assert "auto on cuda: unavailable: " in done.stdout
    assert "CuPy" in done.stdout
    assert " ok " in done.stdout


def test_devices_are_runs_of_their_own(harness: Harness) -> None:
    words = (
        "run",
        "--backend",
        "numpy",
        "--device",
        "cpu",
        "--device",
        "cuda",
        "--device",
        "cpu",
        "--dry-run",
        "--json",
    )
    specs = [json.loads(line) for line in harness(*words).stdout.splitlines()]
    assert [spec.pop("device") for spec in specs] == ["cpu", "cuda"]
    assert specs[0] == specs[1]


def test_a_dry_run_prints_the_plan_and_runs_nothing(harness: Harness, tmp_path: Path) -> None:
    done = harness("run", "--backend", "all", "--task", "all", "--cell", "all", "--dry-run")
    assert done.returncode == 0
    assert "96 runs, none started" in done.stdout
    assert not (tmp_path / "results").exists()


def test_with_several_tasks_a_parameter_goes_to_those_that_have_it(harness: Harness) -> None:
    done = harness(
        "run",
        "--backend",
        "numpy",
        "--task",
        "adding",
        "--task",
        "copy",
        "-P",
        "markers=anywhere",
        "--dry-run",
        "--json",
    )
    adding, copy = map(json.loads, done.stdout.splitlines())
    assert adding["parameters"]["markers"] == "anywhere"
    assert "markers" not in copy["parameters"]
    done = harness(
        "run", "--backend", "numpy", "--task", "adding", "--task", "copy", "-P", "marker=anywhere", "--dry-run"
    )
    assert done.returncode == 2
    assert "did you mean 'markers'?" in done.stderr


def test_the_model_of_the_seed_document_is_one_command(harness: Harness) -> None:
    words = "run --backend numpy --task sine -P length=100 -P features=10 -P readout=last --hidden 50 --batch 64"
    spec = json.loads(harness(*words.split(), "--dry-run", "--json").stdout)
    assert spec["parameters"] | {"noise": 0} == {"length": 100, "features": 10, "readout": "last", "noise": 0}
    assert (spec["model"]["hidden"], spec["batch"], spec["optimizer"]["name"]) == (50, 64, "adam")


def test_two_runs_at_the_same_moment_into_one_folder_keep_both(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "run", *QUICKEST, "--results", str(tmp_path / "shared")]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tmp_path) for _ in range(2)]
    assert [one.wait(120) for one in both] == [0, 0]
    found = read_all([tmp_path / "shared"])
    assert len(found.records) == 2
    assert not found.problems


def test_strays_are_kept_from_the_worker_and_recorded(harness: Harness) -> None:
    env = {"OPENBLAS_NUM_THREADS": "64", "XLA_FLAGS": "--nonsense", "TF_ENABLE_ONEDNN_OPTS": "0"}
    record = json.loads(harness("run", *QUICKEST, "--json", env=env).stdout)
    assert record["environment"]["strays"] == {
        **env,
        **{k: v for k, v in record["environment"]["strays"].items() if k not in env},
    }
    assert record["environment"]["threads"] == 1


def test_a_users_own_tasks_module_does_not_shadow_ours(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("raise RuntimeError('the wrong module')\n")
    worker = [sys.executable, "-P", "-m", "harness.worker"]
    request = protocol.encode(protocol.Probe("numpy"))
    done = subprocess.run(worker, cwd=tmp_path, input=request, capture_output=True, check=True)
    answer = protocol.decode_event(done.stdout)
    assert isinstance(answer, protocol.Probed)
    assert answer.backend["name"] == "numpy"


def mnist_run(harness: Harness, data: Path) -> dict[str, Any]:
    words = ("--backend", "numpy", "--task", "sequential-mnist", "--steps", "1", "--threads", "1", "--json")
    done = harness("run", *words, "--data", str(data))
    assert done.returncode == 1
    record: dict[str, Any] = json.loads(done.stdout)
    return record


@pytest.mark.parametrize("content", [None, b"truncated", b"\x1f\x8b broken gzip"])
def test_missing_and_corrupt_mnist_is_unavailable_with_the_reason(
    harness: Harness, tmp_path: Path, content: bytes | None
) -> None:
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    if content is not None:
        for kind in ("train", "t10k"):
            (folder / f"{kind}-images-idx3-ubyte.gz").write_bytes(content)
            (folder / f"{kind}-labels-idx1-ubyte.gz").write_bytes(content)
    record = mnist_run(harness, tmp_path / "data")
    assert record["status"] == "unavailable"
    assert "ubyte" in record["reason"]
    assert "\n" not in record["reason"]
