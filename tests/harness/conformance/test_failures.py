"""Failures: their kinds, whether they come again, and the cases that stay untried after them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attention_harness.cli.app import main
from attention_harness.conformance.check import Plan, check, load_properties
from attention_harness.conformance.conformance_check import HANGS, ConformanceCheck
from attention_harness.conformance.failures.evidence import AFTER_OTHERS, REPEATS
from attention_harness.conformance.judging import Finding, Tally
from attention_harness.conformance.replay import replay
from attention_harness.conformance.settings import Settings
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import CallFailed, Outcome
from attention_harness.generation.suite import Suite
from attention_harness.process.in_process import InProcessWorker
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import Target
from attention_implementations.numpy.eager import attention
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.judge import Verdict
from attention_specs.masks import Mask
from attention_specs.property import PROPERTIES

load_properties()
CRASHED, ERRORED, VIOLATES = Outcome.CRASHED, Outcome.ERRORED, Outcome.VIOLATES
ORACLE = "output_agrees_with_the_oracle"
CASES = [Case(Problem(1, 2, 1, 2, n, 4, 4), seed=n) for n in range(1, 9)]


def finding(outcome, message):
    return Finding(PROPERTIES[ORACLE], outcome, Verdict(np.inf, message))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("violates", "out[0,1]=1.5, but should be 2 exactly"), ("violates", "out[3]=-7e-3, but should be nan"), True),
        (("violates", "out[0,1]=1.5, but should be 2"), ("violates", "out[0,1]=nan, but should be 2"), False),
        (("errored", "ValueError: 3 is too many"), ("errored", "ValueError: 12 is too many"), True),
        (("errored", "ValueError: 3 is too many"), ("errored", "TypeError: 3 is too many"), False),
        (("errored", "ValueError: scale=0"), ("errored", "ValueError: mask"), False),
        (("errored", "ValueError: shape (2, 3)"), ("errored", "ValueError: shape (2, 3, 4)"), True),
        (("errored", "ValueError: shape (5,)"), ("errored", "ValueError: shape (2, 3)"), True),
        (("errored", "ValueError: 2x3 keys"), ("errored", "ValueError: 10x3x1 keys"), True),
        (("errored", "ValueError: [2, 3] at 0x7fa3c2"), ("errored", "ValueError: [1] at 0x55b0"), True),
        (("violates", "out=1"), ("errored", "out=1"), False),
    ],
)
def test_failures_differ_by_their_kind(one, other, same):
    assert (finding(*one).kind == finding(*other).kind) is same


def rows_of(function, tmp_path, cases=CASES):
    process = InProcessWorker(function)
    under_test = UnderTest(process, process.description)
    plan = Plan({"attention": Suite(drawn=cases)}, tmp_path, Settings(properties=(ORACLE,), dtypes=("float32",)))
    return ConformanceCheck(under_test, Target("mine", "mine.py:f", False), plan)


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


def in_three_ways(q, k, v, *, mask=None, scale=None):
    if scale == 0:
        raise ValueError("scale=0 is refused")
    if mask is not None:
        raise TypeError(f"no mask of shape {mask.shape}")
    out = attention(q, k, v, scale=scale)
    return out if q.shape[1] == k.shape[1] else out * 2


THREE = [
    Case(Problem(1, 2, 1, 3, 9, 4, 4, mask=Mask("key_padding", ((3,),))), seed=1),
    Case(Problem(1, 2, 2, 3, 9, 4, 4, scale=0.0), seed=2),
    Case(Problem(2, 4, 2, 3, 9, 4, 4), seed=3),
    Case(Problem(1, 1, 1, 3, 8, 4, 4, mask=Mask("key_padding", ((3,),))), seed=4),
]


def failures_of(rows):
    """The failures in the rows of float32, the further ones included."""
    failing = [row for row in rows if row.outcome in ("errored", "violates") and row.dtype == "float32"]
    return [failure for row in failing for failure in (row.to_json(), *row.others)]


def test_the_first_failure_hides_no_other(tmp_path):
    failures = failures_of(rows_of(in_three_ways, tmp_path, THREE).rows())
    assert len(failures) == 3
    messages = {one["message"].partition(" [")[0].partition("=")[0] for one in failures}
    assert messages == {"TypeError: no mask of shape (1, 1, 1, 1)", "ValueError: scale", "out[0,0,0,0]"}
    for one in failures:
        assert "Lq=1 Lk=1 D=1 Dv=1" in one["message"]
        assert (tmp_path / "cases" / f"{one['case']}.json").is_file()
        assert one["replay"].endswith(f"{one['case']}.json")
    (beside,) = [one for one in failures if "property" not in one]
    assert ("scale=0" in beside["message"], beside["cases"]) == (True, 1)


def test_failures_in_the_same_words_are_apart_where_they_need_other_options(tmp_path):
    def of_two_options(q, k, v, *, softcap=None, window=None):
        out = attention(q, k, v, softcap=softcap, window=window)
        return out if softcap is None and window is None else out * 2

    cases = [
        Case(Problem(2, 2, 1, 3, 9, 4, 4, window=(3, 1), softcap=5.0), seed=1),
        Case(Problem(2, 2, 1, 3, 9, 4, 4, window=(3, 1)), seed=2),
        Case(Problem(2, 2, 1, 3, 9, 4, 4, softcap=5.0), seed=3),
    ]
    messages = [one["message"] for one in failures_of(rows_of(of_two_options, tmp_path, cases).rows())]
    assert len(messages) == 2
    assert sorted("window" in message for message in messages) == [False, True] == sorted("softcap" in m for m in messages)


def test_one_cause_is_one_failure(tmp_path):
    def twice(q, k, v, *, softcap=None, window=None):
        return attention(q, k, v, softcap=softcap, window=window) * 2

    cases = [*CASES, Case(Problem(2, 2, 1, 3, 9, 4, 4, window=(3, 1), softcap=5.0), seed=1)]
    assert len(failures_of(rows_of(twice, tmp_path, cases).rows())) == 1


def test_a_crash_comes_first_and_one_kind_of_every_outcome_before_the_others():
    tally, case = Tally(), CASES[0]
    for outcome, message in [(ERRORED, "a"), (ERRORED, "b"), (VIOLATES, "out=1"), (ERRORED, "a"), (CRASHED, "gone")]:
        tally.add(case, finding(outcome, message))
    kinds = [[(one.outcome, one.verdict.message) for _, one in kind] for kind in tally.kinds]
    crash, error, wrong, further = [(CRASHED, "gone")], [(ERRORED, "a")] * 2, [(VIOLATES, "out=1")], [(ERRORED, "b")]
    assert kinds == [crash, error, wrong, further]
    assert tally.outcome == "crashed"


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


KEEPING = """
from attention_implementations.numpy.eager import attention as right
KEPT = {}
def kept(q, k, v): return right(q, KEPT.setdefault((k.shape, k.dtype), k.copy()), v)
def third(q, k, v):
    KEPT["calls"] = KEPT.get("calls", 0) + 1
    return right(q, k, v) * (1 + (KEPT["calls"] > 2))
def doubled(q, k, v): return right(q, k, v) * 2
"""


def checked(name, tmp_path, properties=(ORACLE,)):
    (tmp_path / "mine.py").write_text(KEEPING)
    target = Target("mine", f"{tmp_path / 'mine.py'}:{name}", False)
    cases = [replace(case, seed=case.seed + 10 * n) for n in range(3) for case in CASES]
    plan = Plan({"attention": Suite(drawn=cases)}, tmp_path / "run", Settings(properties=properties, dtypes=("float32",)))
    return [row for row in check(target, plan).rows if row.outcome == "violates"]


@pytest.mark.slow
def test_a_failure_that_needs_earlier_calls_says_so_and_its_replay_does_not_agree(tmp_path, capsys):
    (row,) = checked("kept", tmp_path)
    assert row.message.startswith(f"{AFTER_OTHERS}: out[")
    assert main(["replay", row.replay.split()[-1]]) == 3
    assert f"holds alone, and the run said of its failure: {AFTER_OTHERS} [" in capsys.readouterr().out


@pytest.mark.slow
def test_what_fails_by_itself_is_said_to_need_no_other_calls_where_others_do(tmp_path):
    """A relation calls twice: kept keys of the first call show in the second."""
    rows = checked("kept", tmp_path, (ORACLE, "permuting_the_keys_changes_nothing"))
    replayed = {row.clause: (row.message.startswith(AFTER_OTHERS), replay(Path(row.replay.split()[-1])).judged) for row in rows}
    assert replayed["P4"] == (True, False)
    assert all(after != judged for after, judged in replayed.values())


@pytest.mark.slow
def test_each_of_them_is_asked_in_a_process_of_its_own(tmp_path):
    rows = checked("third", tmp_path, (ORACLE, "weights_sum_to_one", "constant_values_come_back"))
    assert [row.message.partition(":")[0] for row in rows] == [AFTER_OTHERS] * 3


def test_what_is_always_wrong_needs_one_process_aside(tmp_path, monkeypatch):
    started = []
    start = Worker.description
    monkeypatch.setattr(Worker, "description", lambda worker: started.append(1) or start(worker))
    rows = checked("doubled", tmp_path, (ORACLE, "weights_sum_to_one", "constant_values_come_back"))
    assert {row.message.partition("[")[0] for row in rows} == {"out", "sum of the weights", "out of constant values"}
    assert len(started) == 2


def failing_calls(checking, outcome, when):
    """Lets the worker fail so at the given calls; returns the list of calls."""
    call, calls = checking.under_test.worker.call, []

    def fails(request):
        calls.append(1)
        if when(len(calls)):
            raise CallFailed(outcome, "it is gone")
        return call(request)

    checking.under_test.worker.call = fails
    return calls


def test_after_a_few_time_outs_the_rest_is_not_tried_and_the_report_says_so(tmp_path):
    checking = rows_of(attention, tmp_path)
    calls = failing_calls(checking, Outcome.TIMED_OUT, lambda number: number > 4)
    rows = checking.rows()
    assert len(calls) == 4 + HANGS + 1  # the last is for the picture of the failing case
    assert any(row.message == f"{HANGS} calls timed out: {len(CASES) - HANGS} further cases were not tried" for row in rows)


def test_two_time_outs_stop_nothing(tmp_path):
    checking = rows_of(attention, tmp_path)
    failing_calls(checking, Outcome.TIMED_OUT, lambda number: number in (5, 6))
    assert not any("were not tried" in row.message for row in checking.rows())


@pytest.mark.parametrize("outcome", [Outcome.CRASHED, Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY])
def test_what_becomes_of_the_first_plain_calls_counts(outcome, tmp_path):
    checking = rows_of(attention, tmp_path)
    failing_calls(checking, outcome, lambda number: number == 1)
    assert outcome in {row.outcome for row in checking.rows()}


def test_an_error_for_one_dtype_alone_is_still_a_refusal(tmp_path):
    checking = rows_of(attention, tmp_path)
    failing_calls(checking, "errored", lambda number: number == 4)
    assert list(checking.refused_dtypes()) == ["float16"]
    assert not checking.tallies
