"""Every example in the documentation is run: commands, Python, and the two one-file extensions.

And what the pages name is there: files, modules and what is in them, links, nox sessions.
"""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tasks
from tests.conftest import ROOT, Harness, python_path

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, text) of every fenced block in this language."""
    return [(page.name, text) for page in PAGES for kind, text in FENCE.findall(page.read_text()) if kind == language]


def commands() -> list[str]:
    """Every ``harness …`` line of a shell block, once."""
    lines = [line for _, text in blocks("sh") for line in text.replace("\\\n", " ").splitlines()]
    return list(dict.fromkeys(line.split(" #")[0].strip() for line in lines if line.startswith("harness ")))


#: The sizes of contests here; where a line gives an option several values, the first of two.
SMALL = {"--batch": "2", "--length": "8", "--hidden": "4", "--labels": "2", "--shortest": "5"}
ALWAYS = ("--batch", "--length", "--hidden")
#: And of what is tuned here.
TINY = [("--shape", "A"), ("--threads", "1"), *list(SMALL.items())[:3], ("--rounds", "3"), ("--block", "0.001")]


#: Options of a run that do the same whatever the backend: NumPy's worker, which starts in no time, shows them.
SHOWN_BY_NUMPY = {"--seed", "--seeds", "--resume", "--save", "--epochs", "--layers", "-P"}


def shortened(words: list[str]) -> list[str]:
    """A run trains for two updates here; one over everything prints its plan. Contests are small and NumPy's alone.

    One thread each: two of a worker wait for each other whenever another test computes, a hundred times as long.
    """
    some_variants = "--variant" in words and "auto" not in words  # parts need two threads
    if (words[0] in ("run", "speed", "parity") and not some_variants) or "--a" in words:
        words = with_value(words, "--threads", "1")
    if words[0] == "speed":
        for option, small in SMALL.items():
            if several(words, option):
                words = with_value(words, option, f"{small},{int(small) + 1}")
            elif option in words or option in ALWAYS:
                words = with_value(words, option, small)
        instead = {"--backend": "numpy", "--device": "cpu"}  # there may be no GPU
        alone = [instead.get(before, word) for before, word in zip(["", *words], words, strict=False)]
        more = [word for word in alone if word.startswith("--") and several(alone, word)][1:]
        for option in more:  # one with several values shows how they multiply
            alone = with_value(alone, option, alone[alone.index(option) + 1].partition(",")[0])
        for option, small in (("--rounds", "2"), ("--block", "0.001")):
            alone = with_value(alone, option, small)
        return alone
    if words[0] == "tune" and "--show" not in words:
        return ["tune", "--backend", "numpy", *(word for pair in TINY for word in pair), "--no-require-quiet"]
    if words[0] == "reproduce":
        return [*words, "--current-code"]  # what is being changed is no commit yet
    if words[0] == "parity":
        return [*words, "--backend", "numpy", "--updates", "2", "--drift", "2"]
    if words[0] == "compare" and "--a" in words:
        alone = [re.sub(r"--backend \w+", "--backend numpy", word) for word in words]
        return [*alone, "--pairs", "2", "--restarts", "2", "--block", "0.001"]
    if words[0] != "run" or "--dry-run" in words:
        return words
    if "--require-quiet" in words:
        return [*words, "--dry-run"]  # a machine that runs tests is not quiet
    if "all" in words or words.count("--task") > 1:
        return [*words, "--dry-run"]
    backends = words.count("--backend")
    if "--model" not in words and (not backends or (backends == 1 and set(words) & SHOWN_BY_NUMPY)):
        words = with_value(words, "--backend", "numpy")
    if "--seeds" in words:
        words = with_value(words, "--seeds", "2")
    if "--epochs" in words:
        return with_value(words, "--epochs", "1")
    return with_value(words, "--steps", "2")


def alike(line: str) -> tuple[str, ...]:
    """What lines share that are one command here: their words, shortened, in one order, without files' names.

    Nor does it matter which shape a contest has, or which task two are compared on. What a doctor tells as JSON, from
    the same workers, is tested with the command.
    """
    words = shortened(shlex.split(line)[1:])
    if words[0] in ("speed", "compare"):
        words = ["TASK" if word in tasks.registry.registered() else re.sub("^[A-F]$", "SHAPE", word) for word in words]
    if words[0] == "doctor":
        words = ["doctor"]
    named = [re.sub(r"\S+\.json$", "RECORD", word).replace("published", "local") for word in words]
    return tuple(sorted(named))


def distinct(lines: list[str]) -> list[str]:
    """The lines, but one of those that are ``alike``."""
    return list({alike(line): line for line in reversed(lines)}.values())[::-1]


def several(words: list[str], option: str) -> bool:
    """Whether an option is given more than one value, which is what its line shows."""
    return any(before == option and "," in word for before, word in pairwise(words))


def with_value(words: list[str], option: str, value: str) -> list[str]:
    """The words with this value of an option in place of those that they give it."""
    others = [word for before, word in zip(["", *words], words, strict=False) if option not in (before, word)]
    return [*others, option, value]


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record that the commands read which run nothing themselves."""
    folder = tmp_path_factory.mktemp("a run")
    words = ("run", "--backend", "numpy", "--steps", "30", "--threads", "1", "--results", str(folder), "--save")
    subprocess.run([sys.executable, "-m", "harness", *words], check=True, capture_output=True)
    (record,) = folder.glob("*.json")
    return record


#: Names of the data sets that the docs add, and their files.
DATA_SETS = {"mine": "arrays.npz", "load": "series.csv"}


def files_of_own_data(folder: Path) -> None:
    """The files that the docs add as data sets: 100 sequences of 10 features, and a series of 100 hours."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((100, 10, 10), dtype=np.float32), rng.standard_normal(100, dtype=np.float32)
    np.savez(folder / "arrays.npz", x=x, y=y)
    for name, array in {"X_train": x, "y_train": y, "X_test": x[:9], "y_test": y[:9]}.items():
        np.save(folder / f"{name}.npy", array)
    np.save(folder / "lengths.npy", rng.integers(1, 10, 100, endpoint=True))
    series = pd.DataFrame(
        {"when": pd.date_range("2026-01-01", periods=100, freq="h"), "load": y, "temperature": x[:, 0, 0]}
    )
    series.to_csv(folder / "series.csv", index=False)
    if find_spec("pyarrow") is not None:
        series.to_parquet(folder / "series.parquet")


def adds_what_it_names(harness: Harness, words: list[str]) -> None:
    """Add the data set that a line takes for granted."""
    adding = words[:2] == ["data", "add"]
    for name, file in DATA_SETS.items():
        if name in words and not adding:
            target = ["--target", "load", "--time", "when"] if file.endswith(".csv") else []
            assert harness("data", "add", name, file, *target).returncode == 0


def with_the_record(words: list[str], a_run: Path, tmp_path: Path) -> list[str]:
    """The words with the record of ``a_run``, and what was saved with it, in place of the one that they name."""
    (tmp_path / "results" / "local").mkdir(parents=True)
    for file in a_run.parent.glob(f"{a_run.stem}.*"):
        shutil.copy(file, tmp_path / "results" / "local")
    record = tmp_path / "results" / "local" / a_run.name
    words = [str(record) if word.endswith(".json") else word for word in words]
    return ["results/local" if word == "results/published" else word for word in words]


def hands_in(harness: Harness, words: list[str], folder: Path) -> None:
    """Have two records of known code in the folder that a line takes them from, or where they are filed."""
    if not (ROOT / ".git").exists():
        pytest.skip("what is known of the code is in a clone")
    source = "results/local" if words[0] == "check-submission" else words[1]
    (folder / source).mkdir(parents=True)
    for file in sorted((ROOT / "results" / "published").rglob("*-sine-*-gru-*.json"))[:2]:
        shutil.copy(file, folder / source)
    if words[0] == "check-submission":
        assert harness("submit", source).returncode == 0


@pytest.mark.parametrize("line", distinct(commands()))
def test_every_command_in_the_docs_runs(harness: Harness, a_run: Path, tmp_path: Path, line: str) -> None:
    words = shortened(shlex.split(line)[1:])
    for file in re.findall(r"--model (\w+\.py)", line):
        (code,) = (text for _, text in blocks("python") if text.startswith(f"# {file}"))
        (tmp_path / file).write_text(code)
    if words[0] == "data" or set(DATA_SETS) & set(words):
        files_of_own_data(tmp_path)
        adds_what_it_names(harness, words)
    if words[0] in ("submit", "check-submission"):
        hands_in(harness, words, tmp_path)
    elif words[0] not in ("run", "speed", "data") or "--from" in words:
        words = with_the_record(words, a_run, tmp_path)
    if words[0] == "study":
        (tmp_path / "results" / "studies").symlink_to(ROOT / "results" / "studies")
        if "--init" not in words:
            assert harness("study", "--init").returncode == 0
    if words[0] == "claims":
        (tmp_path / "results" / "claims").symlink_to(ROOT / "results" / "claims")
    if words[0] in ("run", "speed"):
        backends = [words[i + 1] for i, word in enumerate(words) if word == "--backend" and words[i + 1] != "all"]
        if any("@" in name for name in backends):
            words.append("--dry-run")  # test_environments builds what takes minutes
        missing = [name for name in backends if find_spec(name.partition("@")[0]) is None]
        if missing:
            pytest.skip(f"{missing} not installed")
        if "sequential-mnist" in words and "--dry-run" not in words:
            words.append("--dry-run")  # its data may not be here; the task has tests of its own
    for word, library in (("parquet", "pyarrow"), *((name, name) for name in ("mlflow", "wandb", "tensorboard"))):
        if word in line and find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    done = harness(*words, env={"HARNESS_TUNED": str(tmp_path / "tuned.json")})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("one_cpu", "own_data")
@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_every_python_example_runs(tmp_path: Path, page: str, text: str) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "published").symlink_to(ROOT / "results" / "published")
    first = text.splitlines()[0]
    if first.startswith("# test_"):
        file = tmp_path / first.removeprefix("# ")
        file.write_text(text)
        command = [sys.executable, "-m", "pytest", "-q", "-k", "auto or refused", "-p", "no:cacheprovider", str(file)]
    else:
        command = [sys.executable, "-c", text]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_task_of_the_docs_trains(harness: Harness, tmp_path: Path) -> None:
    """As installed: its module, and the entry point of its pyproject.toml."""
    (code,) = (text for _, text in blocks("python") if text.startswith("# my_tasks.py"))
    (tmp_path / "plugin" / "mine-1.0.dist-info").mkdir(parents=True)
    (tmp_path / "plugin" / "my_tasks.py").write_text(code)
    info = tmp_path / "plugin" / "mine-1.0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.tasks]\nlast-value = my_tasks:LastValue\n")
    env = {"PYTHONPATH": python_path(tmp_path / "plugin")}
    done = harness("run", "--backend", "numpy", "--task", "last-value", "-P", "length=4", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "last-value" in done.stdout


FLOORS = ("harness", "backends", "tasks", "tests", "docs", "results")
ROOMS = tuple(path.parent.name for path in (ROOT / "harness").glob("*/__init__.py"))
#: Named like modules: groups of entry points, and a file of a user's own.
NO_MODULES = ("harness.backends", "harness.tasks", "tasks.py")
#: Folders that commands make, and a file of a user's own.
NOT_OURS = ("results/local", "results/gpu", "tasks.py", "my_model.py")
PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|toml|cff)|[A-Z]+\.md")
DOTTED = re.compile(r"(?:harness|backends|tasks|tests)(?:\.\w+)+")


def named(page: Path) -> Iterator[str]:
    """Every word in backticks on a page, its blocks of code aside."""
    for text in re.findall(r"`([^`]+)`", FENCE.sub("", page.read_text())):
        yield from text.replace("(", " ").split()


def is_there(word: str) -> bool:
    """Whether a path leads somewhere, from the root or from ``harness/``; a bare name, anywhere in the three floors."""
    if "NAME" in word or word.startswith(NOT_OURS):
        return True
    first, slash, _ = word.partition("/")
    if not slash:
        return (ROOT / word).exists() or any(next((ROOT / floor).rglob(word), None) for floor in FLOORS[:3])
    if first in FLOORS:
        return (ROOT / word).exists()
    return first not in ROOMS or (ROOT / "harness" / word).exists()


def is_defined(word: str) -> bool:
    """Whether a dotted name is a package, a module, or what the module of that name defines."""
    place, names = ROOT, word.split(".")
    while names and (place / names[0]).is_dir():
        place /= names.pop(0)
    module = place / f"{names[0]}.py" if names and (place / f"{names[0]}.py").exists() else place / "__init__.py"
    rest = names[1:] if module.name != "__init__.py" else names
    text = module.read_text() if module.exists() else ""
    offered = re.findall(r'"(\w+)"', text.partition("__all__ = [")[2].partition("]")[0])
    return all(
        name in offered or re.search(rf"^ *((class|def) {name}\b|{name}\b.*[:=])", text, re.MULTILINE) for name in rest
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_and_module_that_a_page_names_is_there(page: Path) -> None:
    def missing(kind: re.Pattern[str], found: Callable[[str], bool]) -> list[str]:
        return [word for word in named(page) if kind.fullmatch(word) and word not in NO_MODULES and not found(word)]

    assert not [*missing(PATH, is_there), *missing(DOTTED, is_defined)]


def test_a_wrong_path_or_module_would_be_found() -> None:
    assert not any(map(is_there, ("harness/analysis/columns.py", "analysis/columns.py", "columns.py", "docs/no.md")))
    assert all(map(is_there, ("harness/cli/run.py", "cli/run.py", "groups.py", "backends/NAME/", "cli/")))
    assert not any(map(is_defined, ("harness.store", "backends.base.Trainee", "harness.analysis.columns")))
    assert all(map(is_defined, ("harness.worker", "backends.base.Trainer", "tasks.registry.DISTRIBUTION")))


def sessions() -> set[str]:
    """The names of noxfile.py's sessions, read from its text: nox is not among the tests' requirements."""
    found, constants = set(), {}
    for node in ast.parse((ROOT / "noxfile.py").read_text()).body:
        if isinstance(node, ast.FunctionDef) and [ast.unparse(each) for each in node.decorator_list] == ["nox.session"]:
            found.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            constants[ast.unparse(node.targets[0])] = ast.literal_eval(node.value)
    of_one = {f"tests-{name}" for name in ("numpy", *constants["FRAMEWORKS"])}
    return found | of_one | {f"tests-numpy-{python}" for python in constants["PYTHONS"]}


def test_every_nox_session_that_a_page_names_is_there() -> None:
    named_sessions = {
        (page.name, word)
        for page in PAGES
        for words in re.findall(r"nox -s((?: [a-z][\w.-]*)+)", page.read_text())
        for word in words.split()
    }
    assert ("CONTRIBUTING.md", "tests-numpy-3.13") in named_sessions
    assert not {(page, word) for page, word in named_sessions if word not in sessions()}


def test_every_link_in_the_docs_leads_somewhere() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken


@pytest.mark.usefixtures("one_cpu")
def test_the_notebook_runs(tmp_path: Path) -> None:
    """Every cell, in a kernel of its own and an empty folder."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert sum("<table" in output.get("data", {}).get("text/html", "") for output in shown) >= 2
    assert not any("\x1b" in output.get("text", "") for output in shown), "no control of a terminal"
    assert "did you mean 'adding'" in "".join(output.get("text", "") for output in shown)
