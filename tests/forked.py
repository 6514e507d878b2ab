"""The ``harness`` command in a process of its own, which is a fork of one that has imported the harness already.

It has its words, folder, environment, standard streams and exit status like a command that a shell starts; the half
second of imports alone is saved, many hundred times. The workers that it starts are started as ever.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: A worker's own side, and what imports a cluster's library.
NOT_OF_THE_COMMAND = ("worker", "engines")


@cache
def forks() -> ForkServerContext:
    """Processes that begin with the command's modules, and with the libraries that it imports when it needs them."""
    found = sorted((ROOT / "harness").rglob("*.py"))
    names = [
        path.relative_to(ROOT).with_suffix("").parts for path in found if path.stem not in ("__init__", "__main__")
    ]
    own = [".".join(parts) for parts in names if parts[1] not in NOT_OF_THE_COMMAND]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.forked", *own, "pandas", "matplotlib.backends.backend_agg"])
    return context


def harness(
    words: Sequence[str], folder: Path, env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder and an environment.

    Raises:
        subprocess.TimeoutExpired: it takes longer than ``timeout`` seconds; it is killed.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return subprocess.run(
            [sys.executable, "-m", "harness", *words], cwd=folder, env=env, capture_output=True, text=True,
            timeout=timeout, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="harness-tests-") as place:
        out, err = Path(place, "out"), Path(place, "err")
        command = forks().Process(target=_command, args=(words, folder, dict(env), out, err))
        command.start()
        command.join(timeout)
        if late := command.exitcode is None:
            command.kill()
            command.join()
        told = out.read_text("utf-8"), err.read_text("utf-8")
        if late:
            raise subprocess.TimeoutExpired(["harness", *words], timeout, *told)
        return subprocess.CompletedProcess(["harness", *words], command.exitcode or 0, *told)


def _command(words: Sequence[str], folder: Path, env: Mapping[str, str], out: Path, err: Path) -> None:
    """What a fork does: become the command."""
    for number, name in ((1, out), (2, err)):
        opened = os.open(name, os.O_WRONLY | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    own = env.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = dict.fromkeys(["", *own, *sys.path])
    sys.argv = ["harness", *words]
    try:
        from harness.cli import main

        main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        atexit._run_exitfuncs()
