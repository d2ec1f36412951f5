"""The rule that ends comparisons early, on rounds that are made up: no clock is read."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attention_harness.timing.analysis.statistics import LEVEL, Interval, interval, student
from attention_harness.timing.analysis.stopping import DECIDED, TOO_NOISY, last_level, look_level, settled
from attention_harness.timing.analysis.verdicts import decide
from attention_harness.timing.validation import simulated

QUIET = interval([0.001, -0.001, 0.0, 0.002, -0.002])
log_ratios = st.lists(st.floats(-2, 2), min_size=2, max_size=30)


def rounds(ratio: float, width: float, copies: int = 1) -> Interval:
    steps = np.tile([-1.2, -0.3, 0.1, 0.5, 0.9], copies)
    return interval(log(ratio) + width * steps, look_level(2))


@given(st.integers(0, 20))
def test_all_looks_together_have_five_percent_of_false_intervals(looks: int) -> None:
    before = sum(1 - look_level(looks) for _ in range(looks))
    assert before + 1 - last_level(looks) == pytest.approx(1 - LEVEL)


@given(log_ratios, st.floats(0.95, 0.999))
def test_a_p_value_and_its_interval_agree_at_each_level(values: list[float], level: float) -> None:
    estimate = interval(values, level)
    if abs(abs(log(estimate.ratio)) - estimate.half) > 1e-9:
        assert (estimate.p_value <= 1 - LEVEL) == (not estimate.low <= 1 <= estimate.high)


@given(log_ratios)
def test_an_interval_knows_its_other_levels(values: list[float]) -> None:
    wide = interval(values, 0.99)
    assert wide.half == pytest.approx(wide.half_at(0.99)) and wide.half >= interval(values).half
    assert wide.half_at(LEVEL) == pytest.approx(interval(values).half)


@pytest.mark.parametrize(
    ("ratio", "width", "copies", "left", "reason"),
    [
        (2.0, 0.02, 1, 10, DECIDED), (0.5, 0.02, 1, 10, DECIDED), (1.08, 0.001, 1, 10, ""), (1.0, 0.02, 1, 10, ""),
        (2.0, 0.5, 1, 10, ""), (1.0, 0.5, 1, 20, ""), (1.0, 0.5, 2, 5, TOO_NOISY), (1.0, 0.5, 2, 500, ""), (1.6, 0.5, 2, 5, ""),
        (1.0, 0.5, 1, 0, TOO_NOISY), (1.0, 0.01, 2, 5, ""),
    ],
)  # fmt: skip
def test_what_is_settled(ratio: float, width: float, copies: int, left: float, reason: str) -> None:
    assert settled(rounds(ratio, width, copies), QUIET, left, last_level(2)) == reason


def test_noise_of_the_baseline_against_itself_keeps_all_going() -> None:
    assert settled(rounds(2.0, 0.02), interval([0.5, -0.5, 0.4, -0.4, 0.1]), 10) == ""


def test_one_round_settles_nothing() -> None:
    assert settled(interval([3.0]), QUIET, 10) == ""


@given(log_ratios, st.floats(0, 50))
def test_swapping_the_two_settles_the_same(values: list[float], left: float) -> None:
    one, other = (interval([sign * value for value in values], look_level(2)) for sign in (1, -1))
    assert settled(one, QUIET, left) == settled(other, QUIET, left)


@given(log_ratios, st.floats(0, 50))
def test_the_settled_have_the_verdict_of_their_reason(values: list[float], left: float) -> None:
    estimate = interval(values, look_level(2))
    verdicts = {DECIDED: {"FASTER", "SLOWER"}, TOO_NOISY: {"UNRESOLVED"}}
    if reason := settled(estimate, QUIET, left):
        assert decide(estimate, QUIET).verdict in verdicts[reason]


@pytest.mark.parametrize("tails", [False, True], ids=["normal", "heavy tails"])
@pytest.mark.parametrize("noise", simulated.NOISES)
def test_no_more_verdicts_are_false_with_looks_than_without(noise: float, tails: bool) -> None:
    errors = simulated.errors(1500, 1.0, noise, 5, np.random.default_rng(1), tails)
    assert errors.decided <= errors.plain_decided


@pytest.mark.parametrize(("ratio", "noise", "rounds"), [(1.3, 0.1, 5), (1.15, 0.1, 15), (1.15, 0.02, 5), (1.15, 0.4, 15)])
def test_intervals_contain_the_ratio_although_the_rule_looks_at_it(ratio: float, noise: float, rounds: int) -> None:
    """At ratios at which a look ends about half of the comparisons, where looking does the most harm."""
    errors = simulated.errors(1500, ratio, noise, rounds, np.random.default_rng(2))
    assert errors.ended > 0.05
    assert errors.missed <= 1 - LEVEL
    assert abs(errors.shift) < student(3 * rounds - 1) / 8
