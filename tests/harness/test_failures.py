"""What a failure is: its kind, whether it comes again, and what is not tried after it."""

from __future__ import annotations

import numpy as np
import pytest

from harness.auditing.inside import Inside
from harness.conformance import HANGS, Checking, Plan, load_claims
from harness.evidence import REPEATS
from harness.isolation import Trouble
from harness.judging import Finding
from harness.subject import Subject
from harness.targets import Target
from implementations.numpy_eager import attention
from specs.claims import CLAIMS
from specs.judge import Verdict
from specs.problem import Case, Problem

load_claims()
ORACLE = "output_agrees_with_the_oracle"
CASES = [Case(Problem(1, 2, 1, 2, n, 4, 4), seed=n) for n in range(1, 9)]


def finding(outcome, message):
    return Finding(CLAIMS[ORACLE], outcome, Verdict(np.inf, message))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("violates", "out[0,1]=1.5, but should be 2 exactly"), ("violates", "out[3]=-7e-3, but should be nan"), True),
        (("violates", "out[0,1]=1.5, but should be 2"), ("violates", "out[0,1]=nan, but should be 2"), False),
        (("errored", "ValueError: 3 is too many"), ("errored", "ValueError: 12 is too many"), True),
        (("errored", "ValueError: 3 is too many"), ("errored", "TypeError: 3 is too many"), False),
        (("errored", "ValueError: scale=0"), ("errored", "ValueError: mask"), False),
        (("violates", "out=1"), ("errored", "out=1"), False),
    ],
)
def test_failures_are_told_apart_by_their_kind(one, other, same):
    assert (finding(*one).kind == finding(*other).kind) is same


def rows_of(function, tmp_path, cases=CASES):
    process = Inside(function)
    subject = Subject(process, process.description)
    plan = Plan({"attention": cases}, tmp_path, properties=(ORACLE,), dtypes=("float32",))
    return Checking(subject, Target("mine", "mine.py:f", False), plan, lambda: None)


def test_kinds_are_not_mixed_while_a_failure_is_made_small(tmp_path):
    def refuses(q, k, v, *, scale=None):
        if k.shape[2] > 3 and q.shape[1] > 1:
            raise ValueError("too many keys")
        if k.shape[2] == 2:
            raise RuntimeError("something else")
        return attention(q, k, v, scale=scale)

    rows = rows_of(refuses, tmp_path, CASES[4:]).rows()
    errored = [row.message for row in rows if row.outcome == "errored" and row.dtype == "float32"]
    assert errored
    assert any("too many keys" in message and "Lk=4" in message for message in errored)


def test_a_failure_that_does_not_come_again_is_not_repeatable(tmp_path):
    calls = []

    def once(q, k, v):
        calls.append(1)
        return attention(q, k, v) * (2 if len(calls) == 12 else 1)

    rows = rows_of(once, tmp_path).rows()
    messages = [row.message for row in rows if row.outcome == "violates"]
    assert [message.startswith(f"not repeatable, 1 of {REPEATS + 1} times: ") for message in messages] == [True] * len(messages)
    assert messages


def test_a_failure_that_comes_again_says_nothing_of_repeats(tmp_path):
    rows = rows_of(lambda q, k, v: attention(q, k, v) * 2, tmp_path).rows()
    assert not any("not repeatable" in row.message for row in rows)
    assert "violates" in {row.outcome for row in rows}


def failing_calls(checking, outcome, when):
    """The subject's worker, which fails so from the given calls on."""
    call, calls = checking.subject.worker.call, []

    def fails(request):
        calls.append(1)
        if when(len(calls)):
            raise Trouble(outcome, "it is gone")
        return call(request)

    checking.subject.worker.call = fails
    return calls


def test_after_a_few_time_outs_the_rest_is_not_tried_and_the_report_says_so(tmp_path):
    checking = rows_of(attention, tmp_path)
    calls = failing_calls(checking, "timed-out", lambda number: number > 4)
    rows = checking.rows()
    assert len(calls) == 4 + HANGS + 1  # the last is for the picture of the failing case
    assert any(row.message == f"{HANGS} calls timed out: {len(CASES) - HANGS} further cases were not tried" for row in rows)


def test_two_time_outs_stop_nothing(tmp_path):
    checking = rows_of(attention, tmp_path)
    failing_calls(checking, "timed-out", lambda number: number in (5, 6))
    assert not any("were not tried" in row.message for row in checking.rows())


@pytest.mark.parametrize("outcome", ["crashed", "timed-out", "out-of-memory"])
def test_what_becomes_of_the_first_plain_calls_counts(outcome, tmp_path):
    checking = rows_of(attention, tmp_path)
    failing_calls(checking, outcome, lambda number: number == 1)
    assert outcome in {row.outcome for row in checking.rows()}


def test_an_error_for_one_dtype_alone_is_still_a_refusal(tmp_path):
    checking = rows_of(attention, tmp_path)
    failing_calls(checking, "errored", lambda number: number == 4)
    assert list(checking.refused_dtypes()) == ["float16"]
    assert not checking.tallies
