"""``python -m harness.records.schema run`` (or another kind of record) prints the JSON Schema in force."""

from __future__ import annotations

import json
import sys

from harness.records.kinds import KINDS
from harness.records.schema import json_schema

if sys.argv[1:] not in [[kind] for kind in KINDS]:
    sys.exit(f"usage: python -m harness.records.schema {'|'.join(KINDS)}")
print(json.dumps(json_schema(sys.argv[1]), indent=1))
