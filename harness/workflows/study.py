"""``harness study``: many runs, each done once, whatever stops this process in between."""

from __future__ import annotations

import platform
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

from filelock import FileLock, Timeout

from harness.engines import side_by_side, slurm
from harness.errors import UsageError
from harness.machine.process import available_cpus
from harness.planning.runs import named_cpus
from harness.planning.studies import runs_of
from harness.presentation.screen import show
from harness.presentation.study import combinations, status_table, summary_table
from harness.records.run import Engine, Record
from harness.records.store import StoreError
from harness.records.whole import write_whole
from harness.specs.study import MOST_RUNS, read
from harness.specs.study_example import EXAMPLE
from harness.text import counted, printable
from harness.workflows.one_by_one import local
from harness.workflows.quiet import Quiet
from harness.workflows.sent import through
from harness.workflows.trying import statuses
from harness.workflows.work import STATE, Outcome, Work
from tasks.registry import nearest


@contextmanager
def driving(work: Work) -> Iterator[bool]:
    """Whether this process is the only one on this machine that works through the study; held until the block ends."""
    lock = FileLock(work.study.results / STATE / f"{platform.node()}.lock")
    alone = True
    try:
        lock.acquire(timeout=0)
    except Timeout:
        alone = False
    except NotImplementedError:  # no locks here: that no run is made twice is up to the leases in any case
        pass
    except OSError as error:
        raise StoreError(f"cannot write {lock.lock_file}: {error.strerror}") from None
    try:
        yield alone
    finally:
        lock.release()


def print_plan(work: Work, json_lines: bool = False) -> None:
    """Print every run, whether it is done, and how long the rest takes."""
    if json_lines:
        print("\n".join(planned.spec.json_line() for planned in work.runs))
        return
    wide, lines = len(str(len(work.runs))), []
    for number, planned in enumerate(work.runs, 1):
        finished = work.finished(planned)
        version = f" @{planned.version}" if planned.version else ""
        status = f"  {finished.status}" if finished else ""
        lines.append(f"{number:>{wide}}  {work.label.of(planned.spec)}{version}{status}")
    left = len(work.left())
    print("\n".join(lines))
    runs, done = counted(len(work.runs), "run"), len(work.runs) - left
    print(f"{runs}, {done:,} done, {left:,} left: {work.time_left()}")


def print_status(work: Work) -> None:
    """Print how far the study is: what is done, running, failed and left."""
    finished: Counter[str] = Counter(each.status for planned in work.runs if (each := work.finished(planned)))
    held = work.leases.held()
    running = [
        f"{work.label.of(planned.spec)} ({held[planned.anywhere].node}, since {held[planned.anywhere].since})"
        for planned in work.runs if planned.anywhere in held and work.finished(planned) is None
    ]  # fmt: skip
    left = len(work.left()) - len(running)
    title = f"Study {work.study.name}: {counted(len(work.runs), 'run')}"
    show(status_table(title, finished, running, left, work.time_left() if left else ""), width=100)


def print_end(work: Work, outcome: Outcome) -> bool:
    """Print what the call came to; True if every run of the study is done and ok."""
    work.done.refresh()  # with what others made meanwhile
    finished = [work.finished(planned) for planned in work.runs]
    ok = sum(each is not None and each.status == "ok" for each in finished)
    not_ok, left = sum(each is not None for each in finished) - ok, finished.count(None)
    words = [f"{ok:,} of {counted(len(finished), 'run')} ok"]
    words += [f"{not_ok:,} not ok"] * bool(not_ok) + [f"{left:,} left"] * bool(left)
    why = "stopped: the same command goes on" if outcome.stopped else ""
    if outcome.elsewhere and not outcome.stopped:
        why = f"{counted(outcome.elsewhere, 'run')} with other processes, which go on by themselves"
    print("; ".join(filter(None, [", ".join(words), why, f"records in {work.study.results}"])))
    work.index()
    return ok == len(finished)


def work_on(
    file: Path, retry: str | None = None, limit: int = MOST_RUNS, engine: str = "local", on: str = "local"
) -> Work:
    """The study in a file, planned, with what is done of it.

    Args:
        engine: that records name, where the runs are made by a script of it; on: what brings them to machines.

    Raises:
        UsageError: something in it cannot be right, ``retry`` names no status, or ``engine`` is none.
    """
    named = next((each for each in get_args(Engine) if each == (engine if on == "local" else on)), None)
    if named is None:
        raise UsageError(f"--as: {nearest('engine', engine[:40], list(get_args(Engine)))}")
    found = read(file)
    again = statuses(retry)
    return Work(found, runs_of(found, limit), again, named)


@dataclass(frozen=True)
class Engines:
    """Where a study's runs are made, as the options of ``harness study`` say it.

    Attributes:
        on: ``local``, ``ray`` or ``slurm``.
        share: runs side by side on a machine.
        address: of a Ray cluster.
        slurm_option: words for sbatch.
        dry_run: print the script for sbatch alone.
    """

    on: str = "local"
    share: int = 1
    address: str | None = None
    slurm_option: Sequence[str] | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Raises UsageError for what no engine is, or does not do."""
        if self.on not in get_args(Engine):
            raise UsageError(f"--on: {nearest('engine', self.on[:40], list(get_args(Engine)))}")
        for name, given, of in (("--address", self.address, "ray"), ("--slurm-option", self.slurm_option, "slurm"),
                                ("--dry-run", self.dry_run, "slurm")):  # fmt: skip
            if given and self.on != of:
                raise UsageError(f"{name} is of --on {of}")
        if self.share > 1 and self.on == "slurm":
            raise UsageError("--share: Slurm gives each task a machine alone; --on local or ray")
        if self.on == "local" and self.share > max(1, most := len(available_cpus())):
            raise UsageError(
                f"--share {self.share}: each run has CPUs of its own, and {counted(most, 'CPU')} can be used"
            )

    def check(self, quiet: Quiet | None) -> None:
        """Raises UsageError where quiet is asked for that nobody would look for."""
        if quiet is not None and (quiet.wait_s or quiet.require) and (self.share > 1 or self.on != "local"):
            asked, kind = "--require-quiet" if quiet.require else "--wait-quiet", f"--on {self.on}"
            raise UsageError(
                f"{asked} looks before runs made here alone, not with {'--share' if self.share > 1 else kind}"
            )


def run_study(
    work: Work, engines: Engines, cpus: str | None = None, one: bool = False, quiet: Quiet | None = None
) -> bool:
    """Do what is left of a study, and print what came of it; True if all of its runs are done and ok.

    Args:
        cpus: of ``--cpus``.
        one: end after one run.
        quiet: looks at what others compute before each run made here; None for no look.

    Raises:
        UsageError: the results folder is another study's, the CPUs are none, or an engine cannot be had.
        StoreError: it cannot be written to.
        EngineLost: the engine was lost on the way.
    """
    engines.check(quiet)
    if engines.on == "slurm":
        return _submitted(work, engines)
    named = named_cpus(cpus)
    work.claim_folder()
    with driving(work) if not one else nullcontext(True) as alone:
        if not alone:
            print(f"another process on this machine works through {work.study.name}; how far it is:")
            print_status(work)
            return False
        outcome = _outcome(work, engines, named, one, quiet)
    return print_end(work, outcome)


def _submitted(work: Work, engines: Engines) -> bool:
    """Have Slurm make what is left, or print the script that would; True, as nothing went wrong yet."""
    left = len(work.left())
    if not left:
        return print_end(work, Outcome())
    if work.retry:  # each task would run again what another has run again
        raise UsageError("--retry: not with --on slurm, whose tasks know nothing of each other; --on local or ray")
    text = slurm.script(work.study.path, work.study.name, left, options=engines.slurm_option or ())
    if engines.dry_run:
        print(text, end="")
        return True
    work.claim_folder()
    job = slurm.submit(text, work.study.results / STATE)
    told = f"harness study {shlex.quote(str(work.study.path))} --status says how far they are"
    print(f"job {job} of Slurm makes the {counted(left, 'run')} that {'is' if left == 1 else 'are'} left; {told}")
    return True


def _outcome(work: Work, engines: Engines, cpus: Sequence[int] | None, one: bool, quiet: Quiet | None) -> Outcome:
    if engines.on == "ray":
        from harness.engines.ray import run_jobs

        return through(work, partial(run_jobs, address=engines.address), engines.share)
    if engines.share > 1:
        return through(work, partial(side_by_side.run_jobs, share=engines.share), engines.share)
    return local(work, cpus, one, quiet)


def print_summary(work: Work) -> None:
    """Print what the study found, over seeds, and why runs failed.

    Raises:
        UsageError: there is no record of it yet.
    """
    reasons: Counter[str] = Counter()
    others = 0

    def each() -> Iterator[Record]:
        nonlocal others
        for record, done in work.records():
            others += not done
            if record.status != "ok":
                reasons[f"{record.status}: {record.reason}"] += 1
            yield record

    found = combinations(each(), work.label)
    if not found:
        raise UsageError(f"no run of {work.study.name} is done yet; harness study {work.study.path} does them")
    show(summary_table(work.study.name, found), width=140)
    if others:
        print(f"{counted(others, 'run')} of another kind of machine, or of other versions of the code or a library.")
    for reason, count in reasons.most_common(10):
        print(f"{counted(count, 'run')} {printable(reason)}")


def write_example(file: Path) -> Path:
    """Write the commented example, unless there is such a file.

    Raises:
        UsageError: there is, or it cannot be written.
    """
    if file.exists():
        raise UsageError(f"{file} exists; name another file")
    try:
        write_whole(file, EXAMPLE)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from None
    return file
