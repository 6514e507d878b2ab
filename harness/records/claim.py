"""The record of a claim that was put to the test: the file, the verdict, and the figures that it comes from.

The JSON Schema in ``harness/records/schema/`` is generated from these models.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from harness.records.base import Amount, Environment, Finite, Magnitude, Sealed
from harness.records.migrations import CLAIM_CURRENT
from harness.specs.base import Digest, Frozen, Name, Positive

SCHEMA_VERSION: Final = CLAIM_CURRENT
#: What measuring gives.
Decided = Literal["holds here", "does not hold here", "cannot be told"]
Verdict = Literal[Decided, "cannot run here"]
Line = Annotated[str, Field(max_length=2000)]


class ClaimFigure(Frozen):
    """One figure that a rule looked at, and what the bounds make of it."""

    what: Annotated[Line, Field(description="it is of, in words")]
    rule: Annotated[int, Field(ge=0, le=100, description="which of the file's rules, counted from 0")]
    value: Finite | None
    low: Annotated[Finite | None, Field(description="of its 95 % interval; null where nothing bounds it")] = None
    high: Finite | None = None
    count: Annotated[Positive, Field(description="values that it was taken over: seeds, rounds, processes or pairs")]
    above: Annotated[Finite | None, Field(description="the rule's lower bound")] = None
    below: Finite | None = None
    verdict: Decided


class Evidence(Frozen):
    """A record that the figures come from."""

    id: Annotated[str, Field(max_length=200)]
    kind: Literal["run", "speed"]
    digest: Digest


class Compared(Frozen):
    """A comparison, whose ratios are nowhere else: see ``harness compare``."""

    a: Annotated[Line, Field(description="options of run")]
    b: Line
    variants: tuple[str, str]
    time: Annotated[list[Magnitude], Field(description="of each pair of processes, the time of B over that of A")]
    memory: Annotated[list[Magnitude] | None, Field(description="the same of the growth of memory")] = None
    noise: Annotated[list[str], Field(description="what disturbed it")] = []


class Curve(Frozen):
    """The losses of one backend before each update, from ``harness parity``."""

    name: Line
    losses: list[Finite]


class ClaimRecord(Sealed):
    """One claim, decided on one machine."""

    KIND: ClassVar[str] = "claim"
    kind: Literal["claim"] = "claim"
    schema_version: Literal[1] = SCHEMA_VERSION
    claim: Annotated[Name, Field(description="its file's name, without the ending")]
    text: Annotated[str, Field(max_length=2**20, description="the claim's file as it was")]
    sha256: Annotated[Digest, Field(description="of that text in UTF-8")]
    statement: Line
    verdict: Verdict
    why: Annotated[Line, Field(description="in one sentence")]
    needs: Annotated[list[Line], Field(description="what it takes where it cannot run here")] = []
    figures: list[ClaimFigure] = []
    scope: Annotated[Line, Field(description="on what it was claimed, and on what it was measured")]
    evidence: list[Evidence] = []
    compared: list[Compared] = []
    curves: list[Curve] = []
    took_s: Annotated[Amount | None, Field(description="seconds that measuring took, without what was there")] = None
    environment: Environment

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if hashlib.sha256(self.text.encode()).hexdigest() != self.sha256:
            raise ValueError("sha256: not that of the text")
        if self.verdict != "cannot run here" and not self.figures:
            raise ValueError("figures: a verdict without any")
        return self
