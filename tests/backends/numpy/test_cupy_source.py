"""An installed CuPy, of which a GPU is not needed: what it has by which names, and the source that it would compile."""

from __future__ import annotations

import inspect
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.numpy import cuda_kernels as kernels
from backends.numpy.runtime import COMPUTE_TYPE_DEFAULT
from tests.fixtures import strict_array, strict_cupy

cupy = pytest.importorskip("cupy", reason="CuPy is not installed")

KERNELS = [each for each in vars(kernels).values() if isinstance(each, kernels.Kernel)]
#: Not by name, but by what it is used for.
OURS = {"counts", "folder", "used", "total", "compute_type"}
STRICT = strict_cupy.Cupy(Path())


def signature(function: Any) -> inspect.Signature | None:
    """None where CuPy's compiled parts tell none."""
    try:
        return inspect.signature(function)
    except ValueError:
        return None


def takes_what(strict: Any, real: Any) -> None:
    """Every parameter here is one there, at the same place."""
    if (theirs := signature(real)) is None:
        return
    names = list(theirs.parameters)
    by_place = names[:1] not in (["args"], ["shape"])  # as a ufunc; or with a first name of its own
    for place, (name, parameter) in enumerate(inspect.signature(strict).parameters.items()):
        if parameter.kind is parameter.KEYWORD_ONLY or not by_place:
            assert parameter.default is parameter.empty or name in names or "kwargs" in names, name
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            assert names[place] == name, names


@pytest.mark.parametrize("name", [each for each in vars(STRICT) if not each.startswith("_") and each not in OURS])
def test_the_module_has_what_we_use(name: str) -> None:
    assert hasattr(cupy, name)
    if name in strict_cupy.UFUNCS:
        assert isinstance(getattr(cupy, name), cupy.ufunc)


METHODS = [name for name, each in vars(strict_cupy.Cupy).items() if name[0] != "_" and callable(each)]


@pytest.mark.parametrize("name", METHODS)
def test_functions_take_what_we_give(name: str) -> None:
    takes_what(getattr(STRICT, name), getattr(cupy, name))


@pytest.mark.parametrize("name", [name for name in vars(strict_array.ndarray) if name not in ("_xp", "_value")])
def test_arrays_have_what_we_use(name: str) -> None:
    if not name.startswith("_") or name.strip("_") in ("matmul", "imul", "isub", "getitem", "setitem"):
        assert hasattr(cupy.ndarray, name)


def test_cuda_has_what_we_use() -> None:
    for name in ("Event", "get_elapsed_time", "get_current_stream"):
        assert hasattr(cupy.cuda, name)
    for name in vars(STRICT.cuda.runtime):
        assert hasattr(cupy.cuda.runtime, name)
    for name in vars(STRICT.get_default_memory_pool()):
        assert hasattr(cupy.get_default_memory_pool(), name)


def test_the_type_of_products_that_we_set_is_the_one_that_is_no_tf32() -> None:
    from cupy._core import _routines_linalg as products

    assert products.COMPUTE_TYPE_DEFAULT == COMPUTE_TYPE_DEFAULT != products.COMPUTE_TYPE_TF32
    cupy._core.set_compute_type("float32", COMPUTE_TYPE_DEFAULT)
    assert cupy._core.get_compute_type("float32") == COMPUTE_TYPE_DEFAULT


@pytest.fixture
def compiler() -> Any:
    """CuPy's own."""
    found = cupy.cuda.compiler
    for name in ("_compile_module_with_cache", "_NVRTCProgram"):
        if not hasattr(found, name):
            pytest.skip(f"CuPy {cupy.__version__} has no {name}")
    return found


def source(compiler: Any, kernel: kernels.Kernel, dtype: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, tuple]:
    """What CuPy makes of a kernel for gates side by side, with its own headers, and its options: no device is asked."""
    from cupy._core import _kernel, core
    from cupy._core._carray import Indexer

    given: list[tuple[str, tuple[str, ...]]] = []

    def take(source: str, options: tuple[str, ...] = (), **_: Any) -> None:
        given.append((source, options))
        raise InterruptedError

    monkeypatch.setattr(compiler, "_compile_module_with_cache", take)
    made = kernels.compiled.__wrapped__(cupy, kernel)
    array, indexer = 1, 2  # kinds of an argument
    arguments = [_kernel._ArgInfo(array, cupy.ndarray, np.dtype(dtype), 2, False, True)] * made.nargs
    arguments.append(_kernel._ArgInfo(indexer, Indexer, None, 2, True, True))
    types = _kernel._TypeMap((("T", np.dtype(dtype)),))
    code = _kernel._get_elementwise_kernel_code(
        tuple(arguments), types, made.params, made.operation, made.name, made.preamble
    )
    with pytest.raises(InterruptedError):
        core.compile_with_cache(code)
    return given[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_what_cupy_makes_of_a_kernel_compiles(
    compiler: Any, kernel: kernels.Kernel, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For an H100, without a warning; nothing is computed in another type, and tanh is not the fast one."""
    code, options = source(compiler, kernel, dtype, monkeypatch)
    assert not any("fast" in option for option in options)
    log = io.StringIO()
    try:
        program = compiler._NVRTCProgram(code, f"{kernel.name}.cu", (), (), method="ptx")
    except (RuntimeError, ImportError) as error:
        pytest.skip(f"NVRTC is not here: {error}")
    # as CuPy's compiler has them; it adds -ftz=true to all that it compiles
    more = ("-ftz=true", "--device-as-default-execution-space", "-arch=compute_90")
    ptx, _ = program.compile((*options, *more), log)
    assert not log.getvalue()
    instructions = set(re.findall(r"^\s+([a-z]\w*(?:\.\w+)+)", ptx.decode(), re.MULTILINE))
    assert not any(each.startswith("tanh.approx") for each in instructions)
    if dtype == "float32":
        assert not any(each.endswith(".f64") or ".f64." in each for each in instructions), instructions
    stored = {each for each in instructions if each.startswith("st.global")}
    assert stored == {f"st.global.f{np.dtype(dtype).itemsize * 8}"}


def test_a_kernel_that_is_wrong_does_not_compile(compiler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = kernels.RNN._replace(body="a = tanh(a + u);")  # an input
    code, options = source(compiler, wrong, "float32", monkeypatch)
    program = compiler._NVRTCProgram(code, "wrong.cu", (), (), method="ptx")
    with pytest.raises(compiler.CompileException):
        program.compile((*options, "-arch=compute_90"))
