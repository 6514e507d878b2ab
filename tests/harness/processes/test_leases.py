"""Leases: each run is one process's at a time, however the one before ended, and whatever clocks say."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.machine.personal import alias
from harness.processes import leases as module
from harness.processes.leases import STALE_S, Lease, Leases, Owner, renewed, this_kernel

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no worker runs there")

KEY, OTHER = "a" * 64, "b" * 64

HOLD = """
import sys
from pathlib import Path
from harness.processes.leases import Leases
lease = Leases(Path(sys.argv[1])).take(sys.argv[2], "a run")
print(lease is not None, flush=True)
sys.stdin.readline()
print(lease.lost, flush=True)
"""

#: Takes what it can of many runs, in a folder that answers late, as shared ones do; keeps the leases, or finishes each
#: run whose record is not there yet.
RACE = """
import random, sys, time
from pathlib import Path
from harness.processes import leases as module
at_once = module._of
def late(*words):
    found = at_once(*words)
    time.sleep(random.uniform(0, 0.003))
    return found
module._of = late
leases, written, keeping = module.Leases(Path(sys.argv[1])), Path(sys.argv[2]), []
print("ready", flush=True)
sys.stdin.readline()
for number in range(40):
    key = f"{number:064x}"
    lease = leases.take(key)
    if lease is None:
        continue
    if sys.argv[3] == "keep" or not (written / key).exists():
        with (written / key).open("a") as record:
            record.write("made\\n")
    if sys.argv[3] == "keep":
        keeping.append(lease)
    else:
        lease.finish()
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def _let_go(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what a test has taken."""
    taken: list[Lease | None] = []
    take = Leases.take
    monkeypatch.setattr(Leases, "take", lambda *words: taken.append(take(*words)) or taken[-1])
    yield
    for lease in filter(None, taken):
        lease.let_go()


@contextmanager
def holder(folder: Path, key: str = KEY) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a lease, until the block ends or it is told to go on."""
    command = [sys.executable, "-c", HOLD, str(folder), key]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def foreign(folder: Path, number: int = 0, **more: object) -> Path:
    """A lease of a process on another machine."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{KEY}.{number}.lease"
    owner = {"node": "elsewhere", "pid": 1, "kernel": "another", "label": "a run"}
    owner |= {"since": "2026-01-01T00:00:00+00:00", "fault": None, **more}
    path.write_text(json.dumps(owner))
    return path


def test_a_lease_is_one_s_until_it_is_finished(tmp_path: Path) -> None:
    mine, yours = Leases(tmp_path / "leases"), Leases(tmp_path / "leases")
    lease = mine.take(KEY, "a run")
    assert lease is not None
    assert (lease.tries, lease.lost) == ([], False)
    assert yours.take(KEY) is None
    assert yours.take(OTHER) is not None
    assert yours.is_sure(KEY)
    assert {key: (owner.pid, owner.label) for key, owner in yours.held().items()} == {
        KEY: (os.getpid(), "a run"), OTHER: (os.getpid(), "")
    }  # fmt: skip
    lease.finish()
    assert [path.name[:1] for path in (tmp_path / "leases").iterdir()] == ["b"]
    again = yours.take(KEY)
    assert again is not None
    assert again.tries == []


@pytest.mark.parametrize("what", ["keep", "finish"])
def test_of_many_who_want_the_same_runs_one_gets_each(tmp_path: Path, what: str) -> None:
    written = tmp_path / "written"
    written.mkdir()
    command = [sys.executable, "-c", RACE, str(tmp_path / "leases"), str(written), what]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for said in ("ready\n", "done\n"):
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == said
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go on\n")
            racer.stdin.flush()
    for racer in racers:
        racer.communicate()
        assert racer.returncode == 0
    assert Counter(path.read_text() for path in written.iterdir()) == {"made\n": 40}
    assert len(list((tmp_path / "leases").iterdir())) == (40 if what == "keep" else 0)


def test_the_lease_of_a_process_that_was_killed_is_free_at_once_and_says_so(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    with holder(tmp_path) as process:
        assert leases.take(KEY) is None
        process.kill()
        process.wait()
        assert leases.held() == {}
        lease = leases.take(KEY)
    assert lease is not None
    (gone,) = lease.tries
    assert gone.node == alias()
    assert gone.reason.startswith("the process that ran it is gone (")
    lease.finish()
    assert list(tmp_path.iterdir()) == []


def test_one_that_was_suspended_on_this_machine_keeps_its_lease(tmp_path: Path) -> None:
    clock = Clock()
    leases = Leases(tmp_path, clock)
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        assert leases.take(KEY) is None
        clock.now += 10 * STALE_S
        assert leases.take(KEY) is None


def test_one_that_lost_its_lease_knows(tmp_path: Path) -> None:
    """As a machine that was suspended, and goes on after another has taken over: there it had no lock to show."""
    with holder(tmp_path) as process:
        lease = tmp_path / f"{KEY}.0.lease"
        content = json.loads(lease.read_bytes())
        lease.write_text(json.dumps(content | {"kernel": "another"}))
        clock = Clock()
        leases = Leases(tmp_path, clock)
        assert leases.take(KEY) is None
        clock.now += STALE_S
        taken = leases.take(KEY)
        assert taken is not None
        assert process.communicate("go on\n")[0] == "True\n"
        assert not taken.lost
        taken.finish()
        assert taken.lost  # as is one whose run another has finished


def test_a_lease_of_another_machine_is_over_when_nobody_touched_it_for_long(tmp_path: Path) -> None:
    clock, path = Clock(), foreign(tmp_path)
    leases = Leases(tmp_path, clock)
    os.utime(path, (1e12, 1e12))  # however old it seems: no two machines have one clock
    assert leases.take(KEY) is None
    assert not leases.is_sure(KEY)
    clock.now += STALE_S - 1
    assert leases.take(KEY) is None
    os.utime(path)
    assert leases.take(KEY) is None
    assert leases.is_sure(KEY)
    clock.now += STALE_S - 1
    assert leases.take(KEY) is None
    clock.now += 1
    taken = leases.take(KEY)
    assert taken is not None
    assert [each.node for each in taken.tries] == [alias("elsewhere")]
    assert Leases(tmp_path, clock).held()[KEY].node == Owner().node


def test_a_clock_that_jumps_changes_nothing(tmp_path: Path) -> None:
    clock, path = Clock(), foreign(tmp_path)
    leases = Leases(tmp_path, clock)
    for touched in (4e9, 1e9, 0):
        os.utime(path, (touched, touched))
        assert leases.take(KEY) is None
        clock.now += STALE_S - 1
    assert leases.take(KEY) is None
    clock.now += 1
    assert leases.take(KEY) is not None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"node": 3}', b"\xff" * 100])
def test_a_lease_that_cannot_be_understood_is_another_machine_s(tmp_path: Path, content: bytes) -> None:
    clock, path = Clock(), foreign(tmp_path)
    path.write_bytes(content)
    leases = Leases(tmp_path, clock)
    assert leases.take(KEY) is None
    assert list(leases.held()) == [KEY]
    clock.now += STALE_S
    taken = leases.take(KEY)
    assert taken is not None
    assert len(taken.tries) == 1


def test_who_gives_up_says_why_and_the_next_has_all_that_came_before(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    for number in range(11):
        lease = leases.take(KEY)
        assert lease is not None
        assert [each.reason for each in lease.tries] == [f"fault {each}" for each in range(number)]
        lease.give_up(f"fault {number}")
        assert leases.held() == {}
    last = leases.take(KEY)
    assert last is not None
    last.finish()
    assert list(tmp_path.iterdir()) == []


def test_a_lease_is_touched_while_it_is_renewed(tmp_path: Path) -> None:
    lease = Leases(tmp_path).take(KEY)
    assert lease is not None
    os.utime(lease.path, (0, 0))
    with renewed(lease, beat_s=0.01):
        while lease.path.stat().st_mtime == 0:
            pass
    os.utime(lease.path, (0, 0))
    lease.path.unlink()
    lease.touch()  # another has finished the run
    assert list(tmp_path.iterdir()) == []


def test_other_files_in_the_folder_are_nobody_s(tmp_path: Path) -> None:
    for name in ("readme", f"{KEY}.lease", f"{KEY}.x.lease", f"{KEY[:-1]}g.0.lease", f".{KEY}.lease.tmp"):
        (tmp_path / name).write_text("{}")
    leases = Leases(tmp_path)
    assert leases.held() == {}
    assert leases.take(KEY) is not None
    assert Leases(tmp_path / "none").held() == {}


def test_a_full_disk_ends_giving_up_in_order(tmp_path: Path) -> None:
    """The free lock says enough."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    leases = Leases(tmp_path)
    lease = leases.take(KEY)
    assert lease is not None
    lease._file.close()
    lease._file = Path("/dev/full").open("r+b")  # noqa: SIM115 - give_up closes it
    lease.give_up("no room")
    assert lease._file.closed
    again = leases.take(KEY)
    assert again is not None
    assert again.tries[0].reason.startswith("the process that ran it is gone")


def test_kernels_are_told_apart() -> None:
    assert this_kernel() == this_kernel() != ""


def test_where_files_have_no_locks_touches_keep_a_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some network file systems: two processes of one machine do not get one run."""

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(module.fcntl, "flock", none)
    clock = Clock()
    leases = Leases(tmp_path, clock)
    lease = Leases(tmp_path).take(KEY)
    assert lease is not None
    assert leases.take(KEY) is None
    assert not leases.is_sure(KEY)
    clock.now += STALE_S / 2
    os.utime(lease.path, (1, 1))
    assert leases.take(KEY) is None
    assert leases.is_sure(KEY)
    assert not lease.lost
    clock.now += STALE_S
    assert leases.take(KEY) is not None
    assert lease.lost


def test_finishing_leaves_the_lease_of_who_took_over(tmp_path: Path) -> None:
    lease = Leases(tmp_path).take(KEY)
    assert lease is not None
    newer = lease.path.with_name(f"{KEY}.1.lease")
    newer.write_bytes(lease.path.read_bytes())
    lease.finish()
    assert newer.exists()
    assert not lease.path.exists()
