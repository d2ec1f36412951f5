"""Outside of a declared domain: a wrong answer is a violation, a refusal or a right answer is none."""

from __future__ import annotations

import numpy as np
import pytest

from attention_harness.conformance.judging import applies, find
from attention_implementations.numpy.eager import attention
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.contract import declares
from attention_specs.property import PROPERTIES

P17 = "outside_of_its_domain_it_refuses_or_is_right"
EVEN = Case(Problem(query_heads=2, key_heads=2, query_length=3, key_length=4, head_dim=4, value_dim=4))


def cuts(q, k, v):
    """An odd key is left out."""
    even = slice(k.shape[2] % 2, None)
    return attention(q, k[:, :, even], v[:, :, even])


def refuses(q, k, v):
    if k.shape[2] % 2:
        raise ValueError("an even number of keys, please")
    return attention(q, k, v)


def answers(q, k, v):
    return attention(q, k, v)


def loses_a_row(q, k, v):
    return attention(q, k, v)[:, :, k.shape[2] % 2 :]


@pytest.mark.parametrize(
    ("function", "outcome"), [(cuts, "violates"), (refuses, "agrees"), (answers, "agrees"), (loses_a_row, "violates")]
)
def test_a_wrong_answer_is_found_and_a_refusal_is_none(function, outcome, subject_of):
    under_test = subject_of(declares(domain=("key_length % 2 == 0",))(function))
    finding = find(under_test, PROPERTIES[P17], under_test.realise(EVEN))
    assert finding.outcome == outcome, finding.verdict.message
    assert (outcome == "agrees") or "out" in finding.verdict.message


def test_it_is_not_asked_of_functions_without_a_domain(subject_of):
    under_test = subject_of(attention)
    assert not applies(under_test, PROPERTIES[P17], under_test.realise(EVEN))


def test_a_call_outside_is_not_made_by_other_properties(subject_of):
    under_test = subject_of(declares(domain=("key_length % 2 == 0",))(cuts))
    x = under_test.realise(EVEN)
    odd = x.replace(k=x.k[:, :, 1:], v=x.v[:, :, 1:])
    for name in ("every_problem_is_answered", "output_agrees_with_the_oracle", P17):
        finding = find(under_test, PROPERTIES[name], odd)
        assert (finding.outcome, finding.verdict.message) == (
            "unsupported",
            "outside of the declared domain, key_length % 2 == 0",
        )


def test_cases_are_moved_inside_unless_their_numbers_are_given(subject_of):
    under_test = subject_of(declares(domain=("key_length % 2 == 0", "batch == 2"))(answers))
    odd = Case(Problem(batch=3, key_length=5, key_lengths=(1, 2, 3)))
    assert under_test.within_its_options(odd).problem == Problem(batch=2, key_length=6)
    given = Case(odd.problem, arrays={"q": np.zeros((3, 1, 1, 1)).tolist()})
    assert under_test.within_its_options(given) == given


def test_contiguous_arrays_alone_are_asked_where_no_others_are_taken(subject_of):
    strided = Case(Problem(), layouts={"q": "every_second"})
    assert subject_of(declares(contiguous=True)(lambda q, k, v: q)).within_its_options(strided).layouts == {}
    assert subject_of(lambda q, k, v: q).within_its_options(strided) == strided
