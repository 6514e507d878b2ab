"""Records of real runs say nothing of who made them, of a person's folders, or of what the machine is called."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.processes.slot import FOLDER
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no worker runs there")
TELLING = ("anna", "telling", "zebra")
STUDY = """
name = "mine"
[fixed]
task = "echo"
threads = 1
[axes]
backend = "madeup"
variant = ["raises", "crash", "good"]
"""


def named(*command: str) -> list[str]:
    """The command on a machine called zebra-notebook, where this user may call one so for one command."""
    script = 'hostname zebra-notebook.lab.example && exec "$@"'
    renamed = ["unshare", "--uts", "sh", "-c", script, "sh"]
    if shutil.which("unshare") and subprocess.run([*renamed, "true"], capture_output=True).returncode == 0:
        return [*renamed, *command]
    return list(command)


def test_records_made_by_anna_on_her_notebook_name_neither(tmp_path: Path) -> None:
    home = tmp_path / "anna.telling"
    home.mkdir()
    (home / "study.toml").write_text(STUDY)
    library = home / "site"
    shutil.copytree(ROOT / "tests" / "fixtures" / "plugin", library)
    paths = [str(library), str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    env = {
        **os.environ, "HOME": str(home), "USER": "anna.telling", "LOGNAME": "anna.telling", FOLDER: str(home),
        "XLA_FLAGS": f"--xla_dump_to={home}/dump --mail=anna@telling.example", "PYTHONPATH": os.pathsep.join(paths),
        "OMP_TOOL_LIBRARIES": "https://anna:secret@proxy.example/x",
    }  # fmt: skip
    done = subprocess.run(
        named(sys.executable, "-m", "harness", "study", str(home / "study.toml"), "--look", "0"),
        cwd=home, env=env, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    texts = [path.read_text() for path in sorted((home / "mine").glob("*.json"))]
    records = [json.loads(text) for text in texts]
    assert sorted(each["status"] for each in records) == ["failed", "failed", "ok"], done.stderr
    assert any("Traceback" in (each["log_tail"] or "") for each in records), "or there is nothing to hide"
    assert all("~/dump" in each["environment"]["strays"]["XLA_FLAGS"] for each in records)
    found = [(word, text[max(0, (at := text.lower().index(word)) - 60) : at + 60]) for text in texts for word in TELLING
             if word in text.lower()]  # fmt: skip
    assert not found
