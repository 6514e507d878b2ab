"""What is checked of the files that are handed in."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime

from harness.machine.history import blob_of
from harness.records.kinds import about
from harness.records.machines import slug
from harness.text import counted
from harness.workflows.submission.findings import CLOCKS, NAMED, Findings, refused, stated
from harness.workflows.submission.given import Handed, Submission


def schema(of: Submission) -> Findings:
    """Each file is a record that reads today, under its own id; nothing else lies beside it."""
    now = datetime.now(UTC)
    for each in of.handed:
        if each.record is None:
            if not each.altered:
                yield refused(each, f"{each.problem}; hand in the file as harness wrote it")
            continue
        if each.path.stem != each.record.id:
            yield refused(each, f"its id is {each.record.id}; name the file {each.record.id}.json, as harness did")
        if each.record.created > now + CLOCKS:
            yield refused(each, f"made on {each.record.created:%Y-%m-%d}, which is yet to come")
        if (found := NAMED.fullmatch(each.record.id)) and found["when"] != f"{each.record.created:%Y%m%dT%H%M%SZ}":
            yield refused(each, f"its id says {found['when']}, but it was made at {each.record.created:%Y%m%dT%H%M%SZ}")
    for path in of.others:
        yield refused(None, f"{path.name}: neither a record nor a study's file; leave it out")
    ids = Counter(record.id for _, record in of.read)
    for identity, count in ids.items():
        if count > 1:
            yield refused(None, f"{counted(count, 'file')} have the id {identity}; hand in one of them")


def seal(of: Submission) -> Findings:
    """Each record is as it was written: its contents match its own digest."""
    for each in of.handed:
        if each.altered:
            yield refused(each, f"{each.problem}; hand in the file as harness wrote it")
        elif each.record is not None and about(each.record).sealed_since > _version(each):
            yield stated(each, "of a schema without a seal: nothing shows whether it was changed")


def _version(handed: Handed) -> int:
    """The schema version that the file has, not the one that it is read as."""
    found = json.loads(handed.content).get("schema_version", 1)
    return found if isinstance(found, int) else 1


def machine(of: Submission) -> Findings:
    """All were made on the machine that the folder names."""
    by_slug: dict[str, list[Handed]] = defaultdict(list)
    for each, record in of.read:
        if (environment := getattr(record, "environment", None)) is not None:
            by_slug[slug(environment)].append(each)
    for name, found in by_slug.items():
        if name != of.folder.name:
            more = f" and {counted(len(found) - 1, 'more record')}" if len(found) > 1 else ""
            yield refused(found[0], f"made on {name}{more}, not on {of.folder.name}; it belongs into a folder {name}")


def kept(of: Submission) -> Findings:
    """What is published already is still there, byte by byte."""
    if of.history is None or of.within is None:
        return
    here = {each.name: each for each in of.handed}
    for name, number in of.history.files(of.within).items():
        if not name.endswith(".json") or "/" in name:
            continue
        if name not in here:
            yield refused(None, f"{name}: published, and not here any more; published records stay")
        elif blob_of(here[name].content) != number:
            yield refused(here[name], "published with other contents; published records are never changed")
