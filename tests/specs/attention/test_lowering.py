"""A mask stands only for the rules for which an implementation has no option of its own."""

from itertools import combinations

import numpy as np
import pytest

from attention_specs.attention.inputs import RULES, Inputs
from attention_specs.attention.spec import Unsupported, call, lower

GIVEN = {
    "is_causal": True,
    "window": (2, 1),
    "query_lengths": np.array([2, 4]),
    "key_lengths": np.array([5, 3]),
}
SUBSETS = [set(names) for n in range(len(GIVEN) + 1) for names in combinations(GIVEN, n)]


def asked(**more):
    q, k = np.zeros((2, 1, 4, 3)), np.zeros((2, 1, 6, 3))
    return Inputs(q, k, k, **GIVEN, **more)


@pytest.mark.parametrize("native", SUBSETS, ids=lambda native: "+".join(sorted(native)))
def test_each_rule_with_an_option_of_its_own_is_passed_natively(native):
    lowered = lower(asked(), {*native, "mask"})
    assert set(call(lowered).options) - {"mask"} == native
    assert (lowered.mask is None) == (native == set(GIVEN))
    assert np.array_equal(lowered.visible(), asked().visible())


@pytest.mark.parametrize("native", SUBSETS, ids=lambda native: "+".join(sorted(native)))
def test_rules_written_out_join_the_mask_that_is_there(native):
    mask = np.arange(6) != 1
    lowered = lower(asked(mask=mask), {*native, "mask"})
    assert np.array_equal(lowered.visible(), asked().visible() & mask)


@pytest.mark.parametrize("native", SUBSETS, ids=lambda native: "+".join(sorted(native)))
def test_a_cache_without_an_option_is_joined_and_what_it_moves_is_written_out(native):
    x = asked(past=2)
    lowered = lower(x, {*native, "mask"})
    assert lowered.past is None
    assert set(call(lowered).options) - {"mask"} == native - {"is_causal", "window"}
    assert np.array_equal(lowered.visible(), x.visible())
    assert not np.array_equal(lowered.visible(), asked().visible()), "the cache moves something"


def test_a_cache_with_an_option_keeps_its_rules():
    lowered = lower(asked(past=2), {*GIVEN, "past_k", "past_v"})
    assert lowered.mask is None
    assert set(call(lowered).options) == {*GIVEN, "past_k", "past_v"}


def test_a_cache_alone_needs_no_mask():
    q, k = np.zeros((1, 1, 1, 3)), np.zeros((1, 1, 6, 3))
    assert lower(Inputs(q, k, k, past=5), ()).mask is None


def test_a_rule_is_said_by_a_bias_where_there_is_no_mask():
    lowered = lower(asked(), {"is_causal", "bias"})
    assert set(call(lowered).options) == {"is_causal", "bias"}
    assert np.array_equal(lowered.visible(), asked().visible())


def test_a_rule_that_nothing_can_say_is_unsupported():
    with pytest.raises(Unsupported, match="not in its signature"):
        lower(asked(), {"is_causal"})


def test_rules_that_are_not_given_write_nothing():
    q, k = np.zeros((1, 1, 2, 3)), np.zeros((1, 1, 2, 3))
    x = Inputs(q, k, k, is_causal=True)
    assert x.written_out([name for name in RULES if name != "is_causal"]) is x
