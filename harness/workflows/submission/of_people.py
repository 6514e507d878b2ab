"""What is checked of what records say of people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from harness.machine.personal import ALIAS, GENERIC, told, told_here
from harness.workflows.submission.findings import Findings, refused
from harness.workflows.submission.given import Submission

#: Letters of a field's name in a finding.
_LONGEST_PATH: Final = 100


def personal(of: Submission) -> Findings:
    """No host, user, home folder or mail address is in a record."""
    find = told_here if of.here else told
    for each in of.handed:
        try:
            document = json.loads(each.content)
        except (ValueError, RecursionError):
            continue
        tells = {f"{where}: {what}" for where, text in _texts(document) for what in find(text)}
        tells |= {f"{where}: the machine's name, {name}" for where, name in _nodes(document) if _names_a_machine(name)}
        if tells:
            more = f" (and {len(tells) - 1} more)" if len(tells) > 1 else ""
            yield refused(each, f"tells {min(tells)}{more}; run it again with this version, which leaves that out")


def _texts(document: Any) -> Iterator[tuple[str, str]]:
    """Every text in a document, names of fields included, with where it stands; however deep that is."""
    left: list[tuple[str, Any]] = [("", document)]
    while left:
        where, value = left.pop()
        if isinstance(value, str):
            yield where, value
        elif isinstance(value, dict):
            for name, each in value.items():
                inner = f"{where}.{name}".removeprefix(".")[:_LONGEST_PATH]
                yield inner, str(name)
                left.append((inner, each))
        elif isinstance(value, list):
            left += [(where, each) for each in value]


def _nodes(document: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(document, dict):
        return
    tries = document.get("tries")
    tried = [("tries", one) for one in (tries if isinstance(tries, list) else [])]
    for where, each in [("place", document.get("place")), *tried]:
        if isinstance(each, dict) and isinstance(each.get("node"), str):
            yield f"{where}.node", each["node"]


def _names_a_machine(name: str) -> bool:
    return not ALIAS.fullmatch(name) and name.lower() not in GENERIC
