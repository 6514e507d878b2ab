"""Many records read by several processes at once: ``python -P -m harness.presentation.parsing`` is one of them.

It takes a function from its standard input, then lists of what that is to be called with, and answers each list with
what it gave. It ends with its input, so that none outlives who started it.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Final, Generic, TypeVar

from harness.machine import software
from harness.machine.cgroups import cpu_quota
from harness.machine.process import available_cpus
from harness.records.index import Row

COMMAND: Final = (sys.executable, "-P", "-m", "harness.presentation.parsing")
#: Files from which on it pays to start processes, and files that one is handed at once.
MANY: Final = 500
AT_ONCE: Final = 100
MOST: Final = 8
Item = TypeVar("Item")
Answer = TypeVar("Answer")


def rows(paths: Sequence[str], row: Callable[[str], Row]) -> Iterator[Row]:
    """The row of each file, in any order; read here where there are few."""
    return each(paths, row)


def each(items: Sequence[Item], what: Callable[[Item], Answer]) -> Iterator[Answer]:
    """What ``what`` gives for each of these, in any order; called here where there are few.

    Args:
        items: such as files; they and the answers can be pickled.
        what: a function of a module, or a ``partial`` of one.
    """
    count = int(min(MOST, len(available_cpus()), max(1, cpu_quota() or MOST)))
    if len(items) < MANY or count < 2:
        yield from map(what, items)
        return
    parts = iter([items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE)])
    with ExitStack() as stack:
        readers = [stack.enter_context(_Reader(what)) for _ in range(count)]
        pool = stack.enter_context(ThreadPoolExecutor(count))
        waiting: list[tuple[_Reader[Item, Answer], Future[list[Answer]]]] = []
        for reader, part in zip(readers, parts):  # noqa: B905 - there may be fewer of either
            waiting.append((reader, pool.submit(reader.read, part)))
        while waiting:
            reader, answer = waiting.pop(0)
            found = answer.result()
            for part in parts:
                waiting.append((reader, pool.submit(reader.read, part)))
                break
            yield from found


class _Reader(Generic[Item, Answer]):
    """A process that reads files. Where it fails, they are read here."""

    def __init__(self, what: Callable[[Item], Answer]) -> None:
        self._what = what
        self._told = False
        path = os.pathsep.join(filter(None, [str(software.SOURCE), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C reaches the parent alone
        )

    def __enter__(self) -> _Reader[Item, Answer]:
        return self

    def __exit__(self, *error: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        self._process.kill()
        self._process.wait()

    def read(self, items: Sequence[Item]) -> list[Answer]:
        """The answers for these."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            if not self._told:
                pickle.dump(self._what, self._process.stdin)
                self._told = True
            pickle.dump(items, self._process.stdin)
            self._process.stdin.flush()
            found: list[Answer] = pickle.load(self._process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError, ValueError):
            return list(map(self._what, items))
        return found


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(2, sys.stdout.fileno())  # whatever else is printed is no answer
    with suppress(EOFError):
        what = pickle.load(sys.stdin.buffer)
        while True:
            items = pickle.load(sys.stdin.buffer)
            pickle.dump(list(map(what, items)), answers, protocol=pickle.HIGHEST_PROTOCOL)
            answers.flush()


if __name__ == "__main__":
    main()
