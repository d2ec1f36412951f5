"""Numbers of options come from their whole range, special ones in half of the draws."""

from random import Random

import pytest
from hypothesis import strategies as st

from attention_harness.generation.numbers import RANGES, number
from attention_harness.generation.sampling import independent
from attention_harness.generation.shapes import Shape
from attention_harness.generation.strategies import bias_choices, cases
from attention_specs.attention.problem import Problem
from attention_specs.case import Case

SHAPE = Shape(1, 2, 1, 5, 40, 8, 8)
LIMITS = {
    "scale": (0.01, 2.0), "softcap": (0.5, 200.0), "sinks": (0.1, 40.0), "noise": (0.05, 50.0), "density": (0.05, 0.99),
    "filler": (50.0, 6e4),
}  # fmt: skip
DRAWS = 60


def drawn(strategy, seed=0):
    """The values of the strategy for a seed, each in a case of its own as in a run."""
    rng = Random(seed)
    carried = strategy.map(lambda value: Case(Problem(), "normal", 0, {}, {"value": value}))
    return [independent(carried, rng.getrandbits(32)).arrays["value"] for _ in range(DRAWS)]


@pytest.mark.parametrize("name", RANGES)
def test_numbers_reach_both_ends_of_their_range_and_never_leave_it(name):
    sizes = [abs(value) for value in drawn(RANGES[name])]
    low, high = LIMITS[name]
    middle = (low * high) ** 0.5
    assert low <= min(sizes) < middle < max(sizes) <= high
    assert len(set(sizes)) > DRAWS / 2


@pytest.mark.parametrize(("name", "negative"), [("scale", (1, 30)), ("sinks", (10, 50)), ("softcap", (0, 0))])
def test_signs_are_those_of_the_option(name, negative):
    below = sum(value < 0 for value in drawn(RANGES[name]))
    assert negative[0] <= below <= negative[1]


def test_special_numbers_come_in_half_of_the_draws():
    @st.composite
    def one(draw):
        return number(draw, "softcap", (30.0, 50.0))

    special = sum(value in (30.0, 50.0) for value in drawn(one()))
    assert DRAWS / 4 < special < 3 * DRAWS / 4


def test_windows_have_widths_between_the_special_ones():
    problems = [independent(cases([SHAPE], ["float32"], options={"window": ("both",)}), seed).problem for seed in range(DRAWS)]
    sides = {side for p in problems for side in p.window}
    assert {0, 16, 40} & sides
    assert sides - {0, 1, 2, 15, 16, 17, 31, 32, 40}


def test_fillers_of_a_bias_are_of_every_size():
    values = {str(bias) for bias in drawn(bias_choices(SHAPE, ["filler"]).map(str))}
    assert len(values) > DRAWS / 3
