"""The registries: each entry can be found, loaded and named, now and by what it was called before."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from itertools import product
from typing import get_args

import numpy as np
import pytest

import backends
from backends.base import Tier, Trainer, Unsupported
from backends.conformance import a_job, some_batches, start, train
from backends.job import CELLS, Device, Job, Precision
from backends.registered import RegisteredBackend
from backends.variants import Entry, Variant, VariantRegistry

OURS = ("numpy", "torch", "tensorflow", "jax")
#: Present names by former ones: those that records of earlier releases may hold.
FORMER = {
    "numpy": {"halves": "parts"},
    "torch": {"late-dw": "deferred-dw", "graph-late-dw": "graph-deferred-dw"},
    "tensorflow": {"keras-halves": "keras-parts", "block-halves": "block-parts"},
    "jax": {"halves": "parts", "late-dw": "deferred-dw", "late-dw-graph": "deferred-dw-graph"},
}
ALIASES = [(name, former, present) for name, names in FORMER.items() for former, present in names.items()]


def registry(name: str) -> VariantRegistry:
    backend = backends.load(name)
    assert isinstance(backend, RegisteredBackend)
    return backend.registry


ENTRIES = [pytest.param(name, entry, id=f"{name}-{entry.name}") for name in OURS for entry in registry(name)]


def an_entry(name: str = "plain", **changes: object) -> Entry:
    fields = {"summary": "", "tier": "best", "layers": "math:pi", "trainer": "math:sin", "runs": ""} | changes
    return Entry(name=name, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "entry"), ENTRIES)
def test_an_entry_is_whole(name: str, entry: Entry) -> None:
    """What it says is in words that exist, and its pattern compiles wherever it applies."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", entry.name)
    assert entry.summary
    assert "\n" not in entry.summary
    assert entry.tier in get_args(Tier)
    assert set(entry.devices) <= set(get_args(Device))
    assert entry.devices
    assert set(entry.precisions) <= set(get_args(Precision))
    assert entry.like is None or registry(name)[entry.like].like is None, "like one that has code of its own"
    assert (entry.elsewhere is None) == (set(entry.devices) == set(get_args(Device)))
    for cell, device in product(CELLS, get_args(Device)):
        variant = entry.variant(a_job(cell).model, device)
        assert variant.runs, "without a pattern, nobody would see that something else ran"
        re.compile(variant.runs)
        assert variant.reason or device in entry.devices
        assert json.loads(json.dumps(dataclasses.asdict(variant)))["name"] == entry.name


@pytest.mark.parametrize(("name", "entry"), ENTRIES)
def test_what_an_entry_names_can_be_found(name: str, entry: Entry) -> None:
    if find_spec(name) is None or not entry.has_needed():
        pytest.skip("its framework is not installed")
    for reference in (entry.layers, entry.trainer):
        assert reference.startswith(f"backends.{name}."), "no backend knows another"
    assert entry.load_layers() is not None
    trainer = entry.load_trainer()
    assert inspect.isclass(trainer)
    assert issubclass(trainer, Trainer)
    assert not inspect.isabstract(trainer)


@pytest.mark.parametrize("name", OURS)
def test_the_stock_variant_is_first(name: str) -> None:
    assert next(iter(registry(name))).tier == "default"


@pytest.mark.parametrize("name", OURS)
def test_the_former_names_are_those_of_old_records(name: str) -> None:
    assert {former: entry.name for entry in registry(name) for former in entry.former} == FORMER[name]


@pytest.mark.parametrize(("name", "former", "present"), ALIASES)
def test_a_former_name_is_that_of_the_present_one(name: str, former: str, present: str) -> None:
    assert backends.current_variant(name, former) == present
    assert backends.current_variant(name, present) == present
    assert former not in [variant.name for variant in backends.load(name).variants(a_job().model, "cpu")]


@pytest.mark.parametrize(("name", "former", "present"), ALIASES)
def test_a_job_that_names_a_former_variant_runs_the_present_one(name: str, former: str, present: str) -> None:
    """Or is refused in the same words, where there is no GPU."""
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    backend = backends.load(name)
    job = a_job(variant=former, threads=2)
    if backend.variant(Job(**vars(job) | {"variant": present})).reason:
        refusals = []
        for asked in (former, present):
            with pytest.raises(Unsupported) as refusal:
                backend.resolve(dataclasses.replace(job, variant=asked))
            refusals.append(str(refusal.value))
        assert refusals[0] == refusals[1]
        assert present in refusals[0]
        return
    resolved, why = backend.resolve(job)
    assert (resolved.variant, why) == (present, "asked for by name")
    batches = some_batches(job, 2)
    losses = [
        train(backend.trainer(dataclasses.replace(job, variant=asked), start(job)), job, batches)
        for asked in (former, present)
    ]
    np.testing.assert_array_equal(*losses)


def test_names_that_nobody_has_or_had_are_given_back() -> None:
    assert backends.current_variant("numpy", "made-up") == "made-up"
    assert backends.current_variant("made-up", "halves") == "halves"


def test_names_are_resolved_without_any_framework() -> None:
    script = "import sys, backends\n" + "".join(
        f"assert backends.current_variant({name!r}, {former!r}) == {present!r}\n" for name, former, present in ALIASES
    )
    script += "print(sorted({'torch', 'tensorflow', 'keras', 'jax', 'numba', 'cupy'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize(
    "others", [("plain",), ("other", "plain")], ids=["two-of-one-name", "one-of-anothers-former-name"]
)
def test_two_variants_of_one_name_are_refused(others: tuple[str, ...]) -> None:
    name, *former = others
    with pytest.raises(ValueError, match="'plain'"):
        VariantRegistry(an_entry(), an_entry(name, former=tuple(former)))


def test_an_entry_says_why_not_in_the_order_model_device_needed_module() -> None:
    model = a_job().model
    entry = an_entry(
        needs="a_module_that_is_not_there",
        devices=("cuda",),
        elsewhere="only there",
        cannot=lambda model, _: "no plain RNN" if model.cell == "rnn" else None,
    )
    assert entry.why_not(a_job("rnn").model, "cpu") == "no plain RNN"
    assert entry.why_not(model, "cpu") == "only there"
    assert str(entry.why_not(model, "cuda")).endswith("pip install a_module_that_is_not_there")
    assert an_entry().why_not(model, "cpu") is None


def test_the_memory_policy_is_the_entrys(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bool] = []
    monkeypatch.setattr("backends.registered.allocator.keep_freed_memory", lambda: kept.append(True))
    monkeypatch.setattr(Entry, "load_trainer", lambda entry: lambda *given: given)

    class OfTwo(backends.load("numpy").__class__):  # type: ignore[misc]
        registry = VariantRegistry(an_entry("as-it-is"), an_entry("keeps", keeps_freed_memory=True))

    backend, p = OfTwo(), start(a_job())
    for variant, so_far in (("as-it-is", []), ("keeps", [True])):
        job = a_job(variant=variant)
        assert backend.build(job, p) == (job, p, backend.registry[variant])
        assert kept == so_far


def test_variant_can_be_imported_from_where_third_parties_have_it() -> None:
    from backends.base import Variant as Public

    assert Public is Variant
    assert Variant("mine", "one line", "best").reason is None
