"""Every example in the documentation is run: commands, Python, and the two one-file extensions."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import ROOT, Harness, python_path

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, text) of every fenced block in this language."""
    return [(page.name, text) for page in PAGES for kind, text in FENCE.findall(page.read_text()) if kind == language]


def commands() -> list[str]:
    """Every ``harness …`` line of a shell block, once."""
    lines = [line for _, text in blocks("sh") for line in text.replace("\\\n", " ").splitlines()]
    return list(dict.fromkeys(line.split(" #")[0].strip() for line in lines if line.startswith("harness ")))


def shortened(words: list[str]) -> list[str]:
    """A run trains for two updates here; one over everything prints its plan. Contests are small and NumPy's alone."""
    if words[0] == "speed":
        if any(word.startswith("braun") for word in words):
            words = [*words, "--batch", "2", "--length", "8", "--hidden", "4"]
        if "--device" in words:
            words = [*words, "--length", "8"]
        instead = {"--backend": "numpy", "--device": "cpu"}  # there may be no GPU
        alone = [instead.get(before, word) for before, word in zip(["", *words], words, strict=False)]
        return [*alone, "--rounds", "2", "--block", "0.001"]
    if words[0] == "parity":
        return [*words, "--backend", "numpy", "--updates", "2", "--drift", "2"]
    if words[0] == "compare" and "--a" in words:
        alone = [re.sub(r"--backend \w+", "--backend numpy", word) for word in words]
        return [*alone, "--pairs", "2", "--restarts", "2", "--block", "0.001"]
    if words[0] != "run" or "--dry-run" in words:
        return words
    return [*words, "--dry-run"] if "all" in words or words.count("--task") > 1 else [*words, "--steps", "2"]


@pytest.mark.parametrize("line", commands())
def test_every_command_in_the_docs_runs(harness: Harness, tmp_path: Path, line: str) -> None:
    words = shortened(shlex.split(line)[1:])
    if words[0] in ("run", "speed"):
        backends = [words[i + 1] for i, word in enumerate(words) if word == "--backend" and words[i + 1] != "all"]
        if any("@" in name for name in backends):
            words.append("--dry-run")  # test_environments builds what takes minutes
        missing = [name for name in backends if find_spec(name.partition("@")[0]) is None]
        if missing:
            pytest.skip(f"{missing} not installed")
        if "sequential-mnist" in words and "--dry-run" not in words:
            words.append("--dry-run")  # its data may not be here; the task has tests of its own
    else:
        made = harness("run", "--backend", "numpy", "--steps", "30", "--threads", "1")
        assert made.returncode == 0, made.stderr
        (record,) = (tmp_path / "results" / "local").glob("*.json")
        words = [str(record) if word.endswith(".json") else word for word in words]
        words = ["results/local" if word == "results/published" else word for word in words]
    if "parquet" in line and find_spec("pyarrow") is None:
        pytest.skip("pyarrow is not installed")
    done = harness(*words)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_every_python_example_runs(tmp_path: Path, page: str, text: str) -> None:
    first = text.splitlines()[0]
    if first.startswith("# test_"):
        file = tmp_path / first.removeprefix("# ")
        file.write_text(text)
        command = [sys.executable, "-m", "pytest", "-q", "-k", "auto or refused", "-p", "no:cacheprovider", str(file)]
    else:
        command = [sys.executable, "-c", text]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
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


def test_every_link_in_the_docs_leads_somewhere() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken
