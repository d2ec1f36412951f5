"""Fitted power laws: exact ones come back, units do not matter, and noise is in the interval as often as it says."""

import math
from random import Random
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attention_reports.fits import fit, student

SIZES = st.lists(st.integers(1, 10**5), min_size=3, max_size=9, unique=True)
EXPONENTS = st.floats(-3, 3)
FACTORS = st.floats(1e-6, 1e6)
ROUNDING = 2.0**-30
"""Far above what logarithms and sums of nine numbers round, far below any exponent of interest."""


@given(SIZES, EXPONENTS, FACTORS)
def test_an_exact_power_law_gives_its_exponent_back(sizes: list[int], exponent: float, factor: float) -> None:
    fitted = fit(sizes, [factor * size**exponent for size in sizes])
    assert abs(fitted.exponent - exponent) < ROUNDING * _conditioning(sizes)
    assert fitted.low <= fitted.exponent <= fitted.high < fitted.low + ROUNDING * _conditioning(sizes)
    assert fitted.points == len(sizes)


def _conditioning(sizes: list[int]) -> float:
    """Sizes that lie close together determine an exponent badly."""
    return 1 + 100 / math.log(max(sizes) / min(sizes))


@given(
    st.lists(st.tuples(st.integers(1, 60), st.floats(0.1, 10)), min_size=3, max_size=9, unique_by=lambda pair: pair[0]),
    FACTORS,
    FACTORS,
)
def test_units_of_size_and_time_do_not_matter(points: list[tuple[int, float]], x_unit: float, y_unit: float) -> None:
    x, y = zip(*points, strict=True)
    one, other = fit(x, y), fit([x_unit * a for a in x], [y_unit * b for b in y])
    for before, after in ((one.exponent, other.exponent), (one.low, other.low), (one.high, other.high)):
        assert abs(before - after) < ROUNDING * _conditioning(list(x)) * (1 + abs(before))


@given(SIZES, st.floats(0.5, 2), st.randoms(use_true_random=False))
def test_the_order_of_points_does_not_matter(sizes: list[int], exponent: float, shuffle: Random) -> None:
    pairs = [(size, size**exponent * (1 + place % 3)) for place, size in enumerate(sizes)]
    one = fit(*zip(*pairs, strict=True))
    shuffle.shuffle(pairs)
    assert abs(one.exponent - fit(*zip(*pairs, strict=True)).exponent) < ROUNDING * _conditioning(sizes)


@pytest.mark.parametrize("count", [3, 5, 8])
def test_the_interval_holds_the_exponent_in_95_of_100(count: int) -> None:
    rng = np.random.default_rng(count)
    sizes = 128.0 * 2 ** np.arange(count)
    fitted = [fit(list(sizes), list(sizes**2 * np.exp(rng.normal(0, 0.1, count)))) for _ in range(1000)]
    covered = sum(one.low <= 2 <= one.high for one in fitted)
    assert 920 <= covered <= 980


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([], []),
        ([1, 2], [1, 2]),
        ([1, 2, 3], [1, math.nan, 3]),
        ([1, 2, 3], [1, 0, 3]),
        ([0, 1, 2], [1, 2, 3]),
        ([4, 4, 4], [1, 2, 3]),
    ],
)
def test_fewer_than_three_usable_points_have_no_exponent(x: list[float], y: list[float]) -> None:
    fitted = fit(x, y)
    assert math.isnan(fitted.exponent) and math.isnan(fitted.low) and math.isnan(fitted.high)


@pytest.mark.parametrize(("df", "t"), [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (10, 2.228), (30, 2.042)])
def test_students_t_is_that_of_the_tables(df: int, t: float) -> None:
    assert round(student(df), 3) == t


def test_students_t_tends_to_the_normal() -> None:
    assert round(student(20_000), 2) == round(NormalDist().inv_cdf(0.975), 2)
