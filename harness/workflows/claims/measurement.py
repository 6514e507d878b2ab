"""What measures a claim: what all kinds of measurement have in common, and the figures that come of them."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from harness.analysis import claims as judging
from harness.analysis.claims import Interval
from harness.machine.topology import Choice
from harness.planning.runs import named_cpus
from harness.records.claim import ClaimFigure, Compared, Curve, Decided, Evidence
from harness.records.store import StoreError
from harness.records.whole import write_whole
from harness.specs.claim import Claim, Rule
from harness.workflows.quiet import Quiet

#: In a claim's folder, what it measured that no record of its own holds.
STATE: Final = ".claim"
#: The ending of these files, which are no records.
KEPT: Final = ".kept"
Kept = TypeVar("Kept", bound=BaseModel)


class NotMeasured(Exception):
    """It cannot be measured here; the arguments say what it takes."""


class Stopped(Exception):
    """The user stopped it, or others were busy; the same command goes on."""


@dataclass
class Figures:
    """What was measured of a claim.

    Attributes:
        figures: by rule, each with the number of values that it was taken over.
        evidence: the records that they come from; compared, curves: what no other record holds.
        threads: that computed.
    """

    figures: list[ClaimFigure] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    compared: list[Compared] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    threads: int = 0

    def add(self, number: int, rule: Rule, what: str, found: Interval, count: int) -> None:
        """Judge a figure of a rule."""
        value, low, high = (each if math.isfinite(each) else None for each in found)
        verdict = judging.decide(found, rule.above, rule.below)
        self.figures.append(ClaimFigure(
            what=what, rule=number, value=value, low=low, high=high, count=count, above=rule.above, below=rule.below,
            verdict=verdict,
        ))  # fmt: skip

    def verdict(self) -> Decided:
        """Of all of them together."""
        return judging.together(each.verdict for each in self.figures)


@dataclass(frozen=True)
class Asked:
    """How claims are measured, as the options of ``harness claims run`` say it.

    Attributes:
        recorded: whether runs of studies are taken as they are recorded, whichever version of the code made them.
    """

    cpus: str | None = None
    quiet: Quiet | None = None
    recorded: bool = False


class Measurement(ABC):
    """A claim's measurement: what it would run, what of it is done, and the figures that come of it."""

    def __init__(self, claim: Claim, asked: Asked) -> None:
        self.claim = claim
        self.asked = asked
        self.folder = claim.results
        self.cpus = named_cpus(asked.cpus)
        self.choice = Choice(self.cpus)

    @abstractmethod
    def plan(self) -> str:
        """What it would run, and how much of it is done, in words. Raises UsageError."""

    @abstractmethod
    def measure(self, found: Figures) -> None:
        """Measure what is not measured yet, and judge all of it.

        Raises:
            NotMeasured: it cannot be measured here.
            Stopped: it was stopped.
            UsageError, StoreError: something in it cannot be right; a record could not be written.
        """

    def file(self, what: str, key: str) -> Path:
        """Where what is measured under a key is kept, if no record holds it."""
        return self.folder / STATE / f"{what}-{hashlib.sha256(key.encode()).hexdigest()[:32]}{KEPT}"


def known(file: Path, kind: type[Kept]) -> Kept | None:
    """What a former call kept; None where there is nothing, or nothing that reads."""
    with suppress(OSError, ValidationError):
        return kind.model_validate_json(file.read_bytes())
    return None


def keep(file: Path, what: BaseModel) -> None:
    """Write what no record holds, whole or not at all. Raises StoreError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, what.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise StoreError(f"cannot write {file}: {error.strerror}") from None
