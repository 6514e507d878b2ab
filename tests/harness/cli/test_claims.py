"""``harness claims`` lists, shows and plans claims; what cannot run here is decided at once."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import ROOT, Harness

HERE = ("--claims", str(ROOT / "results" / "claims"))


def test_claims_are_listed_shown_planned_and_decided(harness: Harness, tmp_path: Path) -> None:
    results = ("--results", "kept")
    listed = harness("claims", "list", *HERE, *results)
    assert "mingru-layers" in listed.stdout
    assert "not measured" in listed.stdout
    planned = harness("claims", "run", "mingru-layers", "forget-bias", "--plan", *HERE, *results)
    assert "mingru-layers: cannot run here: needs the cell minGRU; the task selective copying" in planned.stdout
    assert "forget-bias: 60 runs, 0 done, about 5 min in all on 2 cores" in planned.stdout
    assert not (tmp_path / "kept").exists()
    decided = harness("claims", "run", "mingru-layers", *HERE, *results)
    assert "mingru-layers: cannot run here: it needs the cell minGRU" in decided.stdout
    again = harness("claims", "run", "mingru-layers", *HERE, *results)
    assert again.stdout == decided.stdout
    assert (decided.returncode, again.returncode) == (0, 0)
    (file,) = (tmp_path / "kept").rglob("*.json")
    shown = harness("claims", "show", "mingru-layers", *HERE, *results)
    assert "arXiv:2410.01201" in shown.stdout
    assert file.stem in shown.stdout
    assert file.stem in harness("show", str(file)).stdout


def test_what_is_wrong_is_told_in_a_line(harness: Harness, tmp_path: Path) -> None:
    for words, says in (
        (("run",), "name claims, or all with --all"),
        (("run", "forget-bias", "--all"), "--all: all claims, and none by name"),
        (("show", "forget-bios"), "unknown claim 'forget-bios'; did you mean 'forget-bias'?"),
    ):
        refused = harness("claims", *words, *HERE)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert says in refused.stderr
    nothing = harness("claims", "list", "--claims", str(tmp_path))
    assert f"no claims in {tmp_path}" in nothing.stderr
