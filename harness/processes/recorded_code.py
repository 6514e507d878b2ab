"""The code that made a record, from its commit: fetched into a folder of its own, held to the record's digests, run.

Nothing of a repository runs while it is fetched: no hook, no submodule, no filter and no helper that a configuration
names. What runs then is that code, so that only a commit whose source has the record's digests is ever run.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.machine import process, software
from harness.machine.history import COMMIT
from harness.processes.stopping import may_stop
from harness.records.run import Record
from harness.records.store import StoreError, read_all

#: Seconds that fetching may take, and that a run may take to end when it is asked to.
FETCH_S, END_S = 600.0, 30.0
#: Git with none of a user's, the system's or a repository's ways to run something else.
GIT: Final = (
    "git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never",
    "-c", "submodule.recurse=false", "-c", "advice.detachedHead=false",
)  # fmt: skip
QUIETLY: Final = {
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "",
    "SSH_ASKPASS": "", "GIT_LFS_SKIP_SMUDGE": "1",
}  # fmt: skip


class NotHad(RuntimeError):
    """The record's own code cannot be had, or left nothing; in one line."""


def why_not(record: Record) -> str | None:
    """Why this record's own code cannot make its run again, whatever repository there is; None where it may."""
    where, instead = record.environment, "--current-code runs the code that is here"
    if not where.git_commit or not where.sources:
        return f"the record does not say which commit made it; {instead}"
    if not COMMIT.fullmatch(where.git_commit):
        named = f"the record names commit {where.git_commit[:50]!r}"
        return f"{named}, which is none of 40 hexadecimal digits or 64; {instead}"
    if record.command is None:
        return f"the record has no command that makes its run again; {instead}"
    if record.spec.start is not None:
        return f"its run started from saved parameters, which its command does not name; {instead}"
    return None


def fetch(record: Record, source: str | None, place: Path) -> None:
    """The code of a record's commit, in a new folder.

    Args:
        source: a repository's URL or path; None for the one that this code is of.

    Raises:
        NotHad: it is not there, or its source is not the record's; the message has both digests.
    """
    commit, trusted = record.environment.git_commit or "", ("-c", f"safe.directory={software.SOURCE}")
    if source is None and not (software.SOURCE / ".git").exists():
        raise NotHad("this harness does not run from a repository: name one that has the commit with --source")
    whence = str(software.SOURCE) if source is None else source
    if whence.startswith("-"):
        raise NotHad(f"--source takes the URL or the path of a repository, not {whence!r:.60}")
    shown = "this repository" if source is None else whence
    _git(f"cannot clone {shown}", *trusted, "clone", "-q", "--no-checkout", "--no-tags", "--", whence, str(place))
    _git(
        f"{shown} has no commit {commit}; --source names one that has",
        "-C", str(place), "checkout", "-q", "--detach", "--no-recurse-submodules", commit,
    )  # fmt: skip
    for floor, found in software.sources_of(place).items():
        recorded = record.environment.sources.get(floor)
        if found != recorded:
            raise NotHad(
                f"commit {commit} is not the code that made the record: the source of {floor} has SHA-256 {found}, "
                f"recorded {recorded}; --current-code runs the code that is here"
            )


def _git(otherwise: str, *words: str) -> None:
    """Run git; raises NotHad with ``otherwise`` and git's own last line where it fails."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            [*GIT, *words], env={**env, **QUIETLY}, capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=FETCH_S, start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError:
        raise NotHad("git is not installed; --current-code runs the code that is here") from None
    except subprocess.TimeoutExpired:
        raise NotHad(f"{otherwise}: git took longer than {FETCH_S:g} s") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise NotHad(f"{otherwise} (git: {(lines or ['no reason was given'])[-1][:200]})")


def words_again(record: Record) -> list[str]:
    """The words of ``harness`` that make a record's run again in its environment.

    With the variant that ran, as that code called it: ``auto`` may choose another one on another machine. The version
    of the framework is that of the environment.
    """
    words = shlex.split(record.command or "")[1:]
    for at, before in enumerate(words[:-1], 1):
        if before == "--variant" and record.variant:
            words[at] = record.variant
        elif before == "--backend":
            words[at] = words[at].partition("@")[0]
    return words


def run(record: Record, interpreter: Path, code: Path, results: Path, timeout: float | None) -> Record:
    """Make a record's run again by that code.

    Args:
        interpreter: of an environment that has what it needs.
        results: a new folder, for its record.
        timeout: in seconds; None for as long as it takes.

    Raises:
        NotHad: it left no record that can be read.
        KeyboardInterrupt: a signal asks to stop; the run has ended then.
    """
    command = [str(interpreter), "-P", "-m", "harness", *words_again(record), "--results", str(results)]
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "VIRTUAL_ENV")}
    env |= {"PYTHONPATH": str(code), "HARNESS_LOOK": "0"}  # whoever started this has looked already
    status = _wait(command, env, results, timeout)
    try:
        found = read_all([results])
    except StoreError as error:
        raise NotHad(str(error)) from None
    if len(found.runs) != 1:
        why = "; ".join(found.problems) or f"it ended with status {status}"
        raise NotHad(f"the record's own code left no record: {why}")
    return found.runs[0]


def _wait(command: Sequence[str], env: dict[str, str], folder: Path, timeout: float | None) -> int:
    """Its exit status. It ends with this process, however that ends."""
    ours, theirs = os.pipe()
    try:
        child = subprocess.Popen(
            command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=(ours,),
            start_new_session=True,
        )  # fmt: skip
        if (
            sys.platform == "linux"
        ):  # set from here: old code knows of no pipe, and to fork a process with threads is unsafe
            process.die_with(ours, child.pid)
    except OSError as error:
        os.close(theirs)
        raise NotHad(f"cannot start {command[0]}: {error.strerror}") from None
    finally:
        os.close(ours)
    try:
        with may_stop():
            return child.wait(timeout)
    except subprocess.TimeoutExpired:
        raise NotHad(f"not finished after {timeout:g} s (--timeout)") from None
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(END_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        os.close(theirs)
