"""Three floors, one direction: proved in subprocesses, by looking at what got imported."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.conftest import ROOT

FRAMEWORKS = {"numpy": set(), "torch": {"torch"}, "tensorflow": {"tensorflow"}, "jax": {"jax"}}
ALL = {"torch", "tensorflow", "jax", "keras", "cupy"}


def imported_by(code: str) -> set[str]:
    """Top-level modules in ``sys.modules`` after ``code``, in a fresh interpreter."""
    program = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_tasks_import_nothing_of_ours_above_them() -> None:
    found = imported_by("\n".join(f"import {name}" for name in modules("tasks")))
    assert not found & {"backends", "harness", *ALL, "pandas", "pydantic", "sklearn"}


def test_backends_import_nothing_of_the_harness_and_no_framework_until_asked() -> None:
    code = "import backends, backends.reference\n" + "\n".join(f"import backends.{name}" for name in FRAMEWORKS)
    assert not imported_by(code) & {"harness", *ALL, "pandas", "pydantic"}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_backend_imports_its_own_framework_and_no_other(name: str) -> None:
    own = FRAMEWORKS[name]
    if any(find_spec(module) is None for module in own):
        pytest.skip(f"{name} is not installed")
    found = imported_by(f"import backends\nbackends.load('{name}').version()\nimport backends.{name}.trainer")
    # a framework may bring another by itself: TensorFlow 2.21 imports JAX where it finds it
    brought = imported_by("\n".join(f"import {module}" for module in own)) if own else set()
    assert own <= found
    assert not found & (ALL - own - brought)


def modules(package: str) -> list[str]:
    """Every module of a package, its packages' own ``__main__`` aside: that is run, not imported."""
    found = (ROOT / package).rglob("*.py")
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in found]
    return sorted(name for name in names if not name.endswith("__main__"))


def test_the_measuring_floor_imports_no_framework() -> None:
    names = modules("harness")
    assert {"harness.cli", "harness.records.store", "harness.worker.training"} <= set(names)
    assert not imported_by("\n".join(f"import {name}" for name in names)) & ALL


def test_planning_imports_no_framework() -> None:
    code = "from harness.planning.runs import plan\nplan({'backend': ['all'], 'task': ['all'], 'cell': ['all']})"
    assert not imported_by(code) & ALL


#: Packages whose modules each have a test file of their name, or a line in tests/README.md that says why not.
TESTED = ("harness/cli", "harness/planning", "harness/specs")


@pytest.mark.parametrize("package", TESTED)
def test_every_module_has_tests_of_its_name_or_a_line_that_says_where(package: str) -> None:
    page = (ROOT / "tests" / "README.md").read_text()
    modules_named = "".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    excused = set(re.findall(r"`([\w/]+\.py)`", modules_named))
    for path in (ROOT / package).glob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        tested = ROOT / "tests" / package / f"test_{path.name}"
        assert path.name == "__init__.py" or tested.exists() or name in excused, name
