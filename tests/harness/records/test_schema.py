"""The published JSON Schemas are those in force, and records satisfy them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import jsonschema
import pytest

from harness.records.kinds import KINDS
from harness.records.run import Record
from harness.records.schema import json_schema
from tests.conftest import ROOT
from tests.harness.conftest import made_claim, made_speed, made_verdict

SCHEMAS = ROOT / "harness" / "records" / "schema"
PUBLISHED = {word: f"{kind.schema}-{kind.current}.json" for word, kind in KINDS.items()}


@pytest.mark.parametrize("kind", PUBLISHED)
def test_the_published_schema_is_the_one_in_force(kind: str) -> None:
    path = SCHEMAS / PUBLISHED[kind]
    assert json.loads(path.read_text()) == json_schema(kind), (
        f"regenerate with python -m harness.records.schema {kind}, into {path.relative_to(ROOT)}"
    )


def test_records_satisfy_it(make_record: Callable[..., Record]) -> None:
    jsonschema.validate(json.loads(make_record().model_dump_json()), json_schema("run"))
    jsonschema.validate(json.loads(made_speed().model_dump_json()), json_schema("speed"))
    jsonschema.validate(json.loads(made_verdict().model_dump_json()), json_schema("verdict"))
    jsonschema.validate(json.loads(made_claim().model_dump_json()), json_schema("claim"))


def test_it_is_printed_by_its_kind() -> None:
    def asked(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "harness.records.schema", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)

    assert json.loads(asked("speed").stdout) == json_schema("speed")
    usage = f"usage: python -m harness.records.schema {'|'.join(KINDS)}\n"
    for words in ([], ["neither"], ["run", "speed"]):
        refused = asked(*words)
        assert (refused.returncode, refused.stderr) == (1, usage)
