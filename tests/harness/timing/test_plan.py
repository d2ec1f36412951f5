"""A timing with a budget, with made-up rounds and a clock that only moves when a workload is run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from attention_harness.registry.targets import Target
from attention_harness.timing import Bench, Budget, Settings, bench
from attention_harness.timing.analysis.measurements import TWIN, Lap, Measurements
from attention_harness.timing.analysis.statistics import LEVEL
from attention_harness.timing.analysis.stopping import last_level, level_of, look_level
from attention_harness.timing.budget import by_importance
from attention_harness.timing.measure.ceilings import Ceilings
from attention_harness.timing.measure.messages import FirstCalls, RoundResult, WarmUp
from attention_harness.timing.process.session import Session
from attention_harness.timing.workloads import Workload, published
from attention_specs.attention.problem import Problem
from attention_specs.contract import Description

SMALL = Workload("small", "a small one", "nobody", Problem(1, 1, 1, 2, 2, 4, 4))
LARGE = replace(SMALL, name="large", problem=Problem(1, 1, 1, 9, 9, 4, 4))
TELLING = replace(LARGE, name="telling", quick=True)

SECONDS = {"base": 1e-3, TWIN: 1e-3, "twice": 2e-3, "near": 1.02e-3, "quick": 4e-4}
"""Of one call; noise is 1 %."""
START, RUN = 10.0, 20.0
"""Seconds of the start of a process, and of a run of one workload."""


class Clock:
    """Seconds that pass when something is said to take them."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Idle:
    """A process that is never asked."""

    def stop(self) -> None: ...


@dataclass
class MadeUpRun:
    """Stands in for a WorkloadRun: five rounds of one row for all that are still to be timed."""

    session: Session
    expected: object
    measurements: Measurements
    settings: Settings
    replica: int

    def run(self) -> None:
        CLOCK.now += RUN
        done = {*self.measurements.lost, *self.measurements.ended}
        names = [name for name in self.session.descriptions if name not in done]
        RAN.append((self.measurements.workload.name, self.replica, tuple(sorted(names))))
        rng = np.random.default_rng([self.replica, len(self.measurements.workload.name)])
        for _ in range(5):
            seconds = {name: [SECONDS[name] * (1 + 0.01 * rng.standard_normal())] for name in (*names, TWIN)}
            self.measurements.laps.append(Lap(self.replica, "base", RoundResult(seconds, seconds)))
        for name in names:
            self.measurements.ceilings[name].append(Ceilings(1.0, 1.0))
            self.measurements.add_first_calls(name, FirstCalls([1e-3], []), WarmUp(1e-3, 3, True))


CLOCK = Clock()
RAN: list[tuple[str, int, tuple[str, ...]]] = []


def ready(session: Session, meanwhile: Any) -> None:
    """All are loaded at once."""
    CLOCK.now += START
    session.descriptions = {name: Description(name, framework="numpy", device="cpu") for name in session.targets}


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("attention_harness.timing.bench"), "WorkloadRun", MadeUpRun)
    monkeypatch.setattr(Session, "ready", ready)
    CLOCK.now = 0.0
    RAN.clear()


def timed(names: str, workloads: list[Workload], budget: float | None = None, **settings: Any) -> Bench:
    targets = [Target(name, f"made.up:{name}", registered=False) for name in ("base", *names.split())]
    limit = Budget(clock=CLOCK) if budget is None else Budget(budget, CLOCK)
    return bench(targets, workloads, Settings(baseline="base", **settings), start=Idle, budget=limit)  # type: ignore[arg-type]


def ran() -> list[tuple[str, int]]:
    return [(workload, replica) for workload, replica, _ in RAN]


def verdicts(result: Bench) -> dict[tuple[str, str], str]:
    return {(str(row["workload"]), str(row["implementation"])): str(row["verdict"]) for row in result.rows}


def test_the_workloads_of_quick_runs_come_first_and_then_the_small_ones() -> None:
    order = sorted([LARGE, SMALL, TELLING], key=by_importance)
    assert [workload.name for workload in order] == ["telling", "small", "large"]
    assert [workload.quick for workload in sorted(published(), key=by_importance)][:3] == [True] * 3


def test_without_a_budget_all_is_timed_and_nothing_is_left_out() -> None:
    result = timed("near", [LARGE, SMALL])
    assert ran() == [(name, replica) for replica in range(3) for name in ("small", "large")]
    assert [row["workload"] for row in result.rows] == ["large", "large", "small", "small"]  # as they were asked for
    used = 3 * (START + 2 * RUN)
    assert result.budget == {"planned": None, "used": used, "left_out": [], "ended": []}


def test_each_workload_is_timed_once_before_any_is_timed_twice() -> None:
    result = timed("near", [LARGE, SMALL, TELLING], budget=START + 3 * RUN + START + RUN + 1)
    assert ran() == [("telling", 0), ("small", 0), ("large", 0), ("telling", 1)]
    left_out = [{"workload": name, "processes": 2, "of": 3, "rounds": 10} for name in ("small", "large")]
    left_out.append({"workload": "telling", "processes": 1, "of": 3, "rounds": 5})
    assert sorted(result.budget["left_out"], key=str) == sorted(left_out, key=str)  # type: ignore[call-overload]
    assert CLOCK.now <= START + 3 * RUN + START + RUN + 1


def test_a_workload_that_was_never_timed_has_no_row_and_accuses_nobody() -> None:
    result = timed("near", [LARGE, SMALL], budget=START + RUN + 1)
    assert ran() == [("small", 0)] and {row["workload"] for row in result.rows} == {"small"}
    assert {"workload": "large", "processes": 3, "of": 3, "rounds": None} in result.budget["left_out"]  # type: ignore[operator]
    assert "INVALID" not in verdicts(result).values()


def test_a_budget_that_is_spent_times_nothing() -> None:
    result = timed("near", [LARGE, SMALL], budget=0.0)
    assert (ran(), result.rows, result.rounds, result.samples) == ([], [], [], {})
    assert [entry["processes"] for entry in result.budget["left_out"]] == [3, 3]  # type: ignore[attr-defined]


def test_a_candidate_that_is_decided_is_not_timed_again() -> None:
    result = timed("twice near", [SMALL])
    assert [names for _, _, names in RAN] == [("base", "near", "twice"), ("base", "near"), ("base", "near")]
    assert result.budget["ended"] == [{"workload": "small", "implementation": "twice", "processes": 1, "reason": "decided"}]
    assert verdicts(result)["small", "twice"] == "SLOWER"
    by_name = {row["implementation"]: row for row in result.rows}
    assert by_name["twice"]["rounds"] == 5 and by_name["near"]["rounds"] == 15


def test_a_workload_ends_when_all_are_decided() -> None:
    result = timed("twice quick", [SMALL])
    assert ran() == [("small", 0)] and not result.budget["left_out"]
    assert verdicts(result) == {("small", "base"): "BASELINE", ("small", "twice"): "SLOWER", ("small", "quick"): "FASTER"}


def test_a_workload_that_is_decided_is_not_counted_as_left_out() -> None:
    result = timed("twice quick", [SMALL], budget=START + RUN + 1)
    assert not result.budget["left_out"]


@pytest.mark.parametrize("settings", [{"seconds_per_workload": 4.5}, {"quick": True, "replicas": 3}, {"early": False}], ids=str)
def test_given_seconds_quick_runs_and_comparisons_of_runs_are_timed_to_the_end(settings: dict[str, Any]) -> None:
    result = timed("twice", [SMALL], **settings)
    assert [names for _, _, names in RAN] == [("base", "twice")] * 3 and not result.budget["ended"]


def test_the_baseline_alone_is_timed_in_all_processes() -> None:
    timed("", [SMALL])
    assert ran() == [("small", 0), ("small", 1), ("small", 2)]


def test_intervals_are_wider_where_a_look_was_and_only_there() -> None:
    measurements = Measurements(SMALL)
    assert level_of(measurements, "a") == LEVEL
    measurements.end({"a": "decided"}, 2)
    assert level_of(measurements, "a") == LEVEL  # nothing was timed: nothing was looked at
    measurements.laps.append(Lap(0, "base", RoundResult()))
    measurements.end({"a": "decided"}, 2)
    assert (level_of(measurements, "a"), level_of(measurements, "b")) == (look_level(2), last_level(2))


def test_a_run_is_expected_to_take_as_long_as_before() -> None:
    clock = Clock()
    budget = Budget(10.0, clock)
    assert budget.affords("first") and budget.affords("first", fresh=True)
    for workload, seconds in (("first", 2.0), ("second", 5.0)):
        with budget.running(workload):
            clock.now += seconds
    assert budget.used == 7.0
    assert [budget.affords(name) for name in ("first", "second", "third")] == [True, False, False]
    with budget.starting():
        clock.now += 0.75
    assert budget.affords("first") and not budget.affords("first", fresh=True)
