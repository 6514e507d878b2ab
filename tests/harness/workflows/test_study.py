"""Studies as whole commands and in this process: stopped, killed, beside others, without room."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.errors import UsageError
from harness.machine.personal import alias
from harness.processes.leases import Leases
from harness.processes.slot import FOLDER
from harness.processes.supervise import refused
from harness.records.run import Record
from harness.records.store import Store, StoreError, read_record
from harness.workflows.one_by_one import local
from harness.workflows.quiet import Quiet
from harness.workflows.study import Engines, print_plan, print_status, run_study, work_on, write_example
from harness.workflows.work import Work
from tests.conftest import Harness
from tests.workers import workers_below

pytestmark = [
    pytest.mark.usefixtures("plugin"),
    pytest.mark.skipif(sys.platform == "win32", reason="no worker runs there"),
]

STUDY = (
    'name = "mine"\nresults = "records"\n{top}\n[fixed]\ntask = "echo"\nbackend = "{backend}"\nthreads = 1\n{fixed}\n'
)
STUDY += '[axes]\nseed = "0-{last}"\n'


@pytest.fixture(autouse=True)
def _own_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path / "slots"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)


def written(runs: int, top: str = "", fixed: str = "", backend: str = "madeup", name: str = "study.toml") -> Path:
    Path(name).write_text(STUDY.format(top=top, backend=backend, fixed=fixed, last=runs - 1))
    return Path(name)


def records(folder: str = "records") -> list[Record]:
    """All of them, whole and with their seals, in the order of their seeds."""
    found = [read_record(path) for path in Path(folder).glob("*.json")]
    return sorted(found, key=lambda record: record.spec.seed)


def left_behind() -> list[str]:
    """Leases and temporary files."""
    return [path.name for path in Path("records").rglob("*") if ".lease" in path.name or path.suffix == ".tmp"]


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "harness", "study", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, "COLUMNS": "200"},
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def soon(what: Callable[[], Any], seconds: float = 60) -> Any:
    """What it gives as soon as that is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.01)
    raise AssertionError("nothing came")


def worker_of(process: subprocess.Popen[str]) -> psutil.Process:
    found = soon(lambda: next(iter(workers_below(process.pid)), None))
    assert isinstance(found, psutil.Process)
    return found


def test_a_study_that_is_stopped_and_killed_goes_on_and_makes_each_run_once(harness: Harness) -> None:
    written(4, fixed='variant = "slow"\nsteps = 5\nchunk = 1')
    assert "4 runs, 0 done, 4 left: unknown" in harness("study", "--plan").stdout
    with started() as driver:
        line = driver.stdout.readline()  # type: ignore[union-attr]
        assert re.match(r"\[1/4\] echo lstm madeup seed 0: mse [\d.]+, [\d.]+ m?s$", line), line
        worker_of(driver)
        driver.send_signal(signal.SIGINT)
        rest = driver.communicate()[0]
    assert driver.returncode == 1
    assert rest == "1 of 4 runs ok, 3 left; stopped: the same command goes on; records in records\n"
    with started() as driver:
        assert driver.stdout.readline().startswith("[2/4] ")  # type: ignore[union-attr]
        worker = worker_of(driver)
        driver.kill()
        driver.wait()
        soon(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    with started() as driver:
        assert driver.stdout.readline().startswith("[3/4] ")  # type: ignore[union-attr]
        worker_of(driver).kill()
        output = driver.communicate()[0]
    assert driver.returncode == 0, output
    assert output.count("\n") == 2
    assert output.endswith("4 of 4 runs ok; records in records\n")
    found = records()
    assert [(record.status, record.spec.seed) for record in found] == [("ok", seed) for seed in range(4)]
    assert left_behind() == []
    assert len({record.study for record in found}) == 1
    assert found[0].study is not None
    assert found[0].study.name == "mine"
    assert all(record.place is not None and record.place.engine == "local" for record in found)
    reasons = [each.reason for record in found for each in record.tries]
    kinds = Counter(
        next(kind for kind in ("stopped by the user", "is gone", "killed") if kind in each) for each in reasons
    )
    assert kinds == {"stopped by the user": 1, "is gone": 1, "killed": 1}
    assert local(work_on(Path("study.toml"))).made == 0


def test_while_it_runs_others_see_how_far_it_is_and_leave(harness: Harness) -> None:
    written(2, backend="hanging")
    with started() as driver:
        worker_of(driver)
        status = harness("study", "--status").stdout
        assert re.search(r"running[ │]*1[ │]*echo lstm hanging seed 0 \(", status), status
        assert re.search(r"left[ │]*1[ │]*unknown", status), status
        second = harness("study")
        assert second.returncode == 1
        assert second.stdout.startswith("another process on this machine works through mine; how far it is:\n")
        driver.send_signal(signal.SIGINT)
        assert driver.communicate()[0].startswith("0 of 2 runs ok, 2 left; stopped: the same command goes on;")
    assert records() == []
    assert re.search(r"left[ │]*2[ │]*unknown", harness("study", "--status").stdout)


def test_several_who_make_one_run_each_make_three(harness: Harness) -> None:
    written(3)
    with started("--one") as one, started("--one") as other, started("--one") as third:
        assert [each.wait(60) for each in (one, other, third)].count(0) >= 1
    assert [record.spec.seed for record in records()] == [0, 1, 2]
    assert left_behind() == []


def test_what_failed_is_kept_until_it_is_asked_for_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a worker that hangs until its time is over."""
    file = written(1, top="timeout = 2", backend="hanging")
    assert not run_study(work_on(file), Engines())
    assert capsys.readouterr().out.splitlines()[-1] == "0 of 1 run ok, 1 not ok; records in records"
    (record,) = records()
    assert (record.status, record.tries) == ("timeout", [])
    assert not run_study(work_on(file), Engines())
    assert not run_study(work_on(file, "failed"), Engines())
    assert records() == [record]
    assert not run_study(work_on(file, "failed, timeout"), Engines())
    assert [each.status for each in records()] == ["timeout", "timeout"]
    work = work_on(file)
    print_plan(work)
    assert "seed 0  timeout\n1 run, 1 done, 0 left: 0 s\n" in capsys.readouterr().out
    print_status(work)
    assert re.search(r"timeout[ │]*1", capsys.readouterr().out)
    with pytest.raises(UsageError, match=r"^--retry: unknown status 'timout'; did you mean 'timeout'\?$"):
        work_on(file, "timout")


def test_a_run_that_the_machine_ends_each_time_is_given_up(capsys: pytest.CaptureFixture[str]) -> None:
    file = written(1, top="tries = 1", fixed='variant = "killed"')
    assert not run_study(work_on(file), Engines())
    (record,) = records()
    assert record.status == "failed"
    assert str(record.reason).startswith("given up after 2 tries, all ended by faults of the machine; the last: ")
    assert ["killed" in each.reason for each in record.tries] == [True, True]
    assert "given up after 2 tries" in capsys.readouterr().out
    assert left_behind() == []
    assert local(work_on(file)).made == 0


def test_a_run_that_crashes_by_itself_is_not_tried_again() -> None:
    assert local(work_on(written(1, fixed='variant = "crash"'))).made == 1
    (record,) = records()
    assert (record.status, record.tries) == ("failed", [])


def test_the_results_of_another_study_are_left_alone() -> None:
    run_study(work_on(written(1)), Engines())
    other = Path("other.toml")
    other.write_text('name = "other"\nresults = "records"\n[fixed]\nbackend = "numpy"\n')
    message = (
        r"^records has the records of study 'mine', not of 'other'; give other\.toml another folder \(results = …\)$"
    )
    with pytest.raises(UsageError, match=message):
        run_study(work_on(other), Engines())
    assert len(records()) == 1


def test_a_folder_that_is_none_is_one_line(tmp_path: Path) -> None:
    file = written(1)
    Path("records").write_text("a file")
    with pytest.raises(StoreError) as caught:
        run_study(work_on(file), Engines())
    assert "\n" not in str(caught.value)
    Path("records").unlink()
    Path("records/.study").parent.mkdir()
    Path("records/.study").write_text("a file")
    with pytest.raises(StoreError, match=r"^cannot write records/\.study/name: "):
        run_study(work_on(file), Engines())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["records", "study.toml"]


def test_a_lock_that_cannot_be_made_is_one_line() -> None:
    work = work_on(written(1))
    work.claim_folder()
    Path("records", ".study", f"{platform.node()}.lock").mkdir()
    with pytest.raises(StoreError, match=r"^cannot write .*\.lock: "):
        run_study(work, Engines())


def taken(work: Work) -> Any:
    lease = work.take(work.runs[0])
    assert lease is not None
    return lease


def test_who_lost_the_lease_meanwhile_writes_no_record() -> None:
    """As one who was suspended: the run is another's, and its record that one's to write."""
    work = work_on(written(1))
    work.claim_folder()
    lease = taken(work)
    planned, record = work.runs[0], refused(work.runs[0].spec, "as if", None)
    content = json.loads(lease.path.read_bytes()) | {"kernel": "another", "node": "elsewhere"}
    lease.path.with_name(f"{planned.anywhere}.1.lease").write_text(json.dumps(content))
    assert work.keep(record, planned, lease) is None
    assert records() == []
    assert lease._file.closed


def test_a_lease_that_somebody_deleted_costs_no_record() -> None:
    """As of one who tidies up: records alone say what is done."""
    work = work_on(written(1))
    work.claim_folder()
    lease = taken(work)
    shutil.rmtree(lease.path.parent.parent)
    record = refused(work.runs[0].spec, "as if", None)
    assert work.keep(record, work.runs[0], lease) is not None
    assert len(records()) == 1


def test_a_run_that_another_has_done_meanwhile_gets_no_second_record() -> None:
    work, other = work_on(written(1)), work_on(written(1))
    work.claim_folder()
    lease = taken(work)
    record = refused(work.runs[0].spec, "as if", None)
    Store(other.study.results).write(record)
    assert work.keep(record.model_copy(update={"id": f"{record.id[:-8]}00000000"}), work.runs[0], lease) is None
    assert len(records()) == 1


def test_what_was_done_between_looking_and_taking_is_not_done_again() -> None:
    file = written(1)
    work, other = work_on(file), work_on(file)
    assert local(other).made == 1
    assert work.left() == list(work.runs)
    assert work.take(work.runs[0]) is None
    assert (work.left(), left_behind()) == ([], [])


def test_a_machine_that_is_gone_is_waited_for_and_its_run_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    work = work_on(written(1))
    work.claim_folder()
    lease = taken(work)
    content = json.loads(lease.path.read_bytes()) | {"kernel": "another", "node": "gone"}
    lease.path.write_text(json.dumps(content))
    os.utime(lease.path, (4e9, 4e9))  # its clock was ahead
    later = work_on(work.study.path)
    later.leases = Leases(later.leases.folder, stale_s=0.5)
    monkeypatch.setattr("harness.workflows.one_by_one.LOOK_S", 0.1)
    assert local(later).made == 1
    (record,) = records()
    assert [each.node for each in record.tries] == [alias("gone")]
    lease.let_go()
    assert left_behind() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own, without much room."""
    folder = tmp_path / "records"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(mounting, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_it_in_one_line_and_room_lets_it_go_on(
    small_disk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(kept))  # where a record goes that finds no room
    file = written(3, top="tries = 0")
    assert not run_study(work_on(file), Engines())
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "No space left on device" in said.err
    assert len(records()) < 3
    subprocess.run(["mount", "-o", "remount,size=10m", str(small_disk)], check=True)
    work = work_on(file)
    assert run_study(work, Engines()), capsys.readouterr()
    assert [record.spec.seed for record in records()] == [0, 1, 2]
    assert left_behind() == []


@pytest.mark.parametrize(("engines", "words"), [(Engines("ray"), "--on ray"), (Engines("slurm"), "--on slurm")])
def test_quiet_that_nobody_would_look_for_is_refused(engines: Engines, words: str) -> None:
    written(2)
    with pytest.raises(UsageError, match=f"--require-quiet looks before runs made here alone, not with {words}"):
        run_study(work_on(Path("study.toml")), engines, quiet=Quiet.asked(require_quiet=True))


def test_the_example_is_written_once() -> None:
    write_example(Path("new.toml"))
    assert len(work_on(Path("new.toml")).runs) == 30
    with pytest.raises(UsageError, match=r"^new\.toml exists; name another file$"):
        write_example(Path("new.toml"))
    with pytest.raises(UsageError, match=r"^cannot write no/new\.toml: No such file or directory$"):
        write_example(Path("no/new.toml"))
