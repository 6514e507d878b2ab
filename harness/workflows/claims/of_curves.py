"""A claim that the losses of several backends from one start decide."""

from __future__ import annotations

from pathlib import Path

from harness.analysis import claims as judging
from harness.errors import UsageError
from harness.planning.studies import runs_of
from harness.records.claim import Curve
from harness.specs.base import Frozen
from harness.specs.claim import Claim, DriftRule
from harness.text import counted
from harness.workflows import parity as parities
from harness.workflows.claims.measurement import (
    Asked,
    Figures,
    Measurement,
    NotMeasured,
    Stopped,
    keep,
    known,
)


class _Curves(Frozen):
    """What ``harness parity`` found, as it is kept between two calls."""

    curves: list[Curve]


class ParityMeasurement(Measurement):
    """Losses of several backends that start from the same numbers."""

    def __init__(self, claim: Claim, asked: Asked) -> None:
        super().__init__(claim, asked)
        assert claim.parity is not None
        self.updates = claim.parity.updates
        self.runs = runs_of(claim.parity.study)

    def plan(self) -> str:
        """How much there is, and what of it is done."""
        done = "done" if known(self._file(), _Curves) else "0 done"
        return f"{counted(len(self.runs), 'curve')} over {counted(self.updates, 'update')}, {done}"

    def _file(self) -> Path:
        return self.file("curves", f"{' '.join(each.key for each in self.runs)} {self.updates}")

    def measure(self, found: Figures) -> None:
        """Measure what is not measured yet; raises as ``Measurement.measure``."""
        curves_kept = known(self._file(), _Curves) or self._drawn()
        found.curves = curves_kept.curves
        found.threads = max(each.spec.threads for each in self.runs)
        curves = [each.losses for each in curves_kept.curves]
        for number, rule in enumerate(self.claim.rules):
            assert isinstance(rule, DriftRule)
            if rule.at > self.updates:
                raise UsageError(f"{self.claim.path}: at: no update after {self.updates} is compared")
            pairs = len(curves) * (len(curves) - 1) // 2
            what = f"relative distance of losses before update {rule.at}, over {counted(pairs, 'pair')} of backends"
            found.add(number, rule, what, judging.drift(curves, rule.at), pairs)

    def _drawn(self) -> _Curves:
        specs = parities.with_small_batch([each.spec for each in self.runs], None)
        agreements = parities.measure(specs, 1, self.updates, ["float32"], None, False, self.cpus)
        for each in agreements:
            if each.failed == "stopped by the user":
                raise Stopped
            if each.failed or each.unavailable:
                raise NotMeasured(f"{each.name}: {each.failed or each.unavailable}")
        if len(agreements) < 2:
            raise NotMeasured("two backends at least")
        kept = _Curves(curves=[Curve(name=f"{each.name} {each.variant}", losses=each.curve) for each in agreements])
        keep(self._file(), kept)
        return kept
