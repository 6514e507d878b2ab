"""Two or more rows side by side: speed, scores, curves, and what differs around them.

What the page needs of a record is written when its own page is: ``data/record<start of its digest>.js``, and what many
records share, ``data/around<digest>.js``. Which rows are compared is in the page's address.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Final

from harness.analysis.causes import Trait, parted, record_traits, traits_of
from harness.analysis.disturbance import contestant_flags, flags
from harness.analysis.groups import present_spec, seedless
from harness.analysis.ratios import ratio
from harness.analysis.regression import SLACK_BYTES, task_words
from harness.analysis.verdict import SHARE_OF_LEARNED, kind_of, tolerance
from harness.presentation.contest_columns import Entry as Contestant
from harness.presentation.contest_columns import entries
from harness.presentation.curves import curve_of
from harness.presentation.site.charts import finite
from harness.presentation.site.frame import CHARTS, Frame, Site
from harness.presentation.site.rows import DIGITS, key_of
from harness.records.base import Environment, Ratio, Spread
from harness.records.figures import MIB, mib
from harness.records.naming import run_name
from harness.records.run import Record
from harness.records.speed import Row, SpeedRecord
from harness.specs.run import flat
from harness.text import printable

PAGE: Final = "compare.html"
#: Its scripts, each of which needs those before it.
SCRIPTS: Final = ("static/page.js", "static/words.js", "static/export.js", "static/judge.js", "static/compare.js")
#: Fields of a contestant's spec that are its data's, as a task's parameters are.
_WORK: Final = ("length", "shortest", "features", "outputs", "loss", "readout", "labels")


def address(ids: Iterable[str]) -> str:
    """The address at which these rows are compared.

    Args:
        ids: see ``rows.key_of``; whole digests of records do too.
    """
    return f"{PAGE}#ids={','.join(ids)}"


def write(site: Site) -> None:
    """Write ``compare.html``; what it needs of each record is written with the record's page."""
    from harness.presentation.look import COLOURS, FURTHER_COLOURS  # slow to import, and other processes import this

    colours = [*COLOURS.values(), *FURTHER_COLOURS[:2]]
    law = {"colours": colours, "digits": DIGITS, "slack_mib": SLACK_BYTES / MIB, "share_of_learned": SHARE_OF_LEARNED}
    site.page(PAGE, "compare", "Compare", scripts=[site.data("law", law), *CHARTS, *SCRIPTS])


def write_record(frame: Frame, record: Record | SpeedRecord, seal: str) -> None:
    """Write what the page needs of a record, row by row."""
    if isinstance(record, Record):
        told = [run(record)]
    else:
        told = [contestant(each) for each in entries([record])]
        _add_ratios(record, told, seal)
    for place, each in enumerate(told):
        own, around = parted([_harmless(trait) for trait in each.pop("traits")])
        each |= {
            "key": key_of(seal, None if isinstance(record, Record) else place), "seal": seal,
            "created": f"{record.created:%Y-%m-%d %H:%M}", "traits": own, "around": _shared(frame, around),
        }  # fmt: skip
    frame.data(f"record{seal[:DIGITS]}", told)


def _harmless(trait: Trait) -> Trait:
    """A trait of which nothing turns the direction of text or fills a page with blanks."""
    value = printable(trait.value) if isinstance(trait.value, str) else trait.value
    return trait._replace(what=printable(trait.what), value=value)


def _shared(frame: Frame, around: list[Any]) -> str:
    """The name of the script that holds these traits, which is written once."""
    name = f"around{hashlib.sha256(json.dumps(around).encode()).hexdigest()[:DIGITS]}"
    if not (frame.folder / f"data/{name}.js").exists():
        frame.data(name, around)
    return name


def run(record: Record) -> dict[str, Any]:
    """A run as the page's scripts have it: see ``static/judge.js``."""
    metrics, spec, curve = record.metrics, record.spec, curve_of(record)
    return {
        **_common(record.environment, run_name(record), record.status, record.reason),
        "machine": (record.environment.device_name if spec.device == "cuda" else None) or record.environment.cpu,
        "noise": flags(record.noise),
        "why": _no_speed(record),
        "task": task_words(record),
        "side": _digest(seedless(record), kind_of(record.environment), record.framework_version, _code(record)),
        "seed": str(spec.seed),
        "drawn": f"{spec.seed} {spec.batch} {spec.steps} {spec.precision}",
        "data": metrics and metrics.data_sha256,
        "rate": metrics and _rate(metrics.train_sequences_per_second),
        "growth": metrics and mib(metrics.host_growth_bytes),
        "score": metrics and {
            "name": printable(metrics.main_score), "value": metrics.main, "higher": metrics.higher_is_better,
            "baseline": metrics.main_baseline, "solved": metrics.solved, "allowed": tolerance(record, [record])[0],
        },
        "ratios": {},
        "spec": _spec(flat(present_spec(record))),
        "traits": record_traits(record),
        "curve": {
            "steps": curve.steps.tolist(), "seconds": curve.seconds.tolist(), "losses": curve.losses.tolist(),
            "scores": [finite(value) for value in curve.scores],
        },
    }  # fmt: skip


def contestant(entry: Contestant) -> dict[str, Any]:
    """A contestant of a speed contest, as the page's scripts have it."""
    record, contest, row = entry
    spec = row.spec.model_copy(update={"variant": row.current_variant})
    where = record.environment.model_copy(update={
        "device_name": row.device_name, "threads": row.threads, "affinity": row.affinity,
        "versions": {**record.environment.versions, **row.versions},
    })  # fmt: skip
    shape = ", ".join(f"{name}={getattr(spec, name)}" for name in _WORK if getattr(spec, name) is not None)
    return {
        **_common(where, f"{contest.name or 'contest'} {record.name_of(row)}", row.status, row.reason),
        "machine": row.device_name or where.cpu,
        "noise": contestant_flags(row),
        "why": None if row.figures else f"its turns were {row.status}",
        "task": printable(f"{'prediction contest' if spec.predicts else 'contest'} ({shape})"),
        "side": _digest(record.id, str(record.contests.index(contest)), str(contest.rows.index(row))),
        "seed": str(spec.seed), "drawn": "", "data": None,
        "rate": row.figures and _rate(row.figures.sequences_per_second),
        "growth": mib(row.host_growth_bytes),
        "score": None, "ratios": {},
        "spec": _spec(flat(spec)),  # type: ignore[arg-type]
        "traits": traits_of(where, spec.backend, row.executed),
        "curve": None,
    }  # fmt: skip


def _add_ratios(record: SpeedRecord, told: list[dict[str, Any]], seal: str) -> None:
    """Give each contestant how many times as fast as the others of its contest it is, turn by turn."""
    first = 0
    for contest in record.contests:
        for place, row in enumerate(contest.rows):
            found = ((at, _ratio(other, row)) for at, other in enumerate(contest.rows) if at != place)
            told[first + place]["ratios"] = {key_of(seal, first + at): ratio for at, ratio in found if ratio}
        first += len(contest.rows)


def _ratio(reference: Row, row: Row) -> dict[str, Any] | None:
    found: Ratio | None = ratio(reference.by_round, row.by_round)
    return None if found is None else found.model_dump()


def _common(environment: Environment, name: str, status: str, reason: str | None) -> dict[str, Any]:
    kind = [(what, None if value is None else printable(str(value))) for what, value in kind_of(environment).items()]
    return {"name": printable(name), "status": status, "reason": reason and printable(reason), "kind": kind}


def _code(record: Record) -> Any:
    """What tells which code of ours computed it."""
    return record.environment.sources or record.environment.git_commit


def _no_speed(record: Record) -> str | None:
    """Why a run has no speed to compare; None where it has, or its blocks were too few."""
    if record.metrics is None:
        return f"its run was {record.status}"
    return "it shared its machine" if record.place and record.place.share > 1 else None


def _rate(spread: Spread | None) -> dict[str, float] | None:
    return None if spread is None else {name: getattr(spread, name) for name in ("median", "p10", "p90")}


def _spec(fields: dict[str, object]) -> list[tuple[str, str]]:
    """Fields as words; numbers that a script would round stay whole."""
    return [(printable(name), "none" if value is None else printable(str(value))) for name, value in fields.items()]


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:DIGITS]
