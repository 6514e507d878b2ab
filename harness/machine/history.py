"""This project's source as its git history has it: what tells a record's code from code that nobody has seen."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePosixPath

from harness.machine.software import FLOORS, digest_of

#: A commit as records name it. Nothing else of a record becomes a word of git's command line.
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
#: Longest that one question to git may take, in seconds.
_LONGEST_S = 120


class NoHistory(RuntimeError):
    """There is no such repository or commit; the message says which and what would help."""


@dataclass
class History:
    """The commits up to one of a repository.

    Attributes:
        root: of the repository.
        base: the newest commit that counts: those of somebody's branch, which it does not have, are unknown.
    """

    root: Path
    base: str
    _contents: dict[str, bytes] = field(default_factory=dict, repr=False)
    _trees: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, folder: Path, base: str = "HEAD") -> History:
        """That of the repository which a folder is in.

        Raises:
            NoHistory: it is in none, or there is no such commit.
        """
        try:
            root = _git(folder, "rev-parse", "--show-toplevel").decode().strip()
            found = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
        except OSError as error:
            raise NoHistory(f"{folder}: {error.strerror}; git and a clone of the project are needed") from None
        except subprocess.SubprocessError:
            raise NoHistory(
                f"{folder}: no git repository with a commit {base[:80]!r}; name one of the project"
            ) from None
        return cls(Path(root), found.decode().strip())

    def has(self, commit: str) -> bool:
        """Whether it is the base or one before it."""
        return commit in self._commits

    @cached_property
    def _commits(self) -> Mapping[str, datetime]:
        """When each commit was made, the newest first."""
        lines = self._ask("log", "--format=%H %ct", self.base).decode().split("\n")
        pairs = (line.split(" ") for line in lines if line)
        return {commit: datetime.fromtimestamp(int(seconds), UTC) for commit, seconds in pairs}

    @cached_property
    def shallow(self) -> bool:
        """Whether older commits were left out of the clone."""
        return self._ask("rev-parse", "--is-shallow-repository").strip() == b"true"

    def made(self, commit: str) -> datetime:
        """When a commit was made, by the clock of its author's machine. Raises KeyError: see ``has``."""
        return self._commits[commit]

    def digests(self, commit: str) -> dict[str, str]:
        """SHA-256 of each floor's Python source at a commit, as ``software.sources`` has it; of a missing one, of
        nothing.
        """
        trees = dict.fromkeys(FLOORS, "")
        for line in self._ask("ls-tree", "-z", commit, "--", *FLOORS).split(b"\0"):
            about, _, name = line.decode().partition("\t")
            if name in trees:
                trees[name] = about.split(" ")[2]
        return {floor: self._digest(tree) for floor, tree in trees.items()}

    def holder(self, sources: Mapping[str, str]) -> str | None:
        """The newest commit whose floors have these digests; None where none has."""
        return next((commit for commit in self._commits if self.digests(commit) == dict(sources)), None)

    def _digest(self, tree: str) -> str:
        if tree not in self._trees:
            found = {name: blob for name, blob in self._files(tree).items() if name.endswith(".py")} if tree else {}
            self._read(found.values())
            self._trees[tree] = digest_of((name, self._contents[blob]) for name, blob in sorted(found.items()))
        return self._trees[tree]

    def _files(self, tree: str) -> dict[str, str]:
        """The plain files of a tree, with the numbers of their contents."""
        lines = (
            line.decode(errors="surrogateescape") for line in self._ask("ls-tree", "-rz", tree).split(b"\0") if line
        )
        pairs = (line.partition("\t") for line in lines)
        return {name: about.split(" ")[2] for about, _, name in pairs if about.startswith("100")}

    def files(self, folder: str) -> dict[str, str]:
        """The files below a folder at the base, by their path in it, with git's number of each content."""
        inside = PurePosixPath(folder)
        try:
            return self._files(f"{self.base}:{inside}")
        except subprocess.CalledProcessError:  # there was no such folder
            return {}

    def versions(self, folder: str, ending: str) -> Iterator[tuple[str, bytes]]:
        """Every content that a file of that ending had below a folder, up to the base, with the file's name."""
        lines = self._ask("rev-list", "--objects", self.base, "--", folder).decode(errors="replace").split("\n")
        found = [line.split(" ", 1) for line in lines if " " in line]
        wanted = {number: PurePosixPath(path).name for number, path in found if path.endswith(ending)}
        self._read(wanted)
        for number, name in wanted.items():
            yield name, self._contents[number]

    def _read(self, blobs: Iterable[str]) -> None:
        missing = [blob for blob in dict.fromkeys(blobs) if blob not in self._contents]
        if not missing:
            return
        rest = self._ask("cat-file", "--batch", text="\n".join(missing).encode() + b"\n")
        for blob in missing:
            head, _, rest = rest.partition(b"\n")
            size = int(head.split(b" ")[2])
            self._contents[blob], rest = rest[:size], rest[size + 1 :]

    def _ask(self, *words: str, text: bytes | None = None) -> bytes:
        return _git(self.root, *words, text=text)


def blob_of(content: bytes) -> str:
    """Git's number of a content, in repositories of SHA-1."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _git(folder: Path, *words: str, text: bytes | None = None) -> bytes:
    command = ["git", "-C", str(folder), *words]
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # of a hook that runs this
    done = subprocess.run(command, input=text, env=env, capture_output=True, check=True, timeout=_LONGEST_S)
    return done.stdout
