"""What others compute: counters of a made-up system, and of this one while a process computes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.machine.others import Found, between, read

TICK = os.sysconf("SC_CLK_TCK")
LINUX = pytest.mark.skipif(not Path("/proc/stat").exists(), reason="this system has no such counters")


def system(folder: Path, cpus: dict[int, float], processes: dict[int, tuple[str, int, float, float]]) -> Path:
    """A ``/proc`` with busy seconds by CPU, and by process name, parent, own seconds and those of ended children."""
    folder.mkdir()
    total = f"cpu {round(TICK * sum(cpus.values()))} 0 0 0 0 0 0 0 0 0"
    # a quarter of it stolen; guests' time, the last two, is in user's already
    rows = [f"cpu{cpu} {round(TICK * s * 3 / 4)} 0 0 77 7 0 0 {round(TICK * s / 4)} 9 9" for cpu, s in cpus.items()]
    (folder / "stat").write_text("\n".join([total, *rows, "intr 1", "ctxt 2"]) + "\n")
    for number, (name, parent, own_s, ended_s) in processes.items():
        fields = ["R", parent, *[0] * 9, round(TICK * own_s), 0, round(TICK * ended_s), 0, *[0] * 4, 1000 + number]
        (folder / str(number)).mkdir()
        (folder / str(number) / "stat").write_text(f"{number} ({name}) {' '.join(map(str, fields))}\n")
    (folder / "77").mkdir(exist_ok=True)  # has ended meanwhile
    return folder


def test_others_are_all_but_this_process_and_its_descendants(tmp_path: Path) -> None:
    """Of which one ended in between: its parent has its time."""
    first = read(10.0, system(tmp_path / "1", {0: 5, 1: 5, 2: 5}, {
        2: ("me", 1, 1, 0), 3: ("worker", 2, 4, 0), 4: ("its helper", 3, 1, 0), 5: ("(odd) name) R 9", 1, 7, 0),
        6: ("cc1", 5, 1, 0), 8: ("gone", 1, 9, 0)}), us=2)  # fmt: skip
    last = read(12.0, system(tmp_path / "2", {0: 7, 1: 6.5, 2: 7}, {
        2: ("me", 1, 1.25, 5.75), 4: ("its helper", 1, 1.5, 0), 5: ("(odd) name) R 9", 1, 8.25, 0),
        6: ("cc1", 5, 1, 0), 7: ("cc1", 5, 0.5, 0), 9: ("idle", 1, 0.01, 0)}), us=2)  # fmt: skip
    assert first is not None
    assert last is not None
    # 3.5 s busy on CPUs 0 and 1 in 2 s, of which our own tree took 1 (what has another parent now is not in it)
    assert between(first, last, [0, 1]) == Found(pytest.approx(2.5 / 4), 2.0, {
        "its helper": pytest.approx(0.75), "(odd) name) R 9": pytest.approx(0.625), "cc1": pytest.approx(0.25),
    })  # fmt: skip
    assert between(first, last, [2]).share == pytest.approx(0.5)
    assert between(first, first, [0, 1]) == Found(0.0, pytest.approx(0, abs=1e-6), {})


def test_a_system_without_counters_says_nothing(tmp_path: Path) -> None:
    assert read(0.0, tmp_path) is None


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    program = "import os\nos.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        yield process
        process.kill()


@LINUX
def test_a_process_that_computes_is_seen_unless_it_is_ones_own(busy: subprocess.Popen[bytes]) -> None:
    cpu, stranger = min(os.sched_getaffinity(0)), 2**22 + 1  # no process has that number
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        before = read(time.monotonic(), us=stranger), read(time.monotonic(), us=busy.pid)
        time.sleep(0.3)
        after = read(time.monotonic(), us=stranger), read(time.monotonic(), us=busy.pid)
        found, own = (between(*each, [cpu]) for each in zip(before, after, strict=True) if None not in each)  # type: ignore[arg-type]
        if found.share > 0.5 and any(name.startswith("python") for name in found.busiest):
            break
    assert found.share > 0.5
    assert any(name.startswith("python") for name in found.busiest)
    assert own.share < found.share
    assert after[1] is not None
    numbers = [number for number, _ in after[1].others]
    assert busy.pid not in numbers
    assert os.getpid() in numbers
