"""What is exported computes the same in the framework that loads it, as the printed lines load it."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from backends import reference
from backends.job import ModelSpec
from harness.errors import UsageError
from harness.workflows.export import export
from tests.fixtures.saved import MODELS, drawn, inputs, saved

#: How a snippet's ``predict`` is called with NumPy's x.
CALLS = {
    "torch": "predict(torch.from_numpy(x)).detach().numpy()",
    "keras": "predict(x).numpy()",
    "jax": "numpy.asarray(predict(x))",
    "onnx": "predict(x)",
}
MODULES = {"torch": "torch", "keras": "tensorflow", "jax": "jax", "onnx": "onnxruntime"}
#: Of the largest output. Float32 sums of so few numbers stay within a few of its steps, of 1.2e-7 each.
TOLERANCE = {"float32": 1e-6, "float64": 1e-14}


def exported(folder: Path, framework: str, dtype: str = "float32") -> dict[str, str]:
    """The printed lines of every model that the framework has; in float64, of the same layout, of one per cell."""
    models = list(MODELS.items())
    if dtype == "float64":
        models = list({model.cell: (name, model) for name, model in models}.values())
    found = {}
    for number, (name, model) in enumerate(models):
        if framework != "torch" or model.cell != "gru-reset-before":
            file = saved(folder, model, dtype, number=number)
            found[name] = export([file], framework).code
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("framework", CALLS)
def test_the_framework_predicts_what_the_reference_does(tmp_path: Path, framework: str, dtype: str) -> None:
    """All models in one process of the framework's own: importing it takes longer than all else."""
    if find_spec(MODULES[framework]) is None:
        pytest.skip(f"{MODULES[framework]} is not installed")
    codes = exported(tmp_path, framework, dtype)
    np.save(tmp_path / "x.npy", inputs(dtype))
    for name, code in codes.items():
        (tmp_path / f"{name}.py").write_text(code)
    program = f"""
import sys
import numpy
x = numpy.load("x.npy")
for name in sys.argv[1:]:
    names = {{}}
    exec(open(name + ".py").read(), names)
    names.update(x=x, numpy=numpy)
    numpy.save(name + ".npy", eval({CALLS[framework]!r}, names))
"""
    command = [sys.executable, "-c", program, *codes]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in codes:
        expected = reference.forward(MODELS[name], drawn(MODELS[name], dtype), inputs(dtype)).outputs
        found = np.load(tmp_path / f"{name}.npy")
        assert found.shape == expected.shape
        has = "float32" if framework == "onnx" else dtype
        assert found.dtype == has
        assert np.abs(found - expected).max() / np.abs(expected).max() <= TOLERANCE[has], name


def test_the_lines_for_torch_are_six_and_what_differs_is_said(tmp_path: Path) -> None:
    lstm, gru = (export([saved(tmp_path, MODELS[f"{cell}-one-last"], number=n)], "torch").code for n, cell in
                 enumerate(("lstm", "gru")))  # fmt: skip
    for code in (lstm, gru):
        assert len([line for line in code.splitlines() if not line.startswith("#")]) == 6
    assert lstm.startswith("# the cell has one bias, torch adds two: bias_hh is zero\n")
    assert not gru.startswith("#")
    assert "z, r, n" in export([saved(tmp_path, MODELS["gru-one-last"], number=2)], "keras").code


def test_what_torch_has_no_layer_for_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    file = saved(tmp_path, MODELS["gru-reset-before-one-last"])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match="torch has no layer for gru-reset-before"):
        export([file], "torch")
    assert sorted(tmp_path.iterdir()) == before


def test_the_record_stands_for_the_file_beside_it_and_out_for_another_place(tmp_path: Path) -> None:
    file = saved(tmp_path, ModelSpec("rnn", 3, 5, 2, "last"))
    assert export([file.with_suffix(".json")], "jax").path == file.with_suffix(".jax.npz")
    assert export([file], "jax", tmp_path / "here.npz").path == tmp_path / "here.npz"
    assert (tmp_path / "here.npz").read_bytes() == file.with_suffix(".jax.npz").read_bytes()
    for theirs in (file, file.with_suffix(".json"), file.with_suffix(".predictions.npz")):
        with pytest.raises(UsageError, match="that is what the run left; name another file"):
            export([file], "jax", theirs)
    with pytest.raises(UsageError, match=r"cannot write .*nowhere"):
        export([file], "jax", tmp_path / "nowhere" / "here.npz")
    with pytest.raises(UsageError, match="unknown framework or tracker 'kears'; did you mean 'keras'"):
        export([file], "kears")
