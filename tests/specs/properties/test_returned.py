"""Weights and log-sum-exp of one call are judged by a property of their own."""

from __future__ import annotations

import pytest

from attention_harness.audit.faults import returned
from attention_harness.conformance.judging import judge
from attention_implementations.numpy.eager import attention
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.property import properties_of

CASE = Case(Problem(1, 2, 1, 3, 5, 4, 4), seed=1)


@pytest.mark.parametrize(
    "function, wrong",
    [
        (returned.the_lse_comes_before_the_weights, {"P16"}),
        (returned.returned_weights_lose_a_fiftieth_beside_the_lse, {"P16"}),
        (attention, set()),
    ],
)
def test_what_is_wrong_beside_another_result_is_seen_there_alone(function, wrong, subject_of):
    under_test = subject_of(function)
    findings = list(judge(under_test, under_test.spec.realise(CASE), properties_of("attention")))
    assert {finding.property_.id for finding in findings if finding.wrong} == wrong
    assert "P16" in {finding.property_.id for finding in findings}
