"""``harness submit`` and ``harness check-submission``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import NOT_OK, OK, fail, print_lines, tell

if TYPE_CHECKING:
    from harness.machine.history import History
    from harness.specs.run import RunSpec

#: Where a checkout has its published records.
PUBLISHED = Path("results/published")

Repository = Annotated[
    Path | None,
    typer.Option(help="Clone of the project, whose commits are known.", show_default="this checkout, or the folder's"),
]
Base = Annotated[str, typer.Option(help="Newest commit that counts: what only somebody's branch has is unknown.")]


def submit(
    records: Annotated[list[Path], typer.Argument(help="Folders of records, packs, or single records.")],
    to: Annotated[Path, typer.Option(help="Folder that holds one for each machine.")] = PUBLISHED,
    repository: Repository = None,
    base: Base = "HEAD",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and write nothing.")] = False,
) -> None:
    """Check records of one machine and file them under results/published/MACHINE, for a pull request."""
    from harness.errors import UsageError
    from harness.text import counted
    from harness.workflows.submission import filing

    history = _history(repository, base, to)
    try:
        filed = filing.submit(records, to, specs_of, history, _studies(history), write=not dry_run)
    except UsageError as error:
        fail(error)
    for result in filed.results:
        for each in result.findings:
            tell(f"{result.check.name}, {each.level}: {each.what}")
    if filed.refused:
        fail(f"nothing was filed: {counted(len(filed.refused), 'finding')} against it", NOT_OK)
    already = f", {filed.already:,} there already" if filed.already else ""
    if dry_run:
        print_lines([f"{filed.folder}: would file {counted(len(filed.new), 'file')}{already}"])
        return
    print_lines([
        f"{filed.folder}: filed {counted(len(filed.new), 'file')}{already}",
        f"next: git add {filed.folder}, commit, and open a pull request (docs/submitting.md)",
    ])  # fmt: skip


def check_submission(
    folders: Annotated[list[Path], typer.Argument(help="Folders of machines, as results/published/MACHINE.")],
    repository: Repository = None,
    base: Base = "HEAD",
    summary: Annotated[Path | None, typer.Option(help="File that the Markdown is added to, too.")] = None,
) -> None:
    """Check what a pull request hands in, and print a Markdown table for it."""
    from harness.errors import UsageError
    from harness.presentation import renderers
    from harness.workflows.submission.checks import check
    from harness.workflows.submission.given import submission_in
    from harness.workflows.submission.table import table

    parts, well = [], True
    try:
        for folder in folders:
            history = _history(repository, base, folder)
            of = submission_in(folder, specs_of, history, _studies(history))
            results = check(of)
            well &= bool(of.handed) and all(each.verdict != "refused" for each in results)
            parts.append(renderers.markdown(table(of, results)))
    except UsageError as error:
        fail(error)
    text = "\n\n".join(parts) + "\n"
    typer.echo(text, nl=False)
    if summary is not None:
        try:
            with summary.open("a", encoding="utf-8") as file:  # of GitHub's, which other steps write to as well
                file.write(text)
        except OSError as error:
            fail(f"cannot write {summary}: {error.strerror}")
    raise typer.Exit(OK if well else NOT_OK)


def _history(repository: Path | None, base: str, folder: Path) -> History | None:
    """The named repository's; else this checkout's, or that of the folder; None where there is none."""
    from harness.machine.history import History, NoHistory
    from harness.machine.software import SOURCE

    if repository is not None:
        try:
            return History.of(repository, base)
        except NoHistory as error:
            fail(f"--repository {error}")
    for place in (SOURCE, next((each for each in (folder, *folder.absolute().parents) if each.is_dir()), folder)):
        try:
            found = History.of(place, base)
        except NoHistory:
            continue
        if (found.root / "harness").is_dir() and (found.root / "tasks").is_dir():
            return found
    if base != "HEAD":
        fail(f"--base {base}: no clone of the project with such a commit; name one with --repository")
    return None


def _studies(history: History | None) -> list[Path]:
    from harness.workflows.submission.given import STUDIES, STUDY_ENDING

    return sorted((history.root / STUDIES).glob(f"*{STUDY_ENDING}")) if history else []


def specs_of(command: str) -> list[RunSpec]:
    """The specs that a record's command leads to, on whatever machine. Raises UsageError."""
    from harness.cli.parameters import parse
    from harness.planning.runs import plan
    from harness.specs.options import RUN

    return plan(parse(RUN, shlex.split(command)[2:]), anywhere=True)
