"""Bugs planted in a backward pass are each rejected by the claim that is there for them; the sound one is not."""

from __future__ import annotations

import pytest

from harness.cases import spread
from harness.conformance import load_claims
from harness.drawing import draw
from harness.judging import applies, judge
from harness.shapes import Shape
from specs.claims import CLAIMS
from specs.inputs import realise

pytest.importorskip("torch")
import gradient_faults

SHAPES = [Shape(2, 4, 2, 5, 7, 8, 8), Shape(1, 2, 1, 17, 33, 16, 4), Shape(2, 2, 2, 1, 4, 4, 4), Shape(2, 6, 2, 3, 20, 4, 8)]
NO_QUERIES = [Shape(2, 2, 2, 0, 4, 4, 4)]
load_claims()


@pytest.fixture(scope="module")
def cases():
    """A few dozen small calls in float32, some of size 0."""
    return draw(spread(SHAPES, ["float32"]), 48, 0) + draw(spread(NO_QUERIES, ["float32"]), 2, 0)


@pytest.fixture
def found(subject_of, cases):
    """The findings of one claim on all cases, one after the other."""

    def findings(fault, claim):
        subject = subject_of(gradient_faults.planted(fault))
        for case in cases:
            subject.forget()
            x = realise(case)
            if applies(subject, CLAIMS[claim], x):
                yield from judge(subject, x, [CLAIMS[claim]])

    return findings


@pytest.mark.parametrize("claim", sorted(name for name, claim in CLAIMS.items() if claim.gradient and claim.spec == "attention"))
def test_a_sound_backward_pass_is_not_rejected(claim, found):
    findings = list(found("", claim))
    assert [finding.verdict.message for finding in findings if finding.wrong] == []
    assert "agrees" in {finding.outcome for finding in findings}


@pytest.mark.parametrize("fault", gradient_faults.FAULTS)
def test_each_fault_is_rejected_by_its_claim(fault, found):
    assert any(finding.wrong for finding in found(fault, gradient_faults.FAULTS[fault]))


@pytest.mark.parametrize("fault", gradient_faults.ROW_SUMS)
def test_row_sums_reject_a_wrong_mean_without_an_oracle(fault, found):
    assert any(finding.wrong for finding in found(fault, "score_gradients_sum_to_zero_and_are_zero_where_masked"))


def test_who_declares_no_gradient_is_not_asked(subject_of, cases):
    function = gradient_faults.planted("")
    function.gradient = False
    assert not any(applies(subject_of(function), claim, realise(cases[0])) for claim in CLAIMS.values() if claim.gradient)
