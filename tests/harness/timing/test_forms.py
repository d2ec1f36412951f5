"""A function in its own form is timed on arrays in that form, and its output read back; outside of its domain it has no time."""

from __future__ import annotations

import numpy as np
import pytest

from attention_harness.registry.call_form import in_contract_form
from attention_harness.registry.loading import describe
from attention_harness.timing.measure.candidate import Candidate
from attention_implementations.numpy.eager import attention as eager
from attention_implementations.numpy.fp8_cache import attention as fp8_cache
from attention_specs.attention.inputs import realise
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.contract import declares

X = realise(Case(Problem(query_heads=2, key_heads=2, query_length=3, key_length=5, head_dim=4, value_dim=4, is_causal=True)))


@declares(layout="lhd", returns=("out", "rest"), names={"mask": "hidden"}, mask_means="hidden", domain=("lengths <= 5",))
def theirs(q, k, v, hidden):
    """[L, H, D], with the mask that has to be given."""
    assert q.flags.c_contiguous
    q, k, v = (a.swapaxes(0, 1)[None] for a in (q, k, v))
    return eager(q, k, v, mask=~hidden)[0].swapaxes(0, 1), None


def candidate(function):
    description = describe(function, "theirs")
    return Candidate(in_contract_form(function, description), description)


def test_a_function_is_timed_in_its_own_form():
    timed = candidate(theirs)
    timed.open([X])
    for number in range(2):
        timed.fill(number)
        assert np.array_equal(timed.output(timed.call(0))["out"], eager(X.q, X.k, X.v, is_causal=True))


def test_stored_arrays_come_with_their_scales():
    timed = candidate(fp8_cache)
    timed.open([X])
    x = X.as_declared(timed.description)
    for number in range(2):
        timed.fill(number)
        assert np.array_equal(timed.output(timed.call(0))["out"], eager(x.q, x.k, x.v, is_causal=True))


def test_outside_of_its_domain_it_has_no_time():
    with pytest.raises(NotImplementedError, match="outside of the declared domain, lengths <= 5"):
        candidate(theirs).open([X.replace(k=np.zeros((1, 2, 6, 4), "float32"), v=np.zeros((1, 2, 6, 4), "float32"))])
