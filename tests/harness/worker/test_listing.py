"""What a backend tells of itself, as it travels to the parent."""

from __future__ import annotations

from pathlib import Path

from harness import protocol
from harness.specs.base import Model
from harness.specs.speed import SpeedSpec
from harness.worker.listing import listed, probed


def test_a_backend_tells_versions_devices_and_variants() -> None:
    found = probed("numpy").backend
    assert found["reason"] is None
    assert found["devices"]["cpu"] is None
    assert found["version"] == found["versions"]["numpy"]
    assert found["variants"]["hoisted"]["devices"] == ["cpu", "cuda"]
    assert found["variants"]["hoisted"]["without"] == {}
    assert protocol.decode_event(protocol.encode(probed("numpy"))) == probed("numpy")


def test_one_that_is_not_installed_says_how_it_would_be_and_has_its_variants(plugin: Path) -> None:
    found = probed("uninstalled").backend
    assert found["reason"].endswith("pip install a-framework-that-is-not-there")
    assert found["version"] is None
    assert "good" in found["variants"]


def test_for_each_spec_there_are_variants_and_what_auto_stands_for(plugin: Path) -> None:
    spec = SpeedSpec(backend="madeup", threads=1, model=Model(hidden=5), batch=3, length=4, features=2)
    both = [each.model_dump(mode="json") for each in (spec, spec.model_copy(update={"length": 8}))]
    first, second = listed("madeup", both).specs
    assert first["auto"] == second["auto"] == "good"
    assert {variant["name"] for variant in first["variants"]} >= {"good", "fused", "hang"}
    assert all(variant["reason"] is None for variant in first["variants"])
