"""Words and numbers as a reader sees them."""

import math

import pytest

from attention_reports import text


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (1.0, "1.00"), (0.04567, "0.0457"), (12.345, "12.3"), (123.4, "123"), (1234.5, "1,234"), (2.2e-16, "2.2e-16"),
     (math.inf, "∞"), (-math.inf, "−∞"), (math.nan, "n/a")],
)  # fmt: skip
def test_numbers_have_three_digits(value: float, expected: str) -> None:
    assert text.number(value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(2.5e-9, "2.50 ns"), (3e-6, "3.00 µs"), (0.0123, "12.3 ms"), (1.5, "1.50 s"), (180.0, "3.0 min"), (math.nan, "n/a")],
)
def test_durations_have_their_unit(seconds: float, expected: str) -> None:
    assert text.duration(seconds) == expected


@pytest.mark.parametrize(
    ("size", "expected"), [(12.0, "12 B"), (2048.0, "2.00 KiB"), (3.5 * 2**30, "3.50 GiB"), (math.nan, "n/a")]
)
def test_memory_has_its_unit(size: float, expected: str) -> None:
    assert text.memory(size) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("plain ü 名", "plain ü 名"), ("a\x1b[0m", "a\\x1b[0m"), ("a\nb\tc", "a\\nb\\tc"), ("\u202e\u200f", "\\u202e\\u200f"), ("\udcff", "\\udcff"), ("\u2028", "\\u2028")],
)  # fmt: skip
def test_what_draws_nothing_is_spelled_out(raw: str, expected: str) -> None:
    assert text.visible(raw) == expected


def test_lists_end_in_and() -> None:
    assert [text.listed("abcdef"[:n], 4) for n in (0, 1, 2, 3, 6)] == ["", "a", "a and b", "a, b and c", "a, b, c and 3 more"]
