"""A claim that runs decide, over their seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.analysis import claims as judging
from harness.analysis.claims import Steps
from harness.errors import UsageError
from harness.planning.studies import matches, runs_of
from harness.presentation.study import Label
from harness.records.claim import Evidence
from harness.records.run import Record
from harness.specs.claim import Claim, MeanRule, Rule, ShareRule, SpreadRule, StepsRule
from harness.specs.study import flat
from harness.text import counted
from harness.workflows.claims.measurement import Asked, Figures, Measurement, NotMeasured, Stopped
from harness.workflows.study import Engines, run_study
from harness.workflows.work import Work
from tasks.registry import nearest


class StudyMeasurement(Measurement):
    """Runs, judged over seeds."""

    def __init__(self, claim: Claim, asked: Asked) -> None:
        super().__init__(claim, asked)
        assert claim.study is not None
        runs, more = runs_of(claim.study), runs_of(claim.also) if claim.also else []
        self.also = {planned.spec.digest for planned in more}
        self.work = Work(claim.study, [*runs, *more])
        if claim.also:
            named = [*flat(claim.study.axes), *flat({key: [each] for key, each in claim.also.fixed.items()
                                                     if key not in claim.study.fixed})]  # fmt: skip
            self.work.label = Label(name for name, _ in named)

    def plan(self) -> str:
        """How much there is, and what of it is done."""
        left = len(self.work.left())
        return f"{counted(len(self.work.runs), 'run')}, {len(self.work.runs) - left:,} done"

    def measure(self, found: Figures) -> None:
        """Measure what is not measured yet; raises as ``Measurement.measure``."""
        if self.work.left() and not self.asked.recorded:
            run_study(self.work, Engines(), self.asked.cpus, quiet=self.asked.quiet)
            self.work.done.refresh()
        if self.work.left() and not self.asked.recorded:
            raise Stopped
        records = [record for record, done in self.work.records() if done or self.asked.recorded]
        if missing := len(self.work.runs) - len(records):
            raise NotMeasured(f"{counted(missing, 'run')} of its study that nobody has recorded")
        if bad := [record for record in records if record.status == "unavailable"]:
            raise NotMeasured(bad[0].reason or "a backend that is not here")
        found.evidence = [Evidence(id=each.id, kind="run", digest=each.digest) for each in records]
        found.threads = max(each.spec.threads for each in records)
        for number, (rule, which) in enumerate(zip(self.claim.rules, self.claim.which, strict=True)):
            self._judge(found, number, rule, which, records)

    def _judge(
        self, found: Figures, number: int, rule: Rule, which: Mapping[str, Mapping[str, Any]], runs: Sequence[Record]
    ) -> None:
        of, to = ([run for run in runs if self._chosen(run, which.get(side, {}))] for side in ("of", "to"))
        if not of:
            raise UsageError(f"{self.claim.path}: rule {number + 1} is of no run of the study")
        if failed := [run for run in of if run.metrics is None]:
            raise NotMeasured(f"{counted(len(failed), 'run')} {failed[0].status}: {failed[0].reason}")
        name = self._name(which.get("of", {}))
        if isinstance(rule, ShareRule):
            reached = sum(_solved(run, rule.level) for run in of)
            what = rule.level or "solved"
            found.add(number, rule, f"share of seeds: {name}: {what}", judging.share(reached, len(of)), len(of))
        elif isinstance(rule, MeanRule):
            score = rule.score or _metrics(of[0]).main_score
            values = [_score(run, score, self.claim) for run in of]
            found.add(number, rule, f"mean {score}: {name}", judging.mean(values), len(values))
        elif isinstance(rule, SpreadRule):
            steps = [_steps(run, rule.level, self.claim) for run in of]
            found.add(number, rule, f"slow over fast seeds: {name}: {rule.level}", judging.spread(steps), len(steps))
        elif isinstance(rule, StepsRule):
            pairs = _paired(of, to, self.claim)
            ours, theirs = ([_steps(pair[side], rule.level, self.claim) for pair in pairs] for side in (0, 1))
            what = f"updates to {rule.level}: {name} over {self._name(which.get('to', {}))}"
            found.add(number, rule, what, judging.steps_ratio(ours, theirs), len(pairs))

    def _chosen(self, run: Record, which: Mapping[str, Any]) -> bool:
        rest = {key: each for key, each in which.items() if key != "also"}
        same = which.get("also") in (None, run.spec.digest in self.also)
        return same and matches(run.spec, None, rest)

    def _name(self, which: Mapping[str, Any]) -> str:
        found = [f"{key} {', '.join(map(str, values))}" for key, values in flat(which) if key != "also"]
        if "also" in which and self.claim.also and self.claim.study:
            more = {key: each for key, each in self.claim.also.fixed.items() if key not in self.claim.study.fixed}
            said = ", ".join(f"{key} {each}" for key, each in more.items())
            found.append(said if which["also"] else f"without {said}")
        return " ".join(found).replace("parameter.", "").replace("_", " ") or "all"


def _metrics(run: Record) -> Any:
    assert run.metrics is not None
    return run.metrics


def _score(run: Record, name: str, claim: Claim) -> float:
    scores: dict[str, float] = {**_metrics(run).score, "loss": _metrics(run).final_loss}
    if name not in scores:
        raise UsageError(f"{claim.path}: {nearest('score', name[:60], list(scores))}")
    return scores[name]


def _solved(run: Record, level: str | None) -> bool:
    metrics = _metrics(run)
    return bool(metrics.solved) if level is None else metrics.steps_to.get(level) is not None


def _steps(run: Record, level: str, claim: Claim) -> Steps:
    metrics = _metrics(run)
    if level not in metrics.steps_to:
        raise UsageError(f"{claim.path}: {nearest('level', level[:60], list(metrics.steps_to))}")
    reached = metrics.steps_to[level]
    made = metrics.stopped_at or run.spec.steps
    return Steps(max(1, made if reached is None else reached), reached is not None)


def _paired(of: Sequence[Record], to: Sequence[Record], claim: Claim) -> list[tuple[Record, Record]]:
    """The runs of both sides, seed by seed."""
    by_seed: list[dict[int, list[Record]]] = [{}, {}]
    for side, runs in zip(by_seed, (of, to), strict=True):
        for run in runs:
            side.setdefault(run.spec.seed, []).append(run)
    if by_seed[0].keys() != by_seed[1].keys() or any(
        len(by_seed[0][seed]) != len(by_seed[1][seed]) for seed in by_seed[0]
    ):
        raise UsageError(f"{claim.path}: of and to have not the same seeds")
    return [pair for seed in by_seed[0] for pair in zip(by_seed[0][seed], by_seed[1][seed], strict=True)]
