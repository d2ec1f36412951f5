"""Where causality and windows count from: for each entry by itself, under lengths, caches and masks that stand for rules."""

import numpy as np
import pytest

from attention_specs.attention.inputs import Inputs, realise
from attention_specs.attention.problem import Problem
from attention_specs.attention.spec import lower
from attention_specs.case import Case
from attention_specs.contract import Conventions

BOTH = {"causal_alignment": "bottom-right", "window_alignment": "bottom-right"}
SIDES = ("top-left", "bottom-right")


def seen(x):
    """Cell by cell, by the words of C2."""
    wanted = np.zeros(x.score_shape, bool)
    for b, h, i, j in np.ndindex(*x.score_shape):
        queries = x.q.shape[2] if x.query_lengths is None else x.query_lengths[b]
        keys = x.k.shape[2] if x.key_lengths is None else x.key_lengths[b]
        place = {"top-left": i + (x.past or 0), "bottom-right": i + keys - queries}
        left, right = x.window or (None, None)
        at = place[x.window_alignment]
        wanted[b, h, i, j] = (
            (not x.is_causal or j <= place[x.causal_alignment])
            and (left is None or at - left <= j)
            and (right is None or j <= at + right)
            and i < queries
            and j < keys
        )
    return wanted


@pytest.mark.parametrize("causal", SIDES)
@pytest.mark.parametrize("window", SIDES)
@pytest.mark.parametrize(
    "lengths",
    [{}, {"key_lengths": (9, 4, 0)}, {"query_lengths": (5, 2, 0)}, {"key_lengths": (6, 9, 3), "query_lengths": (5, 1, 4)}],
)
def test_rules_are_those_of_each_entry(causal, window, lengths):
    problem = Problem(3, 2, 1, 5, 9, 2, 2, is_causal=True, window=(3, 1), **lengths)
    x = realise(Case(problem)).under(Conventions(causal_alignment=causal, window_alignment=window))
    assert np.array_equal(x.visible(), seen(x))
    assert np.array_equal(x.with_explicit_mask().visible(), x.visible())


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (
            ("mask", "is_causal", "window", "key_lengths", "query_lengths"),
            {"is_causal", "window", "key_lengths", "query_lengths"},
        ),
        (("mask", "is_causal", "window", "key_lengths"), {"key_lengths"}),
        (("mask", "is_causal", "window"), set()),
        (("mask", "key_lengths", "query_lengths"), {"key_lengths", "query_lengths"}),
    ],
)
def test_a_rule_that_counts_within_lengths_goes_where_they_go(options, left):
    problem = Problem(2, 1, 1, 4, 6, 2, 2, is_causal=True, window=(2, 0), query_lengths=(4, 2), key_lengths=(6, 5))
    x = realise(Case(problem)).under(Conventions(**BOTH))
    lowered = lower(x, options)
    rules = ("is_causal", "window", "key_lengths", "query_lengths")
    given = {name for name in rules if getattr(lowered, name) is not None and getattr(lowered, name) is not False}
    assert given == left and np.array_equal(lowered.visible(), x.visible())


def test_top_left_rules_stay_options_beside_a_mask_of_lengths():
    x = realise(Case(Problem(2, 1, 1, 4, 6, 2, 2, is_causal=True, key_lengths=(6, 5))))
    assert lower(x, ("mask", "is_causal")).is_causal


def test_a_cache_counts_with_the_lengths():
    x = Inputs(
        *[np.zeros((1, 1, n, 1)) for n in (2, 5, 5)],
        is_causal=True,
        past=3,
        key_lengths=np.array([4]),
        causal_alignment="bottom-right",
    )
    assert x.visible()[0, 0].astype(int).tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]
