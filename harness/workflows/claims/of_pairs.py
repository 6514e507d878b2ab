"""A claim that live comparisons of two specs decide."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from harness.analysis import claims as judging
from harness.analysis.difference import Difference
from harness.errors import CannotCompare, UsageError
from harness.planning.studies import Planned, runs_of
from harness.presentation.progress import line
from harness.presentation.screen import Screen
from harness.presentation.study import Label
from harness.processes.channel import TimedOut
from harness.records.claim import Compared
from harness.specs.claim import Claim, RatioRule
from harness.specs.commandline import words
from harness.specs.run import RunSpec
from harness.specs.study import flat
from harness.text import counted
from harness.workflows import compare as comparing
from harness.workflows.claims.measurement import (
    Asked,
    Figures,
    Measurement,
    NotMeasured,
    Stopped,
    keep,
    known,
)
from harness.workflows.compare import Effort


class CompareMeasurement(Measurement):
    """Pairs of specs, live, several pairs of processes each."""

    def __init__(self, claim: Claim, asked: Asked) -> None:
        super().__init__(claim, asked)
        assert claim.compare is not None
        self.sides = claim.compare
        self.effort = Effort(self.sides.pairs, self.sides.restarts, self.sides.block)
        self.pairs = list(zip(runs_of(self.sides.a), runs_of(self.sides.b), strict=True))
        self.label = Label(name for name, _ in flat(self.sides.a.axes))

    def plan(self) -> str:
        """How much there is, and what of it is done."""
        done = sum(self._kept(pair) is not None for pair in self.pairs)
        return f"{counted(len(self.pairs), 'comparison')}, {done} done"

    def _file(self, pair: tuple[Planned, Planned]) -> Path:
        return self.file("compared", f"{pair[0].key} {pair[1].key} {self.effort}")

    def _kept(self, pair: tuple[Planned, Planned]) -> Compared | None:
        return known(self._file(pair), Compared)

    def measure(self, found: Figures) -> None:
        """Measure what is not measured yet; raises as ``Measurement.measure``."""
        for pair in self.pairs:
            compared = self._kept(pair) or self._compared(pair)
            found.compared.append(compared)
            found.threads = max(found.threads, pair[0].spec.threads, pair[1].spec.threads)
            for number, rule in enumerate(self.claim.rules):
                assert isinstance(rule, RatioRule)
                self._judge(found, number, rule, compared, self.label.of(pair[0].spec))

    def _judge(self, found: Figures, number: int, rule: RatioRule, compared: Compared, label: str) -> None:
        if {rule.of, rule.to} != {"a", "b"}:
            raise UsageError(f'{self.claim.path}: rule {number + 1}: of and to are "a" and "b"')
        ratios = compared.time if rule.quantity == "speed" else compared.memory
        if ratios is None:
            raise NotMeasured("memory did not grow, or could not be measured")
        # B over A in time is how many times as fast A is; in memory, how many times as heavy B
        turned = (rule.of == "b") == (rule.quantity == "speed")
        values = [1 / each for each in ratios] if turned else list(ratios)
        noisy = f" (noisy: {'; '.join(compared.noise)})" if compared.noise else ""
        found.add(number, rule, f"{rule.quantity}, {rule.of} over {rule.to}: {label}{noisy}",
                  judging.geometric_mean(values), len(values))  # fmt: skip

    def _compared(self, pair: tuple[Planned, Planned]) -> Compared:
        a, b = (each.spec for each in pair)
        try:
            with line(Screen(stderr=True)) as tell:
                told = partial(_told, tell, self.label.of(a))
                found = comparing.compare(a, b, self.effort, told, self.choice, self.asked.quiet)
        except CannotCompare as error:
            raise NotMeasured(str(error)) from None
        except (KeyboardInterrupt, TimedOut):
            raise Stopped from None
        memory = found.memory.ratios if isinstance(found.memory, Difference) else None
        kept = Compared(
            a=_words(a), b=_words(b), variants=found.variants, time=found.time.ratios, memory=memory,
            noise=[each for each in found.disturbed() if not each.endswith(".")],
        )  # fmt: skip
        keep(self._file(pair), kept)
        return kept


def _told(tell: Any, label: str, what: str) -> None:
    tell(f"{label}: {what}")


def _words(spec: RunSpec) -> str:
    return " ".join(words(spec)[2:])
