"""Sizes and orders of rounds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from attention_harness.timing.measure.schedule import FEWEST_ROUNDS, MOST_ROUNDS, SLOT_SECONDS, Size, order, size

calls = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.floats(1e-6, 2.0), min_size=1)


@given(calls, st.floats(0.1, 10))
def test_slots_are_long_enough_and_rounds_fit(steady: dict[str, float], seconds: float) -> None:
    plan = size(steady, seconds)
    assert all(plan.inner[name] * call >= SLOT_SECONDS * 0.999 for name, call in steady.items())
    assert FEWEST_ROUNDS <= plan.rounds <= MOST_ROUNDS and plan.rows >= 1
    row = sum((1 + plan.inner[name]) * call for name, call in steady.items())
    assert plan.rounds * plan.rows * row <= max(seconds, FEWEST_ROUNDS * row) * 1.001


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_each_row_has_each_candidate_once(seed: int, rows: int) -> None:
    slots = order(Size(5, rows, {"a": 1, "b": 2, "c": 3}), 3, np.random.default_rng(seed))
    assert [sorted(slot.name for slot in row) for row in slots] == [["a", "b", "c"]] * rows
    kept = {slot.name: slot.keep for row in slots for slot in row if slot.keep is not None}
    assert set(kept) == set("abc") and all(0 <= kept[name] < inner for name, inner in zip("abc", (1, 2, 3), strict=True))
    assert sum(slot.keep is not None for row in slots for slot in row) == 3
    assert all(0 <= slot.start < 3 for row in slots for slot in row)


def test_orders_differ_from_row_to_row_and_follow_from_the_seed() -> None:
    plan = Size(5, 6, dict.fromkeys("abcdefg", 1))
    first, again = (order(plan, 3, np.random.default_rng(7)) for _ in range(2))
    assert first == again
    assert len({tuple(slot.name for slot in row) for row in first}) > 3


@given(st.floats(1.0, 1000.0))
def test_more_time_makes_more_rounds_and_longer_ones(seconds: float) -> None:
    """Both the median of a round and the interval over rounds become narrower."""
    few, many = (size({"a": 2e-3, "b": 3e-3}, factor * seconds) for factor in (1, 4))
    assert many.rounds >= few.rounds and many.rows >= few.rows and many.rounds * many.rows > few.rounds * few.rows
