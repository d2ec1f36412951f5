"""The time of a check: a budget ends it, a slow function gets one, and all kinds of cases have their share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from attention_harness.conformance.check import check_function
from attention_harness.conformance.conformance_check import ConformanceCheck
from attention_harness.conformance.pace import FEWEST, SLOW, SLOW_BUDGET, Pace, smallest_first
from attention_harness.conformance.plan import Plan
from attention_harness.conformance.settings import Settings
from attention_harness.generation.suite import draw_suite
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
