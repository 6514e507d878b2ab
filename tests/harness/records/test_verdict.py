"""A verdict says no more than what was made again."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.harness.conftest import made_verdict


@pytest.mark.parametrize(
    ("verdict", "updates"),
    [("bit-identical", 50), ("same result", None), ("same so far", 2000), ("bit-identical so far", None),
     ("cannot run", 2000), ("altered", None)],
)  # fmt: skip
def test_its_word_fits_the_updates_that_were_made(verdict: str, updates: int | None) -> None:
    with pytest.raises(ValidationError, match=rf"verdict: {verdict} (does not fit|is no opinion)"):
        made_verdict(verdict=verdict, updates=updates)


@pytest.mark.parametrize(("verdict", "updates"), [("same so far", 50), ("different", 50), ("other task", None)])
def test_what_is_left_can_be_said(verdict: str, updates: int | None) -> None:
    assert made_verdict(verdict=verdict, updates=updates).is_whole == (updates is None)
