"""A verdict as an in-toto Statement, which whoever wants can sign with the tools that exist.

Statement: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md; its predicate, a test result:
https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from harness.presentation.verdict_words import extent
from harness.records.verdict import VerdictRecord, Word
from tasks.registry import DISTRIBUTION

STATEMENT: Final = "https://in-toto.io/Statement/v1"
TEST_RESULT: Final = "https://in-toto.io/attestation/test-result/v0.1"
Result = Literal["PASSED", "WARNED", "FAILED"]
#: What a run of only the first updates confirms is no confirmation of the record; a policy that asks for ``PASSED``
#: does not take it for one.
RESULTS: Final[Mapping[Word, Result]] = {
    "bit-identical": "PASSED", "same result": "PASSED", "bit-identical so far": "WARNED", "same so far": "WARNED",
    "other task": "WARNED", "different": "FAILED",
}  # fmt: skip
_LISTS: Final[Mapping[Result, str]] = {"PASSED": "passedTests", "WARNED": "warnedTests", "FAILED": "failedTests"}


def statement(verdict: VerdictRecord, its_sha256: str, record_sha256: str) -> dict[str, Any]:
    """The statement, as JSON. Its subject is the record's file; the verdict's file is what configured the test.

    Args:
        its_sha256: of the verdict's file, byte by byte; record_sha256: of the file of the record that it judges.
    """
    result = RESULTS[verdict.verdict]
    lists: dict[str, list[str]] = {name: [] for name in _LISTS.values()}
    lists[_LISTS[result]].append(f"harness verify, {extent(verdict)} updates: {verdict.verdict}")
    return {
        "_type": STATEMENT,
        "subject": [{"name": f"{verdict.judged.id}.json", "digest": {"sha256": record_sha256}}],
        "predicateType": TEST_RESULT,
        "predicate": {"result": result, "configuration": [_verdict(verdict, its_sha256), _code(verdict)], **lists},
    }


def _verdict(verdict: VerdictRecord, sha256: str) -> dict[str, Any]:
    about: dict[str, Any] = {
        "verdict": verdict.verdict, "why": verdict.why, "updatesMadeAgain": verdict.updates,
        "updatesRecorded": verdict.updates_recorded, "recordSeal": verdict.judged.digest,
        "verdictSeal": verdict.digest, "madeAgain": verdict.created.isoformat(), "code": verdict.code,
        "packages": verdict.packages,
    }  # fmt: skip
    if verdict.environment is not None:
        about["processor"], about["system"] = verdict.environment.cpu, verdict.environment.os
    return {"name": f"{verdict.id}.json", "digest": {"sha256": sha256}, "annotations": about}


def _code(verdict: VerdictRecord) -> dict[str, Any]:
    """The code that judged; by its commit where that is all of it."""
    by = verdict.harness
    version = f"@{by.version}" if by.version else ""
    found: dict[str, Any] = {
        "name": DISTRIBUTION, "uri": f"pkg:pypi/{DISTRIBUTION}{version}", "annotations": {"sourceSha256": by.sources},
    }  # fmt: skip
    return {**found, "digest": {"gitCommit": by.commit}} if by.commit and by.dirty is False else found
