"""Each check finds what it is there for, in records that somebody has changed and sealed again."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from harness.cli.submission import specs_of
from harness.machine.history import History
from harness.records.figures import Block
from harness.records.run import throughput
from harness.records.seal import digest
from harness.records.store import Store
from harness.workflows.submission.checks import CHECKS, check
from harness.workflows.submission.findings import Finding
from harness.workflows.submission.given import submission_in
from tests.conftest import ROOT
from tests.harness.conftest import CLAIM, made_claim, made_contestant, made_speed
from tests.harness.workflows.submission.conftest import MACHINE, STUDY, Document, git, written

#: Of a claim's file: a rule, and the study of ``STUDY`` with it.
RULE = '[[rule]]\nkind = "share"\nof = { cell = "lstm" }\nabove = 2\n'
MEASURED = re.sub(r"^(\[+)", r"\1study.", STUDY.replace('name = "mine"', ""), flags=re.MULTILINE) + RULE

Checked = Callable[[Path], dict[str, list[Finding]]]
Change = Callable[[list[Document]], Any]


def at(document: Document, path: str, value: Any) -> None:
    *parts, last = path.split(".")
    for part in parts:
        document = document[int(part)] if isinstance(document, list) else document[part]
    document[last] = value


def a(path: str, value: Any) -> Change:
    """The first record with another value."""
    return lambda documents: at(documents[0], path, value)


def with_words_in_command(documents: list[Document]) -> None:
    documents[0]["command"] = documents[0]["command"].replace("--batch 50", "--batch 49")


def with_more_runs(documents: list[Document]) -> None:
    documents[0]["command"] += " --seed 1"


def unknown_code(documents: list[Document]) -> None:
    documents[0]["environment"] |= {"git_commit": "0" * 40, "sources": {"tasks": "0" * 64}}


def faster(documents: list[Document]) -> None:
    rate = documents[0]["metrics"]["train_sequences_per_second"]
    documents[0]["metrics"]["train_sequences_per_second"] = {**rate, "median": rate["median"] * 1.2}


def with_speed(documents: list[Document]) -> None:
    """Figures that follow from their blocks, as a run has them that had the machine alone."""
    blocks = [{"steps": 10, "seconds": 0.01 + i / 1e4} for i in range(20)]
    for number, document in enumerate(documents):
        made = [Block(steps=each["steps"], seconds=each["seconds"] + number / 1e5) for each in blocks]
        figures = throughput(made, made, document["spec"]["batch"], 30, document["metrics"]["first_step_s"])
        plain = {name: [vars(b) for b in v] if isinstance(v, list) else v if not hasattr(v, "model_dump")
                 else v.model_dump() for name, v in figures.items()}  # fmt: skip
        document["metrics"] |= plain
        document["place"]["share"] = 1


def copied_figures(documents: list[Document]) -> None:
    with_speed(documents)
    documents[1]["metrics"] = documents[0]["metrics"]


def other_seed(documents: list[Document]) -> None:
    """The figures of seed 0 under seed 1."""
    for name in ("metrics", "curve"):
        documents[1][name] = documents[0][name]


def same_spec(documents: list[Document]) -> None:
    again = {**documents[0], "id": documents[0]["id"][:-8] + "01234567"}
    documents.append({**again, "curve": again["curve"][:1] + [
        {**point, "train_loss": point["train_loss"] * 1.001} for point in again["curve"][1:]
    ]})  # fmt: skip


FORGED: list[tuple[str, str, Change, str]] = [
    ("schema", "refused", a("surplus", 1), "surplus"),
    ("schema", "refused", a("created", "2199-01-01T00:00:00Z"), "yet to come"),
    ("schema", "refused", a("created", "2026-11-27T00:00:00Z"), "its id says"),
    ("machine", "refused", a("environment.logical_cpus", 64), "belongs into a folder amd-epyc-64-cpus"),
    ("gate", "refused", a("gate", None), "ok without the gate"),
    ("gate", "refused", a("gate.passed", False), "not within the gate's tolerance"),
    ("gate", "refused", a("gate.loss_distance", 1.0), "not within the gate's tolerance"),
    ("source", "stated", a("environment.git_commit", "0" * 40), "which the project does not have; its source is that"),
    ("source", "refused", unknown_code, "made by code that the project does not have (commit 000000000000)"),
    ("source", "refused", a("environment.git_commit", "--output=x"), "its commit is none"),
    ("source", "refused", a("environment.sources.tasks", "0" * 64), "its tasks/ has SHA-256 000000000000…"),
    ("source", "refused", lambda all_: [at(each, "created", "2025-01-01T00:00:00Z") for each in all_], "made before"),
    ("clean", "refused", a("environment.git_dirty", True), "run it again without them"),
    ("spec", "refused", a("spec.batch", 64), "does not ask for what its spec says: batch"),
    ("spec", "refused", with_words_in_command, "does not ask for what its spec says: batch"),
    ("spec", "refused", a("spec.backend", "jax"), "its id does not say adding jax lstm"),
    ("spec", "stated", a("command", None), "its command was not read: it has none"),
    ("figures", "refused", lambda all_: [with_speed(all_), faster(all_)], "training rate does not follow"),
    ("figures", "refused", a("metrics.solved", False), "its scores solve the task, and it says otherwise"),
    ("figures", "refused", a("metrics.train_s", 1e6), "more than the whole run"),
    ("figures", "refused", a("status", "failed"), "it has figures and is failed"),
    ("figures", "refused", lambda all_: all_[0]["curve"].pop(), "its curve ends after 1,200 of 1,500"),
    ("spec", "refused", with_more_runs, "its command gives --seed twice"),
    ("noise", "stated", a("before", {"share": 0.5, "over_s": 1}), "others were busy before it began"),
    ("noise", "stated", a("noise", {"steal_share": 0.5}), "steal"),
    ("seeds", "refused", other_seed, "of one seed only"),
    ("seeds", "refused", copied_figures, "one is a copy of the other"),
    ("seeds", "stated", same_spec, "its spec was run 2 times"),
    ("statuses", "refused", lambda all_: all_.pop(1), "1 of its 3 runs is missing (adding numpy lstm seed 1)"),
    ("statuses", "refused", lambda all_: [at(each, "study.sha256", "0" * 64) for each in all_], "put it beside them"),
    ("personal", "refused", a("place.node", "anna-notebook"), "place.node: the machine's name, anna-notebook"),
    ("personal", "refused", a("log_tail", "File /home/anna/x.py"), "log_tail: the home folder /home/anna"),
    ("personal", "refused", a("environment.strays", {"XLA_FLAGS": "anna@lab.example"}), "the mail address"),
]  # fmt: skip


def test_records_as_they_were_made_are_taken(tmp_path: Path, documents: list[Document], found: Checked) -> None:
    with_speed(documents)
    results = found(written(tmp_path / MACHINE, documents))
    assert list(results) == [each.name for each in CHECKS]
    told = [each.what for name, findings in results.items() if name != "noise" for each in findings]
    assert not told


def test_a_contestants_time_per_update_follows_from_its_blocks(tmp_path: Path, found: Checked) -> None:
    honest = made_contestant("numpy", 2.0)
    assert honest.figures
    faster = honest.figures.model_copy(update={"step_ms": made_contestant("numpy", 1.0).figures.step_ms})  # type: ignore[union-attr]
    for place, row in (("honest", honest), ("faster", honest.model_copy(update={"figures": faster}))):
        store = Store(tmp_path / place / MACHINE)
        store.prepare()
        store.write(made_speed([row]))
        told = " ".join(each.what for each in found(store.folder)["figures"])
        assert ("numpy best-one: its time per update does not follow from its blocks" in told) == (place == "faster")


@pytest.mark.parametrize(
    ("name", "level", "change", "says"),
    FORGED,
    ids=lambda value: "change" if callable(value) else str(value)[:40],
)
def test_what_was_changed_and_sealed_again_is_found_by_its_check(
    tmp_path: Path, documents: list[Document], found: Checked, name: str, level: str, change: Change, says: str
) -> None:
    change(documents)
    findings = found(written(tmp_path / MACHINE, documents))[name]
    assert any(each.level == level and says in each.what for each in findings), findings
    assert all("\n" not in each.what for each in findings)


def test_without_a_clone_nothing_is_known_of_the_code(tmp_path: Path, documents: list[Document]) -> None:
    folder = written(tmp_path / MACHINE, documents)
    for here, verdict in ((False, "refused"), (True, "stated")):
        results = check(replace(submission_in(folder, specs_of, None, []), here=here))
        (source,) = (each for each in results if each.check.name == "source")
        assert source.verdict == verdict


def test_a_record_that_was_changed_and_not_sealed_again_is_altered(
    tmp_path: Path, documents: list[Document], found: Checked
) -> None:
    folder = written(tmp_path / MACHINE, documents)
    path = next(folder.glob("*.json"))
    path.write_text(path.read_text().replace('"status": "ok"', '"status":  "ok" ').replace("AMD", "amd"))
    results = found(folder)
    assert "altered since it was written" in results["seal"][0].what
    assert not results["schema"]


def test_what_lies_beside_the_records_is_refused_links_too(
    tmp_path: Path, documents: list[Document], found: Checked
) -> None:
    folder = written(tmp_path / MACHINE, documents)
    (folder / "run.sh").write_text("echo")
    (folder / "x.json").symlink_to("/etc/hostname")
    said = [each.what for each in found(folder)["schema"]]
    assert said == [f"{name}: neither a record nor a study's file; leave it out" for name in ("run.sh", "x.json")]


def test_a_verdict_from_another_machine_is_handed_in_like_a_run(
    tmp_path: Path, history: History, found: Checked
) -> None:
    """A second opinion: made by known code, on the machine that judged, whatever machine made the record."""
    document = json.loads((ROOT / "tests" / "fixtures" / "records" / "verdict-1.json").read_text())
    made = {"git_commit": history.base, "git_dirty": False, "sources": history.digests(history.base)}
    document["environment"] |= {"cpu": "AMD EPYC", "logical_cpus": 2, **made}
    told = {name: each for name, each in found(written(tmp_path / MACHINE, [document])).items() if each}
    assert not told
    document["environment"]["git_dirty"] = True
    assert found(written(tmp_path / MACHINE, [document]))["clean"]


@pytest.mark.parametrize(
    "text", ["[" * 900 + "]" * 900, '{"tries": 5, "place": 5}', "5", '"x"', "{", '{"kind": []}', ""]
)
def test_whatever_a_file_holds_it_is_refused_in_one_line(tmp_path: Path, found: Checked, text: str) -> None:
    (tmp_path / MACHINE).mkdir()
    (tmp_path / MACHINE / "odd.json").write_text(text)
    told = [each for findings in found(tmp_path / MACHINE).values() for each in findings]
    assert [each.level for each in told] == ["refused"]


def test_what_is_published_stays_as_it_is(
    clone: Path, documents: list[Document], found: Checked, tmp_path: Path
) -> None:
    """A branch that deletes a published record, or puts another one in its place."""
    folder = written(clone / "results" / "published" / MACHINE, documents)
    git(clone, "add", ".")
    git(clone, "commit", "-qm", "published")
    first, second, _ = sorted(folder.glob("*.json"))
    first.unlink()
    second.write_text(second.read_text() + "\n")
    of = submission_in(folder, specs_of, History.of(clone), [])
    (kept,) = (each for each in check(of) if each.check.name == "kept")
    git(clone, "reset", "-q", "--hard", "HEAD~1")
    assert [each.what.partition(": ")[2] for each in kept.findings] == [
        "published, and not here any more; published records stay",
        "published with other contents; published records are never changed",
    ]


def test_a_former_version_of_a_studys_file_is_found_in_the_history(
    clone: Path, documents: list[Document], tmp_path: Path
) -> None:
    (clone / "results" / "studies" / "mine.toml").write_text(STUDY.replace("[0, 1]", '"0-9"'))
    git(clone, "commit", "-qam", "more seeds")
    of = submission_in(written(tmp_path / MACHINE, documents), specs_of, History.of(clone), [])
    (statuses,) = (each for each in check(of) if each.check.name == "statuses")
    git(clone, "reset", "-q", "--hard", "HEAD~1")
    assert not statuses.findings


def with_claim(documents: list[Document], measured: str = MEASURED) -> Document:
    """A verdict that the runs belong to, which no file of a study says."""
    text = CLAIM.partition("[needs]")[0] + measured
    mark = sha256(text.encode()).hexdigest()
    for each in documents:
        each["study"] = {"name": "wide-networks", "sha256": mark}
    evidence = [{"id": each["id"], "kind": "run", "digest": digest(each)} for each in documents]
    claim: Document = json.loads(made_claim().model_dump_json())
    return claim | {
        "text": text, "sha256": mark, "statement": tomllib.loads(text)["statement"], "evidence": evidence,
        "environment": documents[0]["environment"], "created": "2026-01-02T03:04:05Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (None, ""),
        (("figures.0.above", 1.9), "the bounds of updates to mse < 0.05 are not those of rule 1"),
        (("figures.0.low", 1.5), "the verdict on updates to mse < 0.05 does not follow from its interval"),
        (("verdict", "cannot be told"), "its verdict does not follow from those on its figures"),
        (("statement", "It learns."), "its statement is not that of the claim's file"),
        (("evidence.0.digest", "0" * 64), "come from 1 record that is not here"),
    ],
    ids=["as it is", "bounds", "interval", "verdict", "statement", "evidence"],
)
def test_a_verdict_on_a_claim_follows_from_what_is_there(
    tmp_path: Path, documents: list[Document], found: Checked, change: tuple[str, Any] | None, says: str
) -> None:
    claim = with_claim(documents)
    if change:
        at(claim, *change)
    findings = found(written(tmp_path / MACHINE, [*documents, claim]))
    told = [each.what for name in ("claims", "statuses", "schema") for each in findings[name]]
    assert len(told) == bool(says), told
    assert says in "".join(told)


@pytest.mark.parametrize("rules", ["rule = 3", "rule = [4]", "[rule]\nabove = 2", "rule"])
def test_whatever_a_claims_file_holds_its_verdict_is_refused(
    tmp_path: Path, documents: list[Document], found: Checked, rules: str
) -> None:
    claim = with_claim(documents, MEASURED)
    text = f"{rules}\n{claim['text'].replace(RULE, '')}"
    claim |= {"text": text, "sha256": sha256(text.encode()).hexdigest()}
    told = [each.what for each in found(written(tmp_path / MACHINE, [*documents, claim]))["claims"]]
    assert any("the bounds of updates to mse < 0.05 are not those of rule 1" in what for what in told), told


def test_of_every_version_of_a_studys_file_the_runs_are_there(
    tmp_path: Path, documents: list[Document], found: Checked
) -> None:
    """Who measures again under a changed file leaves out nothing of the first try."""
    changed = STUDY.replace("seed = [0, 1]", "seed = [0]").replace('[[exclude]]\nbackend = "torch"\nseed = 1\n', "")
    folder = written(tmp_path / MACHINE, [])
    (folder / "mine.toml").write_text(changed)
    documents[2]["study"]["sha256"] = sha256(changed.encode()).hexdigest()
    assert not found(written(folder, documents))["statuses"]
    (folder / f"{documents[1]['id']}.json").unlink()
    [missing] = found(folder)["statuses"]
    assert "study mine: 1 of its 3 runs is missing (adding numpy lstm seed 1)" in missing.what


@pytest.mark.parametrize("measured", ['[study]\nfile = "/dev/stdin"\n' + RULE, "[needs]\ngpu = true\n"])
def test_no_other_file_is_opened_that_a_claim_names(
    tmp_path: Path, documents: list[Document], found: Checked, measured: str
) -> None:
    claim = with_claim(documents, measured)
    [statuses] = found(written(tmp_path / MACHINE, [*documents, claim]))["statuses"]
    assert "is a claim whose study has another file, or none" in statuses.what


def test_the_page_names_every_check() -> None:
    text = (ROOT / "docs" / "submitting.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z]+)` \| (.+?) \|", text, re.MULTILINE)
    assert rows == [(each.name, each.about) for each in CHECKS]
