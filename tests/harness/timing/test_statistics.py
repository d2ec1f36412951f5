"""Quartiles, Student's t, intervals and verdicts, on numbers that are made up: no clock is read."""

from math import inf, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attention_harness.timing.analysis.statistics import coverage, discoveries, interval, paired, student, summary
from attention_harness.timing.analysis.verdicts import LEAST_FLOOR, decide, noise_floor, smallest_detectable

durations = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=40)
log_ratios = st.lists(st.floats(-2, 2), min_size=2, max_size=30)


@given(durations)
def test_quartiles_are_ordered(samples: list[float]) -> None:
    s = summary(samples)
    assert min(samples) == s.minimum <= s.q1 <= s.median <= s.q3 <= max(samples)


@given(durations, st.randoms())
def test_quartiles_do_not_depend_on_the_order(samples: list[float], random: object) -> None:
    shuffled = list(samples)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert summary(shuffled) == summary(samples)


@given(durations, st.sampled_from([0.25, 0.5, 2.0, 1024.0]))
def test_quartiles_scale_with_the_unit(samples: list[float], factor: float) -> None:
    scaled, plain = summary([factor * one for one in samples]), summary(samples)
    assert (scaled.minimum, scaled.q1, scaled.median, scaled.q3) == tuple(
        factor * one for one in (plain.minimum, plain.q1, plain.median, plain.q3)
    )


def test_no_samples_are_not_a_number() -> None:
    assert isnan(summary([]).median) and isnan(interval([]).ratio)


@pytest.mark.parametrize(
    ("df", "t"), [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (9, 2.262), (10, 2.228), (30, 2.042), (120, 1.980)]
)
def test_student_agrees_with_the_printed_table(df: int, t: float) -> None:
    """Abramowitz and Stegun, table 26.10, A = 0.95."""
    assert student(df) == pytest.approx(t, abs=5e-4)


@given(st.integers(1, 60), st.floats(0, 50), st.floats(0, 50))
def test_student_s_distribution_rises(df: int, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert -1e-12 <= coverage(low, df) <= coverage(high, df) + 1e-12 <= 1 + 2e-12


@given(log_ratios)
def test_the_interval_contains_the_ratio(rounds: list[float]) -> None:
    estimate = interval(rounds)
    assert estimate.low <= estimate.ratio <= estimate.high


@given(log_ratios)
def test_swapping_the_two_inverts_the_interval(rounds: list[float]) -> None:
    estimate, swapped = interval(rounds), interval([-one for one in rounds])
    assert (swapped.ratio, swapped.half) == pytest.approx((1 / estimate.ratio, estimate.half))


@given(durations, st.floats(0.1, 10))
def test_a_pair_does_not_depend_on_the_unit(samples: list[float], unit: float) -> None:
    own, base = [3 * one for one in samples], samples
    assert paired([unit * one for one in own], [unit * one for one in base]) == pytest.approx(np.log(3))


def test_one_round_decides_nothing() -> None:
    estimate = interval([1.0])
    assert (estimate.low, estimate.high, estimate.half) == (0.0, inf, inf)
    assert decide(estimate, interval([0.0, 0.0])).verdict == "UNRESOLVED"


QUIET = interval([0.001, -0.001, 0.0, 0.002, -0.002])


def rounds(ratio: float, width: float = 0.01) -> list[float]:
    return [np.log(ratio) + width * z for z in (-1.2, -0.3, 0.1, 0.5, 0.9)]


@pytest.mark.parametrize(
    ("ratio", "width", "verdict"),
    [
        (2.0, 0.01, "SLOWER"), (0.5, 0.01, "FASTER"), (1.0, 0.01, "SAME"), (1.0, 0.5, "UNRESOLVED"),
        (1.005, 0.001, "SAME"), (1.045, 0.06, "UNRESOLVED"), (1.02, 0.001, "SLOWER"), (1.02, 0.02, "SAME"),
    ],
)  # fmt: skip
def test_verdicts(ratio: float, width: float, verdict: str) -> None:
    decision = decide(interval(rounds(ratio, width)), QUIET)
    assert decision.verdict == verdict
    assert decision.smallest_detectable >= LEAST_FLOOR


def test_the_floor_is_twice_the_noise() -> None:
    noisy = interval(rounds(1.0, 0.1))
    assert noise_floor(QUIET) == LEAST_FLOOR
    assert noise_floor(noisy) == pytest.approx(2 * noisy.half_width)
    assert decide(interval(rounds(1.1, 0.001)), noisy).verdict == "UNRESOLVED"


def test_much_noise_does_not_make_everything_the_same() -> None:
    assert decide(interval(rounds(1.2, 0.01)), interval(rounds(1.0, 0.3))).verdict == "UNRESOLVED"


def test_where_the_baseline_differs_from_itself_nothing_is_decided() -> None:
    decision = decide(interval(rounds(3.0)), interval(rounds(1.5)))
    assert (decision.verdict, "against itself" in decision.reason) == ("UNRESOLVED", True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_few_of_the_discoveries_are_false(p_values: list[float]) -> None:
    """Benjamini and Hochberg's bound, at the largest p that counts: chance gives 5 % of all that count."""
    largest = discoveries(p_values)
    discovered = sum(p <= largest for p in p_values) if largest else 0
    assert largest * len(p_values) <= 0.05 * max(discovered, 0) + 1e-12
    assert largest == 0 or largest in p_values


def test_one_comparison_counts_as_it_is_and_chance_among_many_does_not() -> None:
    assert discoveries([0.049]) == 0.049
    assert discoveries([0.049] + [0.5] * 99) == 0
    assert discoveries([]) == 0


def test_what_is_not_significant_among_many_is_not_decided() -> None:
    estimate = interval(rounds(1.1, 0.05))
    assert 0.001 < estimate.p_value < 0.05
    assert [decide(estimate, QUIET, level).verdict for level in (0.05, 0.001)] == ["SLOWER", "UNRESOLVED"]


@given(log_ratios)
def test_the_p_value_belongs_to_the_interval(rounds: list[float]) -> None:
    estimate = interval(rounds)
    if abs(abs(sum(rounds) / len(rounds)) - estimate.half) > 1e-9:
        assert (estimate.p_value < 0.05) == (not estimate.low <= 1 <= estimate.high)


def test_changes_of_the_printed_size_are_found() -> None:
    """Nine of ten by the derivation; four of five are promised."""
    rng = np.random.default_rng(3)
    size = [rng.normal(0, 0.03, 9) for _ in range(400)]
    changes = [smallest_detectable(interval(one), LEAST_FLOOR) for one in size]
    seen = [decide(interval(rng.normal(0, 0.03, 9) + np.log1p(change)), QUIET).verdict for change in changes]
    assert seen.count("SLOWER") >= 320


def bursty(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Seconds of one candidate: exponential tails, and one slot in ten disturbed by another process."""
    return (1 + 0.02 * rng.exponential(size=rows)) * np.where(rng.random(rows) < 0.1, 1.6, 1.0)


def session(rng: np.random.Generator, factor: float) -> str:
    base, again, own = ([bursty(rng, 6) for _ in range(8)] for _ in range(3))
    same = interval([paired(a, b) for a, b in zip(again, base, strict=True)])
    return decide(interval([paired(factor * a, b) for a, b in zip(own, base, strict=True)]), same).verdict


def test_the_same_code_is_rarely_called_different() -> None:
    rng = np.random.default_rng(1)
    verdicts = [session(rng, 1.0) for _ in range(300)]
    assert sum(verdict in ("FASTER", "SLOWER") for verdict in verdicts) <= 3
    assert verdicts.count("SAME") > 200


@pytest.mark.parametrize(("factor", "verdict"), [(1.25, "SLOWER"), (0.8, "FASTER")])
def test_a_quarter_is_found(factor: float, verdict: str) -> None:
    rng = np.random.default_rng(2)
    assert [session(rng, factor) for _ in range(100)].count(verdict) > 95
