"""Many records read by several processes at once: ``python -P -m harness.presentation.parsing`` is one of them.

It takes names of files from its standard input, a list at a time, and answers each with the rows of an index. It ends
with its input, so that none outlives who started it.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Final

from harness.machine import software
from harness.machine.cgroups import cpu_quota
from harness.machine.process import available_cpus
from harness.records.index import Row

COMMAND: Final = (sys.executable, "-P", "-m", "harness.presentation.parsing")
#: Files from which on it pays to start processes, and files that one is handed at once.
MANY: Final = 500
AT_ONCE: Final = 100
MOST: Final = 8


def rows(paths: Sequence[str], row: Callable[[str], Row]) -> Iterator[Row]:
    """The row of each file, in any order; read here where there are few."""
    count = int(min(MOST, len(available_cpus()), max(1, cpu_quota() or MOST)))
    if len(paths) < MANY or count < 2:
        yield from map(row, paths)
        return
    parts = iter([paths[start : start + AT_ONCE] for start in range(0, len(paths), AT_ONCE)])
    with ExitStack() as stack:
        readers = [stack.enter_context(_Reader(row)) for _ in range(count)]
        pool = stack.enter_context(ThreadPoolExecutor(count))
        waiting: list[tuple[_Reader, Future[list[Row]]]] = []
        for reader, part in zip(readers, parts):  # noqa: B905 - there may be fewer of either
            waiting.append((reader, pool.submit(reader.read, part)))
        while waiting:
            reader, answer = waiting.pop(0)
            found = answer.result()
            for part in parts:
                waiting.append((reader, pool.submit(reader.read, part)))
                break
            yield from found


class _Reader:
    """A process that reads files. Where it fails, they are read here."""

    def __init__(self, row: Callable[[str], Row]) -> None:
        self._row = row
        path = os.pathsep.join(filter(None, [str(software.SOURCE), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C reaches the parent alone
        )

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *error: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        self._process.kill()
        self._process.wait()

    def read(self, paths: Sequence[str]) -> list[Row]:
        """The rows of these files."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            pickle.dump(paths, self._process.stdin)
            self._process.stdin.flush()
            found: list[Row] = pickle.load(self._process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError, ValueError):
            return list(map(self._row, paths))
        return found


def main() -> None:
    """Answer until the input ends."""
    from harness.presentation.folders import row

    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(2, sys.stdout.fileno())  # whatever else is printed is no answer
    while True:
        try:
            paths = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(list(map(row, paths)), answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()


if __name__ == "__main__":
    main()
