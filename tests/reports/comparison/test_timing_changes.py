"""Timings of two runs: decided by intervals and floors, and only where they can be compared."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_reports import Comparison, Run, schema
from attention_reports.comparison.headline import conditions, fast, verdict
from attention_reports.comparison.timings import decide, floor

Make = Callable[..., Any]
OPPOSITE = {"SLOWER": "FASTER", "FASTER": "SLOWER"}
NUMBERS = st.floats(-5, 5), st.floats(0, 3), st.floats(0, 3)


def compared(stored: Make, a: list[dict[str, Any]], b: list[dict[str, Any]], **more: Any) -> Comparison:
    return Comparison.load(stored("a", timings=a), stored("b", timings=b, **more))


def test_a_third_more_is_slower_and_exchanged_it_is_faster(stored: Make, timed: Make) -> None:
    comparison = compared(stored, [timed("x", 2.0)], [timed("x", 2.6)])
    (row,) = comparison.timings.to_dict("records")
    assert row["verdict"] == "SLOWER"
    assert round(row["change"], 9) == 1.3
    half = math.sqrt(2) * math.log(1.01)
    assert math.log(row["change_high"] / row["change"]) == pytest.approx(half)
    assert math.log(row["change"] / row["change_low"]) == pytest.approx(half)
    assert comparison.worse and len(comparison.regressions) == 1
    assert verdict(comparison).sentence == "1 of 1 timing became slower."
    swapped = Comparison(comparison.after, comparison.before)
    assert list(swapped.timings["verdict"]) == ["FASTER"] and not swapped.worse
    assert "x takes 1.30 times as long" in fast(comparison)[0]


@pytest.mark.parametrize(
    ("ratio", "width", "verdict"),
    [(1.0, 1.01, "SAME"), (1.04, 1.001, "SAME"), (1.04, 1.1, "UNRESOLVED"), (1.3, 1.5, "UNRESOLVED"), (1.07, 1.01, "SLOWER"), (1.0, math.inf, "UNRESOLVED")],
)  # fmt: skip
def test_small_changes_and_wide_intervals_are_not_slower(
    stored: Make, timed: Make, ratio: float, width: float, verdict: str
) -> None:
    comparison = compared(stored, [timed("x", 1.0, width)], [timed("x", ratio, width)])
    assert list(comparison.timings["verdict"]) == [verdict]


@given(*NUMBERS)
def test_exchanging_the_runs_exchanges_slower_and_faster(change: float, half: float, floor: float) -> None:
    decision = decide(change, half, floor)
    assert decide(-change, half, floor) == OPPOSITE.get(decision, decision)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.floats(0.01, 100)] * 2), st.tuples(*[st.floats(1, 3)] * 2), st.floats(0, 1))
def test_so_does_exchanging_whole_runs(ratios: tuple[float, ...], widths: tuple[float, ...], noise: float) -> None:
    def run(ratio: float, width: float) -> Run:
        row = {
            "workload": "w",
            "implementation": "x",
            "ratio": ratio,
            "ratio_low": ratio / width,
            "ratio_high": ratio * width,
            "verdict": "SAME",
        }
        frames = {name: schema.conform(pd.DataFrame(), columns) for name, columns in schema.FRAMES.items()}
        frames["timings"] = schema.conform(pd.DataFrame([row]), schema.TIMINGS)
        return Run(Path("r"), {"environment": {"cpu": "c"}, "noise": {"floor": noise}}, **frames)

    a, b = (run(ratio, width) for ratio, width in zip(ratios, widths, strict=True))
    there, back = (pair.timings.iloc[0] for pair in (Comparison(a, b), Comparison(b, a)))
    assert back["verdict"] == OPPOSITE.get(there["verdict"], there["verdict"])
    assert back["change"] * there["change"] == pytest.approx(1)


@given(*NUMBERS)
def test_what_is_decided_is_beyond_floor_and_interval(change: float, half: float, floor: float) -> None:
    decision = decide(change, half, floor)
    assert decision not in OPPOSITE or abs(change) > max(half, math.log1p(floor))
    assert decision != "SAME" or math.exp(abs(change) + half) < 1.1001


def test_the_noise_of_either_run_raises_the_floor(stored: Make, timed: Make) -> None:
    noisy = {
        "floor": 0.5,
        "workloads": {"gpt2-small": {"floor": 0.4, "aa_ratio": 1.0}, "other": {"floor": 0.06, "aa_ratio": 1.2}},
    }
    comparison = compared(stored, [timed("x", 1.0)], [timed("x", 1.3)], noise=noisy)
    assert [floor(comparison.after, name) for name in ("gpt2-small", "unknown")] == [0.4, 0.5]
    assert floor(comparison.after, "other") == pytest.approx(0.2)  # the same code looked 20 % slower
    assert floor(comparison.before, "gpt2-small") == 0.05
    (row,) = comparison.timings.to_dict("records")
    assert (row["verdict"], row["smallest_detectable"]) == ("UNRESOLVED", 0.4)
    assert row["reason"] == "the floor hides changes below 40 %"
    assert Comparison(comparison.after, comparison.before).timings["verdict"].iloc[0] == "UNRESOLVED"


@pytest.mark.parametrize("noise", [{}, None, {"floor": None}, {"workloads": []}])
def test_without_a_measure_of_noise_nothing_is_decided(stored: Make, timed: Make, noise: Any) -> None:
    comparison = compared(stored, [timed("x", 1.0)], [timed("x", 9.0)], noise=noise)
    assert list(comparison.timings["verdict"]) == ["UNRESOLVED"]
    assert "no measure of its noise" in comparison.timings["reason"].iloc[0]


ELSEWHERE = [
    ({"cpu": "Intel Xeon"}, "cpu (AMD EPYC; Intel Xeon)"), ({"cores": 64}, "cores (2; 64)"), ({"python": "3.12.0"}, "python"),
    ({"packages": {"numpy": "2.4.7"}}, "numpy (2.4.6; 2.4.7)"), ({"packages": {"numpy": "2.4.6", "torch": "2.13.0"}}, "torch (none; 2.13.0)"),
    ({"variables": {"OMP_NUM_THREADS": "2"}}, "OMP_NUM_THREADS (1; 2)"), ({"variables": {}}, "OMP_NUM_THREADS (1; none)"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "text"), ELSEWHERE, ids=[text for _, text in ELSEWHERE])
def test_another_environment_is_shown_and_not_judged(stored: Make, timed: Make, changed: dict[str, Any], text: str) -> None:
    a = stored("a", timings=[timed("x", 1.0)])
    comparison = Comparison.load(
        a, stored("b", timings=[timed("x", 1.5)], environment=Comparison.load(a, a).before.section("environment") | changed)
    )
    (row,) = comparison.timings.to_dict("records")
    assert row["verdict"] == "NOT JUDGED" and round(row["change"], 9) == 1.5
    assert text in verdict(comparison).sentence and text in conditions(comparison)[0]
    assert not comparison.worse and not comparison.compared


def test_load_and_versions_without_effect_may_differ(stored: Make, timed: Make) -> None:
    a = stored("a", timings=[timed("x", 1.0)])
    machine = Comparison.load(a, a).before.section("environment")
    other = {"load": [9, 9, 9], "packages": {**machine["packages"], "attention-harness": "7", "pandas": "4"}}
    b = stored(
        "b",
        timings=[timed("x", 1.0)],
        environment=machine | other | {"variables": {**machine["variables"], "PYTHONHASHSEED": "3"}},
    )
    assert Comparison.load(a, b).differing == []


def test_runs_that_recorded_no_environment_are_not_judged(stored: Make, timed: Make) -> None:
    a, b = (stored(name, timings=[timed("x", 1.0)], environment=None) for name in "ab")
    assert "neither recorded" in verdict(Comparison.load(a, b)).sentence


def test_what_has_no_time_in_one_run_is_named(stored: Make, timed: Make) -> None:
    invalid, unsupported = ({"verdict": verdict, "reason": "why"} for verdict in ("INVALID", "UNSUPPORTED"))
    a = [
        timed("broke", 1.0),
        timed("fixed", math.nan, **invalid),
        timed("went", 1.0),
        timed("refused", 1.0),
        timed("both", math.nan, **invalid),
    ]
    b = [
        timed("broke", math.nan, **invalid),
        timed("fixed", 1.0),
        timed("came", 1.0),
        timed("refused", math.nan, **unsupported),
        timed("both", math.nan, **invalid),
    ]
    comparison = compared(stored, a, b)
    verdicts = dict(zip(comparison.timings["implementation"], comparison.timings["verdict"], strict=True))
    assert verdicts == {"broke": "BROKE", "fixed": "FIXED", "went": "DISAPPEARED", "came": "APPEARED", "refused": "DISAPPEARED"}
    assert comparison.worse and comparison.timings.iloc[0]["reason"] == "why"
    assert verdict(comparison).sentence == "1 timing became invalid."


@pytest.mark.parametrize("name", ["baseline", "description"])
def test_another_baseline_or_workload_is_not_judged(stored: Make, timed: Make, name: str) -> None:
    comparison = compared(stored, [timed("x", 1.0)], [timed("x", 3.0, **{name: "another"})])
    assert list(comparison.timings["verdict"]) == ["NOT JUDGED"]
    assert comparison.timings["reason"].iloc[0].startswith(f"another {name}: ")
