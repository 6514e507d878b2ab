"""The commands from Python: the same options, records and tables, and what a notebook shows of them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import UsageError
from harness.records.store import Store, StoreError
from harness.specs.options import RUN, SPEED
from tests.fixtures.own_data import arrays, saved
from tests.harness.conftest import made_record, made_speed

FEW: dict[str, Any] = {"backend": "numpy", "task": "sine", "steps": 20, "threads": 1}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[harness.Results, Path]:
    """Two runs, and where their records are."""
    folder = tmp_path_factory.mktemp("results")
    return harness.run(**FEW, parameter={"length": 21}, seeds=2, results=folder), folder


def test_a_run_gives_records_tables_and_frames(results: tuple[harness.Results, Path]) -> None:
    found, folder = results
    assert found.ok
    assert [record.spec.seed for record in found.runs] == [0, 1]
    assert {record.spec.parameters["length"] for record in found.runs} == {21}
    assert len(found) == len(list(found)) == len(found.frame()) == 2
    assert list(found.summary()["runs"]) == [2]
    assert "Over repetitions" in repr(found)
    assert {record.id for record in harness.read(str(folder)).runs} == {record.id for record in found.runs}


def test_what_a_run_saved_starts_another(tmp_path: Path) -> None:
    (first,) = harness.run(**FEW, save=True, results=tmp_path).runs
    assert first.saved is not None
    (second,) = harness.run(**FEW, seed=1, start=tmp_path / f"{first.id}.json", results=tmp_path).runs
    assert second.spec.start == first.saved.parameters
    assert second.curve[0].loss == pytest.approx(first.curve[-1].loss, rel=1e-6)
    with pytest.raises(UsageError, match="--from is for harness run alone"):
        harness.compare({"lr": 1.0}, {"lr": 2.0}, start="0" * 64, **FEW)


def test_a_notebook_shows_tables_and_a_picture_and_no_markup_of_a_records(
    results: tuple[harness.Results, Path],
) -> None:
    page = results[0]._repr_html_()
    assert page.count("<table") == 2
    assert '<img alt="' in page
    assert "data:image/png;base64,iVBOR" in page
    odd = harness.Results([made_record(status="failed", reason="<script>alert(1)</script>")], ok=False)
    assert "<script" not in odd._repr_html_()
    assert results[0].figures()[0]._repr_png_().startswith(b"\x89PNG")


def test_a_contest_gives_a_table_and_a_row_for_each_contestant(tmp_path: Path) -> None:
    found = harness.speed(
        backend="numpy", variant=["textbook", "hoisted"], shape="A", batch=2, length=4, hidden=[3, 4], rounds=2,
        block=0.001, threads=1, results=tmp_path,
    )  # fmt: skip
    assert found.ok
    assert len(found.frame()) == 4
    assert "hoisted" in repr(found)
    assert "reduced" in found._repr_html_()
    assert harness.read(tmp_path).contests == found.contests


def test_two_specs_are_compared_in_sentences() -> None:
    few: dict[str, Any] = {"task": "adding", "backend": "numpy", "threads": 1, "hidden": 4, "parameter": {"length": 5}}
    found = harness.compare(
        {"variant": "hoisted"}, {"variant": "textbook"}, pairs=2, restarts=2, block=0.001, **few
    )  # fmt: skip
    assert found.variants == ("hoisted", "textbook")
    assert found.accuracy is None
    assert repr(found).startswith("A: hoisted\nB: textbook\nmemory: ")
    assert found._repr_html_().startswith("<p>A: hoisted</p>")


def test_records_are_verified(results: tuple[harness.Results, Path]) -> None:
    path = next(results[1].glob("*.json"))
    found = harness.verify([path])
    assert found.ok
    assert list(found.frame()["verdict"]) == ["bit-identical"]
    assert repr(found).endswith("1 records: 1 bit-identical")
    nothing = harness.verify(results[1] / "gone.json")
    assert not nothing.ok
    assert "cannot run" in repr(nothing)


def test_what_is_read_is_ok_where_every_run_is(tmp_path: Path) -> None:
    Store(tmp_path).write(made_speed())
    assert harness.read(tmp_path).ok == (made_speed().status == "ok")
    Store(tmp_path).write(made_record(status="failed", reason="it broke"))
    (tmp_path / "broken.json").write_text("{")
    found = harness.read([tmp_path])
    assert not found.ok
    assert "it broke" in repr(found)
    assert "broken.json: not a valid record" in found.notes()[-1]
    with pytest.raises(StoreError, match=r"no records in .*gone; .*gone: No such file"):
        harness.read(tmp_path / "gone")


def test_many_records_are_parsed_as_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        Store(tmp_path).write(made_record(number=number, seed=number))
    whole = harness.read(tmp_path)
    monkeypatch.setattr("harness.api.FOLDED", 3)
    found = harness.read(tmp_path)
    assert isinstance(whole.runs, list)
    assert not isinstance(found.runs, list)
    assert list(found) == list(whole)
    assert found.runs[-1] == whole.runs[-1]
    assert [*found.runs[1:3]] == whole.runs[1:3]
    assert found.frame().equals(whole.frame())
    assert found.summary().equals(whole.summary())
    assert repr(found) in repr(whole)  # which has a row for each run besides
    assert (found.ok, found.picture() is not None) == (True, True)
    (tmp_path / f"{found.runs[0].id}.json").unlink()
    found.runs[-1]
    with pytest.raises(StoreError, match="No such file"):
        found.runs[0]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tsk": "copy"}, "unknown option 'tsk'; did you mean 'task'?"),
        ({"dry_run": True}, "unknown option 'dry_run'"),
        ({"hidden": 1.5}, "hidden takes a whole number, not 1.5"),
        ({"hidden": True}, "hidden takes a whole number, not True"),
        ({"steps": [10, "20"]}, "steps takes a whole number, not '20'"),
        ({"lr": "0.1"}, "lr takes a number, not '0.1'"),
        ({"backend": 3}, "backend takes a name, not 3"),
        ({"bidirectional": "no"}, "bidirectional takes True or False, not 'no'"),
        ({"clip": [1, 2]}, "clip takes one value, not 2"),
        ({"parameter": ["length=4"]}, "parameter takes a mapping, such as {'length': 100}"),
        ({"parameter": {"lenght": 4}}, "unknown parameter of sine 'lenght'; did you mean 'length'?"),
        ({"seeds": "many"}, "--seeds takes a number of seeds, or a list"),
        ({"task": dict}, "task takes a name, not <class 'dict'>: a run has a process of its own"),
        ({"data": __file__}, "--data takes a folder"),
    ],
)
def test_what_cannot_be_right_is_one_line(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        harness.run(**{**FEW, **given})
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def in_a_thread(call: Callable[[], harness.Results]) -> harness.Results:
    found: list[harness.Results] = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join(120)
    return found[0]


def under_an_event_loop(call: Callable[[], harness.Results]) -> harness.Results:
    async def main() -> harness.Results:
        return call()

    return asyncio.run(main())


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("within", [in_a_thread, under_an_event_loop])
def test_it_runs_in_a_thread_and_under_an_event_loop(
    tmp_path: Path, within: Callable[[Callable[[], harness.Results]], harness.Results]
) -> None:
    found = within(lambda: harness.run(backend="madeup", task="echo", variant="good", threads=1, results=tmp_path))
    assert found.ok, found


@pytest.mark.parametrize(("function", "options"), [(harness.run, RUN), (harness.speed, SPEED)])
def test_names_and_defaults_are_the_command_lines(function: Any, options: Any) -> None:
    stated = function.__signature__.parameters
    for option in options:
        if option.name not in ("json", "dry-run", "out"):
            assert stated[option.parameter].default == option.default
            assert f"    {option.parameter}: {option.about}" in function.__doc__
    assert set(stated) == {option.parameter for option in options} - {"json", "dry_run", "out"}


def test_importing_the_package_imports_none_of_it() -> None:
    code = "import sys, harness; assert 'run' in dir(harness); print(*[n for n in sys.modules if 'harness.' in n])"
    assert not subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        harness.rum  # noqa: B018


def test_arrays_become_a_data_set_whose_run_is_saved_and_exported(own_data: Path, tmp_path: Path) -> None:
    given = arrays("number", variable=True)
    with pytest.raises(UsageError, match="x takes an array of numbers or a path, not list"):
        harness.data.add("mine", x=[[1.0], [2.0, 3.0]], y=given["y"])
    odd: list[tuple[dict[str, Any], str]] = [
        ({"split_seed": -1}, "split_seed takes a whole number from 0, not -1"),
        ({"fractions": "0.5,0.5"}, "fractions takes numbers such as"),
        ({"fractions": 0.5}, "fractions takes numbers such as"),
        ({"standardise": "no"}, "standardise takes True or False"),
    ]
    for words, says in odd:
        with pytest.raises(UsageError, match=says):
            harness.data.add("mine", x=given["x"], y=given["y"], **words)
    for wrong in (
        lambda: harness.data.remove(3),
        lambda: harness.export(None, "torch"),
        lambda: harness.export("x", 3),
    ):  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="takes a"):
            wrong()
    assert repr(harness.data.kept()) == "none; add one: harness.data.add(name, x=X, y=y)"
    added = harness.data.add("mine", **given, fractions=[0.5, 0.25, 0.25])
    assert "SHA-256" in repr(added)
    assert repr(harness.data.show("mine")) == repr(added)
    assert "mine" in harness.data.kept().frame().to_string()
    assert "<td>mine</td>" in harness.data.kept()._repr_html_()
    saved(tmp_path, **given)
    paths = {role: str(tmp_path / f"{role}.npy") for role in given}
    same = harness.data.add("same", **paths, fractions=[0.5, 0.25, 0.25])
    assert same.stored.sha256 == added.stored.sha256
    found = harness.run(task="mine", backend="numpy", steps=2, threads=1, save=True, results=tmp_path)
    assert found.ok, found
    exported = harness.export(tmp_path / f"{found.runs[0].id}.json", "jax")
    assert exported.path.exists()
    compile(exported.code, "printed", "exec")
    harness.data.remove("mine")
    with pytest.raises(UsageError, match="no data set 'mine'; known: same"):
        harness.data.show("mine")
    with pytest.raises(UsageError, match="takes one file"):
        harness.export([tmp_path, tmp_path], "torch")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"share": 0}, "share is at least 1, not 0"),
        ({"share": None}, "share is at least 1, not None"),
        ({"share": 1.5}, "share takes a whole number, not 1.5"),
        ({"share": "2"}, "share takes a whole number, not '2'"),
        ({"share": 9999}, "--share 9999: each run has CPUs of its own, and .* can be used"),
        ({"file": 3}, "a study is a file, not 3"),
        ({"on": None}, "on takes a name, not None"),
        ({"retry": 3}, "retry takes a name, not 3"),
        ({"retry": ["failed"]}, "retry takes one value"),
        ({"cpus": 3.5}, "cpus takes a name, not 3.5"),
    ],
)
def test_what_a_study_is_asked_for_is_checked(given: dict[str, Any], words: str, tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text('name = "mine"\n[fixed]\ntask = "sine"\nbackend = "numpy"\n[axes]\nseed = [1]\n')
    with pytest.raises(UsageError, match=words):
        harness.study(**{"file": file} | given)
    assert not (tmp_path / "mine").exists()
