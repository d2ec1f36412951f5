"""Rows of very low and very high scores by queries and keys alone."""

import numpy as np
import pytest

from attention_harness.generation.edge_cases import EDGE_CASES
from attention_specs.attention.inputs import realise
from attention_specs.attention.oracle import attention
from attention_specs.attention.problem import Problem
from attention_specs.attention.recipes import LEVELS, ROWS_AT
from attention_specs.attention.spec import expect
from attention_specs.case import Case
from attention_specs.contract import Conventions
from attention_specs.formats import DTYPES


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("level", [sign * size for size in LEVELS for sign in (-1, 1)])
def test_all_scores_of_a_row_are_at_the_level_as_far_as_the_dtype_allows(level, dtype):
    x = realise(Case(Problem(1, 2, 2, 3, 5, 1, 4, dtype), ROWS_AT[level]))
    scores = attention(x).scores
    assert (np.sign(scores) == np.sign(level)).all()
    sizes = np.abs(scores)
    wanted = min(abs(level), 5.1e4) if dtype == "float16" else abs(level)
    assert (sizes > wanted / 2).all()
    assert (sizes < 2 * wanted).all()


@pytest.mark.parametrize("scale", [-1.0, 0.0, 2.0, None])
def test_the_sign_of_a_scale_does_not_turn_a_level_round(scale):
    x = realise(Case(Problem(1, 1, 1, 3, 5, 8, 4, scale=scale), ROWS_AT[-1.1e4]))
    scores = attention(x).scores
    assert (scores <= (0 if scale == 0 else -5e3)).all()


@pytest.mark.parametrize("recipe", ["low_scores", "high_scores"])
def test_a_drawn_level_comes_in_rows_in_tiles_and_in_single_keys(recipe):
    places = set()
    for seed in range(300):
        x = realise(Case(Problem(1, 1, 1, 1, 100, 8, 4), recipe, seed))
        there = np.abs(attention(x).scores[0, 0, 0]) > 100
        places.add((bool(there[0]), bool(there[-1]), int(there.sum())))
    assert {(True, True, 100), (True, False, 16), (False, True, 16)} <= places
    assert any(number == 1 for _, _, number in places)
    assert any(number == 99 for _, _, number in places)


def test_edge_cases_meet_every_level_causal_and_beside_a_hidden_key_without_groups():
    cases = [case for case in EDGE_CASES["attention"] if case.recipe in ROWS_AT.values()]
    assert all(case.problem.query_heads == case.problem.key_heads for case in cases)
    low = {ROWS_AT[-level] for level in LEVELS}
    assert {case.recipe for case in cases if case.problem.is_causal} == low
    assert {case.recipe for case in cases if case.problem.mask and case.problem.head_dim == 1} == low


def test_an_lse_may_be_off_by_all_that_rounding_does_to_the_scores_of_its_row():
    """Operands of 11 bits are off by 2^-12 each: far more than the exponential of anything can hold."""
    x = realise(Case(Problem(1, 1, 1, 1, 1, 1, 1, scale=100.0), ROWS_AT[-1e6]))
    expected = expect(x, Conventions(), "tf32-inputs")
    shorter = [np.float64(np.float32(a.item())) * (1 + 2.0**-12) for a in (x.q, x.k)]
    off = np.abs(100.0 * np.prod(shorter) - expected.lse.item())
    assert off > 690
    assert off <= expected.lse_bound.item()


def test_an_lse_of_usual_scores_is_no_looser():
    x = realise(Case(Problem(1, 1, 1, 1, 5, 8, 1), "normal"))
    bounds = expect(x, Conventions(), "exact").bounds
    assert bounds.lse.item() < bounds.scores.max() * 10
