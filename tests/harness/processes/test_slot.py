"""The machine's slot: who waits for whom, and that nobody keeps it who has died."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from harness.machine.process import available_cpus
from harness.processes import slot as module
from harness.processes.slot import FOLDER, NoSlot, SlotTaken, slot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no worker runs there")

HOLD = "import sys; from harness.processes.slot import slot\nwith slot(sys.argv[1], share=int(sys.argv[2])) as held:\n"
HOLD += "    print(held.cpus, held.gpu, flush=True); sys.stdin.read()"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path / "slots"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")


@contextmanager
def holder(device: str, share: int = 1) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a slot, until the block ends."""
    command = [sys.executable, "-c", HOLD, device, str(share)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
        process.kill()


#: Who is there first, who comes, and whether they may be at work at the same time. The kind, then ``share``.
MEETINGS = [
    (("cpu", 1), ("cpu", 1), False),
    (("cpu", 1), ("cuda", 1), False),
    (("cuda", 1), ("cpu", 1), False),
    (("cuda", 1), ("cuda", 1), True),
    (("cpu", 2), ("cpu", 1), False),
    (("cpu", 1), ("cpu", 2), False),
    (("cuda", 1), ("cpu", 2), False),
]


@pytest.mark.parametrize(("first", "second", "together"), MEETINGS)
def test_who_waits_for_whom(first: tuple[str, int], second: tuple[str, int], together: bool) -> None:
    waited: list[bool] = []
    with slot(first[0], share=first[1]), ExitStack() as stack:
        if together:
            stack.enter_context(slot(second[0], 0, share=second[1]))
        else:
            with pytest.raises(SlotTaken):
                stack.enter_context(slot(second[0], 0, lambda: waited.append(True), share=second[1]))
        assert bool(waited) is not together
    with slot(second[0], 0, share=second[1]):  # given back
        pass


def test_runs_on_gpus_get_one_each_and_a_third_waits() -> None:
    with slot("cuda") as first, slot("cuda") as second:
        assert {first.gpu, second.gpu} == {"GPU-a", "GPU-b"}
        with pytest.raises(SlotTaken), slot("cuda", 0.1):
            pass


@pytest.mark.skipif(len(available_cpus()) < 2, reason="one CPU cannot be shared")
def test_sharing_runs_have_cpus_of_their_own() -> None:
    half = len(available_cpus()) // 2
    with slot("cpu", share=2) as first, slot("cpu", share=2) as second:
        assert first.cpus is not None
        assert second.cpus is not None
        assert len(first.cpus) == len(second.cpus) == half
        assert not set(first.cpus) & set(second.cpus)
        with pytest.raises(SlotTaken), slot("cpu", 0, share=2):
            pass


@pytest.mark.parametrize(
    ("cpus", "share", "parts"),
    [
        ([0, 1, 2, 3, 4], 2, [[0, 1], [2, 3]]),
        ([3, 5], 4, [[3], [5]]),
        ([0, 1, 2, 3], 4, [[0], [1], [2], [3]]),
        ([0, 1, 2, 3, 4, 5, 6], 3, [[0, 1], [2, 3], [4, 5]]),
    ],
)
def test_cpus_are_dealt_in_equal_parts(cpus: list[int], share: int, parts: list[list[int]]) -> None:
    assert module._parts(cpus, share) == parts


def test_the_slot_of_a_process_that_was_killed_is_free_at_once() -> None:
    """And one who waits without a timeout sleeps in the kernel until then."""
    with holder("cpu") as process:
        with pytest.raises(SlotTaken), slot("cpu", 0):
            pass
        waited: list[bool] = []

        def kill() -> None:
            waited.append(True)
            process.kill()

        with slot("cpu", on_wait=kill):
            assert waited == [True]


def test_a_folder_that_cannot_be_had_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(FOLDER, str(tmp_path / "file" / "slots"))
    with pytest.raises(NoSlot, match=f"cannot make .*slots: .*; set {FOLDER}"), slot("cpu"):
        pass
