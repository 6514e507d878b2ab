"""What the functions of ``harness.api`` return: records, comparisons and verdicts, as a notebook shows them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, overload

from markupsafe import Markup

from harness.presentation import screen
from harness.presentation.renderers import page_html
from harness.presentation.table import Table
from harness.records.kept import Run
from harness.records.run import Record
from harness.records.speed import SpeedRecord
from harness.text import harmless
from harness.workflows import compare as comparing
from harness.workflows import verify as verifying

if TYPE_CHECKING:
    import pandas as pd

    from harness.analysis.difference import Accuracy
    from harness.presentation.figure import Drawn

#: Columns of a result that is printed where there is no terminal.
WIDTH = 120


class Shown:
    """What a notebook shows of a result: the tables that ``print`` shows, and a picture where there is one."""

    def tables(self) -> list[Table]:
        """The tables that show it."""
        return []

    def notes(self) -> list[str]:
        """Lines below the tables."""
        return []

    def picture(self) -> Drawn | None:
        """The figure that shows most of it; None where there is none."""
        return None

    def __repr__(self) -> str:
        parts = [screen.drawn(table, width=WIDTH).rstrip("\n") for table in self.tables()]
        return "\n\n".join(filter(None, [*parts, "\n".join(harmless(note, keep="") for note in self.notes())]))

    def _repr_html_(self) -> str:
        parts = [part for table in self.tables() for part in _html(table, type(self).__name__)]
        parts += [Markup("<p>{}</p>").format(note) for note in self.notes()]
        if drawn := self.picture():
            parts.append(Markup('<img alt="{}" width="700" src="{}">').format(drawn.about, _png(drawn)))
        return Markup("\n").join(parts)


def _html(table: Table, label: str) -> Iterator[Markup]:
    """A table under its title, with its notes below it."""
    if table.title:
        yield Markup("<p><strong>{}</strong><br>{}</p>").format(table.title, table.about)
    yield page_html(table, table.title or label)
    yield from (Markup("<p>{}</p>").format(note.text) for note in table.notes)


def _png(drawn: Drawn) -> str:
    return f"data:image/png;base64,{base64.b64encode(drawn._repr_png_()).decode()}"


class Runs(Sequence[Record]):
    """Many records, each of them read from its file when it is asked for.

    Raises:
        StoreError: where a file is not any more what it was.
    """

    def __init__(self, kept: Sequence[Run]) -> None:
        #: The same as the index keeps them.
        self.kept = kept

    def __len__(self) -> int:
        return len(self.kept)

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Record]: ...

    def __getitem__(self, place: int | slice) -> Record | Sequence[Record]:
        if isinstance(place, slice):
            return Runs(self.kept[place])
        run = self.kept[place]
        return run if isinstance(run, Record) else run.record


def _columns_of(runs: Sequence[Record]) -> Sequence[Run]:
    """The same runs by columns, where they come from an index."""
    return runs.kept if isinstance(runs, Runs) else runs


@dataclass(repr=False)
class Results(Shown):
    """Records, as ``run`` and ``speed`` leave them and ``read`` finds them.

    Attributes:
        runs: the records of runs, in the order in which they were made. Of more than a thousand that were read, each
            is parsed when it is asked for, so that memory does not hold them all.
        contests: those of speed contests.
        problems: a line for each file that is no record, and for what was not run.
        ok: whether every run and contest is ok and was kept.
    """

    runs: Sequence[Record] = field(default_factory=list)
    contests: list[SpeedRecord] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ok: bool = True

    def __len__(self) -> int:
        return len(self.runs) + len(self.contests)

    def __iter__(self) -> Iterator[Record | SpeedRecord]:
        yield from self.runs
        yield from self.contests

    def frame(self) -> pd.DataFrame:
        """A row for each run; where there is none, for each contestant. Numbers are not rounded."""
        from harness.presentation import contest_columns
        from harness.presentation.frames import frame
        from harness.presentation.run_table import runs_frame

        if self.runs or not self.contests:
            return runs_frame(_columns_of(self.runs))
        return frame(contest_columns.COLUMNS.values(), contest_columns.entries(self.contests))

    def summary(self) -> pd.DataFrame:
        """A row for all runs of a spec, over its seeds: means with 95 % intervals."""
        from harness.analysis.repeats import repetitions
        from harness.presentation import run_columns
        from harness.presentation.frames import frame

        return frame(run_columns.SUMMARY.values(), repetitions(_columns_of(self.runs)))

    def figures(self) -> list[Drawn]:
        """The figures that ``harness plot`` draws: learning curves, throughput, memory; of contests, a roofline."""
        return list(self._drawn())

    def _drawn(self) -> Iterator[Drawn]:
        from harness.presentation import contest_figures, run_figures

        yield from run_figures.figures(_columns_of(self.runs))
        yield from contest_figures.figures(self.contests)

    def tables(self) -> list[Table]:
        """The tables that the commands print; of very many runs that were read, the one over repetitions."""
        from harness.analysis.repeats import any_repeated
        from harness.presentation import contest_table
        from harness.presentation.run_table import repeats_table, runs_table

        runs = _columns_of(self.runs)
        found = [runs_table(runs)] if runs and not isinstance(self.runs, Runs) else []
        found += [repeats_table(runs)] if any_repeated(runs) else []
        return [*found, *(table for record in self.contests for table in contest_table.tables(record))]

    def notes(self) -> list[str]:
        """Why each run that is not ok failed, and the problems."""
        from harness.records.naming import reasons

        nothing = [] if len(self) or self.problems else ["no records"]
        return [*reasons(_columns_of(self.runs)), *self.problems, *nothing]

    def picture(self) -> Drawn | None:
        """The first of ``figures``, which is throughput where there are runs; the others are not drawn."""
        return next(self._drawn(), None)


@dataclass(frozen=True, repr=False)
class Compared(Shown, comparing.Comparison):
    """How much B takes of what A takes.

    Attributes:
        time: of B over that of A; ``time.ratio`` with its interval, ``time.verdict`` the faster side or ``neither``.
        memory: the same of memory; None where it was not measured or did not grow.
        variants: that were measured, of A and of B.
        accuracy: scores, paired by seed; None with fewer than two seeds.
    """

    accuracy: Accuracy | None

    def notes(self) -> list[str]:
        """The comparison in sentences."""
        sides = [f"{side}: {variant}" for side, variant in zip("AB", self.variants, strict=True)]
        return [*sides, *([self.accuracy.sentence()] if self.accuracy else []), *self.lines()]


@dataclass(repr=False)
class Verified(Shown):
    """Verdicts on records.

    Attributes:
        rows: a file, its record and the judgement of each.
        problems: a line for each file that could not be verified for another reason.
        ok: whether every verdict is ``bit-identical`` or ``same result``.
    """

    rows: list[verifying.Row]
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:  # noqa: D102 - among the attributes
        return bool(self.rows) and all(row.judgement.verdict in verifying.GOOD for row in self.rows)

    def frame(self) -> pd.DataFrame:
        """A row for each record: its file, verdict and reason, speed, memory, and the causes of a difference."""
        import pandas as pd

        return pd.DataFrame([{"record": row.path.name, **row.judgement._asdict()} for row in self.rows])

    def tables(self) -> list[Table]:
        """The verdicts."""
        return [verifying.table(self.rows)] if self.rows else []

    def notes(self) -> list[str]:
        """What differs where a verdict is ``different``, and how many there are of each."""
        return [*verifying.closing(self.rows), *self.problems]
