"""A study's runs as an array of Slurm's jobs: each task takes runs by the leases in the study's shared folder.

Slurm decides when and where a task runs, and gives it a machine alone (``--exclusive``); which run it makes is decided
when it has begun, so a task that is lost, requeued or never starts leaves nothing undone that another could not do.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.errors import UsageError

#: Slurm's MaxArraySize is 1,001 where nobody has set it, and the largest index one less: with more runs than this, each
#: task makes several, one after the other.
MOST_TASKS: Final = 1000
COMMAND: Final = (sys.executable, "-P", "-m", "harness")
#: The name of a long option of sbatch, and a value that needs no more than double quotes.
_OPTION: Final = re.compile(r"-{0,2}(?P<name>[a-z][a-z-]+)(=(?P<value>[^\x00-\x1f\"'\\`$\x7f]+))?")
#: Those that the script sets, as its laws depend on them.
_OURS: Final = ("array", "exclusive", "wrap", "oversubscribe", "test-only")


def script(
    study_file: Path,
    name: str,
    runs: int,
    at_once: int | None = None,
    options: Sequence[str] = (),
    words: Sequence[str] = (),
    command: Sequence[str] = COMMAND,
) -> str:
    """The script for ``sbatch`` that has a study's runs made.

    Args:
        study_file: its file, in a folder that all machines see under the same path.
        name: the study's; runs: how many are left to do.
        at_once: tasks that may run at the same time; None for as many as Slurm likes.
        options: further ones of sbatch, such as ``partition=long``.
        words: further ones of ``harness study``.
        command: with which a machine calls the harness.

    Raises:
        UsageError: one of the options is none, or is the script's own; or there is nothing to run.
    """
    if runs < 1:
        raise UsageError("nothing is left to run")
    tasks = min(runs, MOST_TASKS)
    each = -(-runs // tasks)
    call = shlex.join([*command, "study", str(study_file.absolute()), "--one", "--as", "slurm", *words])
    return "\n".join([
        "#!/usr/bin/env bash",
        f"#SBATCH --job-name=harness-{name}",
        f"#SBATCH --array=0-{tasks - 1}" + ("" if at_once is None else f"%{at_once}"),
        "#SBATCH --exclusive",
        "#SBATCH --nodes=1",
        "#SBATCH --ntasks=1",
        "#SBATCH --requeue",
        "#SBATCH --output=%x-%A_%a.out",
        *(f"#SBATCH {_option(each)}" for each in options),
        "",
        "set -euo pipefail",
        "",
        "# Status 1 tells of runs that are left or not ok, as records do; anything above, that none can be made here.",
        f"for ((run = 0; run < {each}; run++)); do",
        "    status=0",
        "    # shellcheck disable=SC2016  # a name is meant letter by letter",
        f"    {call} || status=$?",
        "    if ((status > 1)); then",
        "        exit \"$status\"",
        "    fi",
        "done",
        "",
    ])  # fmt: skip


def _option(text: str) -> str:
    """An option as a line of the script has it.

    Raises:
        UsageError: it is none, or the script's own.
    """
    found = _OPTION.fullmatch(text)
    if found is None:
        raise UsageError(f"--slurm-option {text[:80]!r}: a long option of sbatch and its value, as in partition=long")
    name, value = found["name"], found["value"]
    if any(each.startswith(name) for each in _OURS):  # sbatch takes the beginning of a name for the whole
        raise UsageError(f"--slurm-option {name}: the script sets that itself, for one run per machine at a time")
    if value is None:
        return f"--{name}"
    return f"--{name}={value}" if re.fullmatch(r"[\w.,:%/@+=\[\]-]+", value, re.ASCII) else f'--{name}="{value}"'


def submit(text: str, folder: Path, sbatch: str = "sbatch") -> str:
    """Give a script to Slurm; returns the number of the array's job.

    Args:
        folder: takes what the tasks print.

    Raises:
        UsageError: there is no sbatch here, or it did not take the script; the message says why.
    """
    try:
        done = subprocess.run(
            [sbatch, "--parsable"], input=text, capture_output=True, text=True, cwd=folder, check=False
        )
    except OSError as error:
        raise UsageError(
            f"cannot start {sbatch}: {error.strerror}; call this where it is, or print the script (--dry-run)"
        ) from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"status {done.returncode}"]
        raise UsageError(f"{sbatch} did not take the script: {lines[-1][:300]}")
    return done.stdout.strip().partition(";")[0]
