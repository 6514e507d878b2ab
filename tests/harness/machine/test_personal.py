"""What a record must not say."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from harness.machine.personal import ALIAS, alias, impersonal, names, told, told_here

#: The home of the user whom every machine has.
OF_ROOT = str(Path("~root").expanduser())


@pytest.fixture
def of_anna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/scratch/anna.telling")
    monkeypatch.setenv("USER", "anna.telling")
    monkeypatch.setattr(platform, "node", lambda: "anna-notebook.lab.example")


@pytest.mark.parametrize(
    ("text", "expected", "tells"),
    [
        ("/scratch/anna.telling/x.py, line 3", "~/x.py, line 3", True),
        ("/scratch/anna.telling2/x.py", "/scratch/anna.telling2/x.py", False),
        ("/home/bob/x.py and /Users/Bob/x", "~/x.py and ~/x", True),
        (r"C:\Users\Bob\x.py", r"~\x.py", True),
        ("/data/anna.telling/set", "/data/user/set", True),
        ("no route to anna-notebook", "no route to host", True),
        ("ANNA-NOTEBOOK.lab.example refused", "host refused", True),
        ("mail anna@lab.example", "mail …@…", True),
        ("https://bob:secret@proxy.example:80/", "https://…@proxy.example:80/", True),
        ("GPU-0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f,1", "GPU-…,1", True),
        ("node 10.0.0.3 died, 8.8.8.8:6379 too", "node … died, …:6379 too", None),
        ("harness run --backend torch@2.13.0 --task adding", None, False),
        (f"libraries 12.9.0.13, /usr/lib/x.so, {OF_ROOT}/x, /home/runner/x", None, False),
    ],
)
def test_names_folders_and_addresses_are_replaced_and_found(
    of_anna: None, text: str, expected: str | None, tells: bool | None
) -> None:
    if expected is not None:
        assert impersonal(text) == expected
        assert impersonal(expected) == expected
        assert not list(told_here(expected))
    assert tells is None or bool(list(told_here(text))) == tells


def test_generic_names_are_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", OF_ROOT)
    monkeypatch.setenv("USER", "runner")
    monkeypatch.setattr(platform, "node", lambda: "vm")
    assert impersonal(f"the root of a vm, {OF_ROOT}/x") == f"the root of a vm, {OF_ROOT}/x"
    assert "vm" not in names().hosts
    assert not list(told("~/x, user, host"))


def test_a_machines_alias_is_its_own_and_leads_back_to_no_name() -> None:
    assert ALIAS.fullmatch(alias())
    assert alias() == alias(platform.node())
    assert alias() != alias("another")
    assert platform.node() not in alias()
