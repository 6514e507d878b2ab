"""Filing records under the machine that made them: all of them or none, and never over what is there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from harness.errors import UsageError
from harness.machine.history import History
from harness.records.machines import slug
from harness.specs.run import RunSpec
from harness.workflows.submission.checks import Result, check
from harness.workflows.submission.findings import Finding
from harness.workflows.submission.given import STUDY_ENDING, Handed, Submission, handed, records_in

#: What the folder is made in, before it has its name.
_SCRATCH = ".submit-"


class Filed(NamedTuple):
    """What came of it: the folder, what each check found, what is new there, and how many were there already."""

    folder: Path
    results: list[Result]
    new: list[Path]
    already: int

    @property
    def refused(self) -> list[Finding]:
        """What stands against it; nothing was written then."""
        return [each for result in self.results for each in result.findings if each.level == "refused"]


def submit(
    places: Sequence[Path],
    to: Path,
    specs_of: Callable[[str], list[RunSpec]],
    history: History | None,
    studies: Sequence[Path] = (),
    write: bool = True,
) -> Filed:
    """File records and the files of their studies in a folder of their machine's name; none if a check refuses.

    Args:
        to: holds a folder for each machine.
        studies: files of studies that the repository has: those need not be filed.
        write: else everything is checked and nothing written.

    Raises:
        UsageError: there is no record, they are of several machines, one has the name of another that is there, or the
            folder cannot be written.
    """
    found = records_in(places)
    if not found:
        raise UsageError(f"no records in {', '.join(map(str, places))}; name a folder of records, or their files")
    folder = to / _machine_of(found)
    there = sorted(folder.glob("*.json")) if folder.is_dir() else []
    published = {each.name: each for each in handed(there)}
    new = [each for each in found if each.name not in published]
    for each in found:
        before = published.get(each.name)
        if before is not None and before.content != each.content:
            raise UsageError(
                f"{before.path} is there already with other contents than {each.path}; nothing is written over"
            )
    theirs = _studies_beside(found)
    known = [*theirs, *studies, *sorted(folder.glob(f"*{STUDY_ENDING}"))]
    of = Submission(folder, [*published.values(), *new], specs_of, (), known, history, here=True)
    results = check(of)
    names = {record.study.sha256 for _, record in of.runs if record.study}
    wanted = [path for path in theirs if _sha256(path) in names - {_sha256(each) for each in studies}]
    files = {folder / each.name: each.content for each in new} | _contents(wanted, folder)
    filed = Filed(folder, results, sorted(files), len(found) - len(new))
    if write and files and not filed.refused:
        _write(files, folder)
    return filed


def _machine_of(found: Sequence[Handed]) -> str:
    slugs: dict[str, Handed] = {}
    for each in found:
        if (environment := getattr(each.record, "environment", None)) is not None:
            slugs.setdefault(slug(environment), each)
    if len(slugs) > 1:
        (one, first), (other, second) = list(slugs.items())[:2]
        raise UsageError(
            f"{second.name} was made on {other}, {first.name} on {one}; hand in the records of one machine at a time"
        )
    if not slugs:
        raise UsageError(f"{found[0].path}: {found[0].problem or 'it names no machine'}; hand in records of runs")
    return next(iter(slugs))


def _studies_beside(found: Sequence[Handed]) -> list[Path]:
    """Files that may be the studies of these records: in their folders, and in the folders above those."""
    folders = dict.fromkeys(
        folder for each in found for folder in (each.path.parent, each.path.absolute().parent.parent)
    )
    return [path for folder in folders for path in sorted(folder.glob(f"*{STUDY_ENDING}")) if path.is_file()]


def _sha256(path: Path) -> str:
    import hashlib

    with suppress(OSError):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return ""


def _contents(paths: Sequence[Path], folder: Path) -> dict[Path, bytes]:
    """Files of studies by where they will lie; those that lie there already are left out."""
    found: dict[Path, bytes] = {}
    for path in paths:
        target, content = folder / path.name, path.read_bytes()
        if not target.exists():
            found[target] = content
        elif target.read_bytes() != content:
            found[target.with_stem(f"{target.stem}-{_sha256(path)[:8]}")] = content
    return {target: content for target, content in found.items() if not target.exists()}


def _write(files: dict[Path, bytes], folder: Path) -> None:
    """Write all of them, or none. They are complete on the disk, in a hidden folder, before the first gets its name; a
    machine that stops in between leaves some, and the same call then adds the others.

    Raises:
        UsageError: they cannot be written, or one is there by now; nothing of them is left.
    """
    done: list[Path] = []
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=folder))
        try:
            for target, content in files.items():
                (scratch / target.name).write_bytes(content)
            for target in files:
                target.hardlink_to(scratch / target.name)  # which fails where one is there
                done.append(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except BaseException as error:
        for target in done:
            target.unlink(missing_ok=True)
        if made:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise UsageError(f"cannot write to {folder}: {error.strerror}; nothing was filed") from None
        raise
