"""The time of a check: a budget ends it, a slow function gets one, and all kinds of cases have their share."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from attention_harness.conformance.check import check_function
from attention_harness.conformance.conformance_check import ConformanceCheck
from attention_harness.conformance.pace import FEWEST, SLOW, SLOW_BUDGET, Pace, smallest_first
from attention_harness.conformance.plan import Plan
from attention_harness.conformance.settings import Settings
from attention_harness.generation.shapes import BUDGET
from attention_harness.generation.suite import draw_suite, further_suite
from attention_harness.process.in_process import InProcessWorker
from attention_implementations.numpy.eager import attention as eager
from attention_specs.attention.problem import Problem
from attention_specs.case import Case

SETTINGS = Settings(dtypes=("float32",), properties=("output_agrees_with_the_oracle",))


def attention(q, k, v, *, scale=None):
    return eager(q, k, v, scale=scale)


def plan_of(folder, **settings):
    chosen = replace(SETTINGS, **settings)
    return Plan(draw_suite(5, 0, chosen.dtypes), folder, chosen)


def ticking():
    """A clock that goes on by a second with each look."""
    seconds = iter(range(10**9))
    return lambda: float(next(seconds))


def test_a_step_takes_its_own_time_alone():
    pace, clock = Pace(budget=5.0, clock=ticking()), []
    pace.take(lambda: clock.append(pace.clock()))
    for _ in range(10):
        pace.clock()  # others are checked meanwhile
    assert (pace.spent, pace.over) == (2.0, False)
    pace.take(lambda: clock.append(pace.clock()))
    pace.take(lambda: clock.append(pace.clock()))
    assert (pace.spent, pace.over) == (6.0, True)


@pytest.mark.parametrize(
    ("calls", "budget"),
    [
        ([SLOW] * FEWEST, SLOW_BUDGET),
        ([SLOW] * (FEWEST - 1), float("inf")),
        ([SLOW / 2] * FEWEST + [60.0] * (FEWEST - 1), float("inf")),  # a few calls that something else held up
        ([60.0] * FEWEST, SLOW_BUDGET),
    ],
)
def test_a_function_is_slow_by_the_median_of_its_calls(calls, budget):
    pace = Pace()
    pace.measure(calls)
    assert pace.budget == budget
    assert pace.limited == (budget < float("inf"))


def test_a_part_of_the_suite_has_a_part_of_the_budget():
    pace = Pace(parts=3)
    pace.measure([SLOW] * FEWEST)
    assert pace.budget == SLOW_BUDGET / 3


def test_a_budget_of_ones_own_may_be_shorter_than_that_of_slow_functions():
    pace = Pace(budget=7.0)
    pace.measure([1.0] * FEWEST)
    assert pace.budget == 7.0
    assert pace.sentence(3) == "its check ended after 0 s, since a call takes 1 s: 3 further cases were not tried"


def test_the_smallest_of_each_kind_come_first():
    large, small, other = (Case(Problem(query_length=n)) for n in (9, 2, 5))
    assert [case for case, _ in smallest_first([[(large, []), (small, [])], [(other, [])]])] == [small, other, large]


def test_a_check_ends_with_its_budget_and_says_what_was_left_out(tmp_path):
    whole = check_function(InProcessWorker(attention), plan_of(tmp_path))
    part = check_function(InProcessWorker(attention), plan_of(tmp_path, budget=1e-9))
    assert whole.unfinished == ""
    assert "further cases were not tried" in part.unfinished
    assert part.asked < whole.asked
    assert not part.wrong


def test_a_slow_function_is_asked_the_smallest_cases_first(tmp_path, monkeypatch):
    plan, orders = plan_of(tmp_path), []
    cases = ConformanceCheck.__init__.__globals__["Schedule"].cases
    monkeypatch.setattr(
        "attention_harness.conformance.schedule.Schedule.cases",
        lambda self, smallest=False: orders.append(smallest) or cases(self, smallest),
    )
    worker = InProcessWorker(attention)
    check_function(worker, plan)
    call = worker.call
    worker.call = lambda request: replace(call(request), seconds=SLOW)
    result = check_function(worker, plan)
    assert orders == [False, True]
    assert result.right
    assert result.unfinished == ""  # the calls only said that they were slow: the time was not up


def test_all_cases_are_asked_in_either_order(tmp_path):
    plan = plan_of(tmp_path)
    fast, slow = (
        check_function(InProcessWorker(attention), replace(plan, settings=replace(SETTINGS, budget=b))) for b in (None, 1e9)
    )
    assert [replace(row, seconds=0) for row in fast.rows] == [replace(row, seconds=0) for row in slow.rows]


def asked_of(function, plan):
    """The problems that a function is asked, in their order."""
    worker, asked = InProcessWorker(function), []
    call = worker.call
    worker.call = lambda request: asked.append(request.kind) or call(request)
    return check_function(worker, plan), asked


def test_a_check_goes_on_with_cases_of_further_seeds(tmp_path, monkeypatch):
    """For as many looks at the clock as there are seconds."""
    monkeypatch.setattr("attention_harness.conformance.conformance_check.Pace", partial(Pace, clock=ticking()))
    whole, asked = asked_of(attention, plan_of(tmp_path))
    more, asked_more = asked_of(attention, plan_of(tmp_path, go_on=whole.asked + 300.0))
    assert (whole.further, more.right) == (0, True)
    assert more.further > 100
    assert asked_more[: len(asked)] == asked
    assert more.covered == whole.covered  # what would grow with the cases is not kept
    assert sum(row.cases for row in more.rows) > sum(row.cases for row in whole.rows) + 100


def test_it_goes_no_further_once_something_has_failed(tmp_path, monkeypatch):
    monkeypatch.setattr("attention_harness.conformance.conformance_check.Pace", partial(Pace, clock=ticking()))

    def wrong_once_behind_the_suite(q, k, v):
        calls.append(q)
        return eager(q, k, v) + (len(calls) == known + 50)

    calls, known = [], 10**9
    whole, asked = asked_of(wrong_once_behind_the_suite, plan_of(tmp_path))
    calls, known = [], len(asked)
    more, _ = asked_of(wrong_once_behind_the_suite, plan_of(tmp_path, go_on=10**6))
    assert (whole.wrong, more.wrong) == (False, True)
    assert 0 < more.further <= 50


def test_further_suites_have_other_cases_and_larger_ones_with_time():
    first, second, late = (further_suite(n, 40, 0, ("float32",))["attention"] for n in (1, 2, 60))
    ids = [{case.id for case in suite.drawn} for suite in (first, second)]
    assert not ids[0] & ids[1]
    scores = [
        max(
            case.problem.batch * case.problem.query_heads * case.problem.query_length * case.problem.key_length
            for case in s.drawn
        )
        for s in (first, late)
    ]
    assert scores[0] <= BUDGET < scores[1] <= 64 * BUDGET


@pytest.mark.parametrize(("jobs", "implementations", "seconds"), [(2, 1, 60.0), (2, 2, 60.0), (2, 6, 20.0), (8, 4, 60.0)])
def test_the_time_of_a_check_is_shared(jobs, implementations, seconds):
    assert Settings(jobs=jobs, go_on=60.0).of_each(implementations).go_on == seconds


def test_the_sentence_says_apart_what_went_into_compiling():
    pace = Pace(budget=10.0)
    pace.spent = 12.0
    pace.measure([SLOW] * FEWEST, 7.6)
    assert pace.sentence(3).startswith(
        f"its check ended after 12 s, of which 8 s went into compiling, since a call takes {SLOW} s"
    )
    pace.measure([SLOW] * FEWEST)
    assert "compiling" not in pace.sentence(3)
