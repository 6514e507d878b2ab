"""What is said of the project in more than one file says the same."""

from __future__ import annotations

import re
import tomllib

from tasks.registry import DISTRIBUTION
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = dict(re.findall(r"^([a-z-]+): *(.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE))


def test_name_version_and_licence_are_the_same_everywhere() -> None:
    assert PROJECT["name"] == DISTRIBUTION
    assert CITATION["version"].strip('"') == PROJECT["version"]
    assert CITATION["license"] == PROJECT["license"]
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_citation_has_what_its_format_requires() -> None:
    """Citation File Format 1.2.0: these four fields, and at least one author with a name."""
    assert CITATION["cff-version"] == "1.2.0"
    assert {"message", "title"} <= set(CITATION)
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^authors:\n  - name: \S", text, re.MULTILINE)


def test_extras_refer_to_this_distribution() -> None:
    lines = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    assert not [line for line in lines if re.match(r"harness\b", line)], "harness on the package index is another's"


def test_every_python_that_is_promised_has_a_session() -> None:
    promised = {word.rpartition(" ")[2] for word in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", word)}
    (listed,) = re.findall(r"^PYTHONS = \((.*)\)$", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"3\.\d+", listed)) == promised
