"""Bugs planted in a backward pass are each rejected by the claim that is there for them; the sound one is not."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from harness.cases import spread
from harness.conformance import load_claims
from harness.drawing import draw
from harness.isolation import Trouble
from harness.judging import applies, judge
from harness.loading import describe
from harness.messages import Failure
from harness.shapes import Shape
from harness.subject import Subject
from harness.worker import Server
from specs.claims import CLAIMS
from specs.inputs import realise

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parent))
import gradient_faults  # noqa: E402

SHAPES = [Shape(2, 4, 2, 5, 7, 8, 8), Shape(1, 2, 1, 17, 33, 16, 4), Shape(2, 2, 2, 1, 4, 4, 4), Shape(2, 6, 2, 3, 20, 4, 8)]
NO_QUERIES = [Shape(2, 2, 2, 0, 4, 4, 4)]
load_claims()


class Here:
    """A worker in this process: the same server, no isolation."""

    def __init__(self, function):
        self.server = Server(function, describe(function, "planted"))

    def call(self, request):
        answer = self.server.answer(request)
        if isinstance(answer, Failure):
            raise Trouble(answer.kind, answer.message)
        return answer


@pytest.fixture(scope="module")
def cases():
    """A few dozen small calls in float32, some of size 0."""
    return draw(spread(SHAPES, ["float32"]), 48, 0) + draw(spread(NO_QUERIES, ["float32"]), 2, 0)


def found(fault, claim, cases):
    """The findings of one claim on all cases, up to the first failure."""
    worker = Here(gradient_faults.planted(fault))
    subject = Subject(worker, worker.server.description)
    for case in cases:
        subject.forget()
        x = realise(subject.spec and case)
        yield from judge(subject, x, [CLAIMS[claim]]) if applies(subject, CLAIMS[claim], x) else ()


def rejected(fault, claim, cases):
    with np.errstate(all="ignore"):
        return any(finding.wrong for finding in found(fault, claim, cases))


@pytest.mark.parametrize("claim", sorted(name for name, claim in CLAIMS.items() if claim.gradient and claim.spec == "attention"))
def test_a_sound_backward_pass_is_not_rejected(claim, cases):
    findings = list(found("", claim, cases))
    assert [finding.verdict.message for finding in findings if finding.wrong] == []
    assert "agrees" in {finding.outcome for finding in findings}


@pytest.mark.parametrize("fault", gradient_faults.FAULTS)
def test_each_fault_is_rejected_by_its_claim(fault, cases):
    assert rejected(fault, gradient_faults.FAULTS[fault], cases)


@pytest.mark.parametrize("fault", gradient_faults.ROW_SUMS)
def test_row_sums_reject_a_wrong_mean_without_an_oracle(fault, cases):
    assert rejected(fault, "score_gradients_sum_to_zero_and_are_zero_where_masked", cases)


def test_who_declares_no_gradient_is_not_asked(cases):
    function = gradient_faults.planted("")
    function.gradient = False
    worker = Here(function)
    subject = Subject(worker, worker.server.description)
    assert not any(applies(subject, claim, realise(cases[0])) for claim in CLAIMS.values() if claim.gradient)
