"""Numbers and scores for people."""

from __future__ import annotations

import pytest

from harness.text import gpu_text, markdown_escape, number, printable, ranges, score_text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (999.7, "1,000"),
        (12345.6, "12,346"),
        (0.00123456, "0.00123"),
        (7, "7"),
        (123456, "123,456"),
        (1.5e99, "1.5e+99"),
        (2**63 - 1, "9,223,372,036,854,775,807"),
    ],
)
def test_numbers_for_people(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(("numbers", "shown"), [([], ""), ([3], "3"), ([0, 1, 2, 5], "0-2, 5"), ([1, 3], "1, 3")])
def test_neighbouring_numbers_are_a_range(numbers: list[int], shown: str) -> None:
    assert ranges(numbers) == shown


@pytest.mark.parametrize(("value", "shown"), [(1.0, "1"), (0.9996, "0.9996"), (0.99999, "0.99999"), (0.5, "0.5")])
def test_no_score_is_rounded_up_to_perfect(value: float, shown: str) -> None:
    assert score_text(value) == shown


def test_text_of_others_is_one_line_without_control_characters_and_no_markup() -> None:
    assert printable("a\n\x1b[31m b\t c") == "a [31m b c"
    assert markdown_escape("<a>|`b`*[c]~&") == r"&lt;a&gt;\|\`b\`\*\[c\]\~&amp;"


def test_a_gpu_is_told_in_the_words_of_nvidia_smi() -> None:
    assert gpu_text({"name": "X 1", "power.limit": "700 W", "clocks.sm": "1"}) == "X 1, power limit 700 W"
    assert gpu_text({}) == ""
