"""The front page in a real browser: what people ask is answered, with how sure that is and how to check it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from harness.presentation import site as sites
from harness.presentation.folders import read_all
from harness.records.store import Store
from tests.harness.conftest import made_contestant, made_record, made_speed
from tests.harness.presentation.site.conftest import Visitor


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of an LSTM of 128 units, measured by a contest and on a task, and of a GRU."""
    folder = tmp_path_factory.mktemp("asked")
    store = Store(folder / "records")
    store.prepare()
    for number, (backend, cell) in enumerate((b, c) for b in ("numpy", "torch") for c in ("lstm", "gru")):
        for seed in range(3):
            store.write(
                made_record("adding", backend, cell, seed=seed, number=10 * number + seed, hidden=128,
                            variant="nn" if backend == "torch" else "numba")
            )  # fmt: skip
    rows = [made_contestant("jax", 2.0, hidden=128), made_contestant("torch", 3.0, hidden=128)]
    store.write(made_speed(rows))
    sites.write(read_all([folder / "records"]), folder / "site", drawn=False)
    return folder / "site"


def text(visit: Any, selector: str) -> str:
    return " ".join(visit.page.locator(selector).first.inner_text().split())


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_newcomer_finds_which_how_sure_and_how_to_check(visitor: Visitor, asked: Path, scripts: bool) -> None:
    with visitor(asked, java_script_enabled=scripts) as visit:
        visit.page.goto((asked / "index.html").as_uri())
        box = text(visit, ".ask")
        assert "For an LSTM of 128 units on Made-up CPU" in box
        assert text(visit, ".ask .gist") == "JAX"
        assert "JAX trained fastest: 1.5 times as fast (1.5–1.5) as PyTorch." in box
        assert "4 rounds" in box
        assert "2026-01-02" in box
        assert "harness speed --backend jax,torch --variant jax:best-one,torch:best-one --cell lstm" in box
        assert visit.page.locator(".ask details:not([open])").count() == 0
        assert visit.page.locator(".chooser").is_visible() is scripts


def test_another_question_is_chosen_without_a_server(visitor: Visitor, asked: Path) -> None:
    with visitor(asked) as visit:
        visit.go("index.html")
        visit.page.get_by_label("on", exact=True).focus()
        visit.page.keyboard.press("ArrowDown")
        assert "Intel(R) Xeon(R)" in text(visit, ".ask .question")
        assert text(visit, ".ask .gist") == "PyTorch"
        assert "3 seeds of each (PyTorch 2.11.0, NumPy 2.11.0). Brackets: intervals over 3 runs or more" in text(
            visit, ".ask .core"
        )
        assert "harness compare --a '--backend torch --variant nn' --b '--backend numpy" in text(visit, ".ask .core")
        visit.page.get_by_label("cell").select_option("GRU")
        assert "a GRU of 128 units" in text(visit, ".ask .question")
        assert visit.faults == []


def test_every_sentence_leads_to_its_rows_and_records(visitor: Visitor, asked: Path) -> None:
    page = (asked / "index.html").read_text()
    views = [link.replace("&amp;", "&") for link in re.findall(r'class="rows-of" href="(explore[^"]*)"', page)]
    assert len(views) >= 12
    records = set(re.findall(r'href="(records/[0-9a-f]{64}\.html)"', page))
    assert len(records) == 1 + 4, "of the contest, and one of each backend and cell"
    assert all((asked / record).is_file() for record in records)
    with visitor(asked) as visit:
        for view in dict.fromkeys(views):
            visit.page.goto("about:blank")
            visit.page.goto(f"{asked.as_uri()}/{view}")
            visit.page.wait_for_selector(".rows tbody tr")
            wanted = view.split("ids=")[1].split("&")[0].split(",")
            assert visit.page.locator(".rows tbody tr").count() == len(wanted), view
        assert visit.faults == []
