"""Properties and an answer of a wrong shape: a violation, and never an error of the property."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attention_harness.conformance.call_seconds import CallSeconds
from attention_harness.conformance.judging import judge
from attention_harness.process.packing import Packed
from attention_implementations.numpy.eager import attention
from attention_specs.attention.inputs import realise
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.property import properties_of
from attention_specs.stopwatch import Stopwatch, running

CASE = Case(Problem(2, 4, 2, 3, 4, 8, 2))


def findings_of(under_test):
    """Id of a property -> its finding on the case."""
    return {finding.property_.id: finding for finding in judge(under_test, realise(CASE), properties_of("attention"))}


def test_an_output_without_an_axis_of_one_is_found_by_who_asks_for_one_column(subject_of):
    def squeezed(q, k, v):
        out = attention(q, k, v)
        return out[..., 0] if v.shape[3] == 1 else out

    findings = findings_of(subject_of(squeezed))
    assert findings["D4"].outcome == "violates"
    assert findings["D4"].verdict.message == "shape of out=(2, 4, 3), but should be (2, 4, 3, 1)"
    assert findings["P4"].outcome == "agrees"


@pytest.mark.parametrize("turn", [lambda lse: lse.swapaxes(1, 2), lambda lse: lse[..., None], lambda lse: lse[0]])
def test_lse_of_another_shape_is_found(turn, subject_of):
    def turned(q, k, v, *, return_lse=False):
        out = attention(q, k, v, return_lse=return_lse)
        return (out[0], turn(out[1])) if return_lse else out

    findings = findings_of(subject_of(turned))
    assert {id for id in ("P6", "D1", "D2") if findings[id].outcome == "violates"} == {"P6", "D1", "D2"}
    assert all(findings[id].verdict.message.startswith("shape of lse=") for id in ("P6", "D1", "D2"))


def test_an_array_of_a_case_is_packed_once(subject_of):
    requests, under_test = [], subject_of(attention)
    call = under_test.worker.call
    under_test.worker.call = lambda request: requests.append(request) or call(request)
    x = realise(CASE)
    under_test(x)
    under_test(x.replace(q=-x.q))
    under_test.forget()
    under_test(x)
    first, second, third = requests
    assert first.arrays["k"] is second.arrays["k"]
    assert first.arrays["q"] != second.arrays["q"]
    assert third.arrays["k"] is not first.arrays["k"]


def test_an_answer_is_forgotten_and_the_right_one_kept(subject_of):
    under_test, x = subject_of(attention), realise(CASE)
    out, expected = under_test(x), under_test.expected(x)
    assert under_test(x) is out
    under_test.forget_answers()
    assert under_test(x) is not out
    assert under_test.expected(x) is expected
    under_test.forget()
    assert under_test.expected(x) is not expected


def test_mask_as_an_option_is_part_of_the_request(subject_of):
    requests, under_test = [], subject_of(attention)
    call = under_test.worker.call
    under_test.worker.call = lambda request: requests.append(request) or call(request)
    under_test(realise(CASE).replace(mask=np.ones((1, 1, 3, 4), bool), scale=0.5))
    options = requests[0].options
    assert isinstance(options["mask"], Packed)
    assert options["scale"] == 0.5


def test_calls_with_new_shapes_are_booked_apart_where_each_is_compiled(subject_of):
    under_test, x = subject_of(attention), realise(CASE)
    call, stopwatch = under_test.worker.call, Stopwatch()
    under_test.worker.call = lambda request: replace(call(request), seconds=1000.0)
    with running(stopwatch):
        under_test.again(x)
        under_test.seconds = CallSeconds(compiles=True)
        for other in (x, x.replace(q=-x.q), x.replace(scale=0.5), x.replace(q=x.q[:, :, :1])):
            under_test.again(other)
    thousands = {part: round(seconds / 1000) for part, seconds in stopwatch.seconds.items() if seconds > 500}
    assert thousands == {"calls": 2, "first calls": 3}
