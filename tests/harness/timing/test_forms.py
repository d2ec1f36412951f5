"""A function in its own form is timed on arrays in that form, and its output read back; outside of its domain it has no time."""

from __future__ import annotations

import numpy as np
import pytest

from attention_harness.registry.call_form import in_contract_form
from attention_harness.registry.loading import describe
from attention_harness.timing.measure.candidate import Candidate
from attention_implementations.numpy.cache_append import attention as cache_append
from attention_implementations.numpy.eager import attention as eager
from attention_implementations.numpy.fp8_cache import attention as fp8_cache
from attention_specs.attention import spec
from attention_specs.attention.inputs import realise
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.contract import declares
from attention_specs.judge import within

X = realise(Case(Problem(query_heads=2, key_heads=2, query_length=3, key_length=5, head_dim=4, value_dim=4, is_causal=True)))


@declares(layout="lhd", returns=("out", "rest"), names={"mask": "hidden"}, mask_means="hidden", domain=("lengths <= 5",))
def theirs(q, k, v, hidden):
    """[L, H, D], with the mask that has to be given."""
    assert q.flags.c_contiguous
    q, k, v = (a.swapaxes(0, 1)[None] for a in (q, k, v))
    return eager(q, k, v, mask=~hidden)[0].swapaxes(0, 1), None


@declares(form="cache_append", conventions={"causal_alignment": "bottom-right"})
def spoiling(q, k_pages, v_pages, *, block_table, seqused_k, k_new, v_new, cu_seqlens_k_new, cu_seqlens_q, is_causal=False):
    """Does as it should, and clears the queries."""
    table = {"block_table": block_table, "seqused_k": seqused_k, "cu_seqlens_q": cu_seqlens_q}
    out = cache_append(
        q, k_pages, v_pages, k_new=k_new, v_new=v_new, cu_seqlens_k_new=cu_seqlens_k_new, is_causal=is_causal, **table
    )
    q[...] = 0
    return out


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


@pytest.mark.parametrize(("function", "wrote"), [(cache_append, False), (spoiling, True)])
def test_what_a_form_has_written_is_no_input_that_is_written_to(function, wrote):
    timed = candidate(function)
    timed.open([X])
    expected = spec.expect(timed.asked[0], timed.description.conventions, None)
    for number in range(2):
        assert timed.fill(number) == (wrote and number > 0)
        assert within(timed.output(timed.call(0))["out"], expected.out, expected.bounds.out).holds


def test_outside_of_its_domain_it_has_no_time():
    with pytest.raises(NotImplementedError, match="outside of the declared domain, lengths <= 5"):
        candidate(theirs).open([X.replace(k=np.zeros((1, 2, 6, 4), "float32"), v=np.zeros((1, 2, 6, 4), "float32"))])
