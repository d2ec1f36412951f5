"""The tables behind the pictures of timings, and the section of the page: there where there is data, and only there."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_reports import Run, schema, write_report, write_table
from attention_reports.drawing.axes import label, looks, ticks
from attention_reports.page import render
from attention_reports.tables import tabulate
from attention_reports.tables.scaling import scaling
from attention_reports.tables.speed_pictures import accuracy_and_speed, factors_of_the_best, first_calls, roofline
from attention_reports.timing.cold import earned
from attention_reports.timing.profile import share

Make = Callable[..., Path]
Grown = Callable[..., list[dict[str, Any]]]


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    usual = {"workload": "w", "dtype": "float32", "direction": "forward", "verdict": "FASTER", "median": 1.0, "ratio": 1.0}
    return schema.conform(pd.DataFrame([{**usual, **row} for row in rows]), schema.TIMINGS)


@pytest.fixture(scope="module")
def timed(whole_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The timings of the complete run and nothing else, which is quick to draw."""
    folder = tmp_path_factory.mktemp("timed")
    (folder / "run.json").write_text("{}", encoding="utf-8")
    write_table(folder, "timings", Run.load(whole_run).timings)
    return Run.load(folder)


@pytest.fixture(scope="module")
def drawn(timed: Run) -> str:
    return section(timed.folder)


def section(folder: Path) -> str:
    return render(Run.load(folder)).partition('<section id="timings">')[2].partition("</section>")[0]


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_exponents_of_time_and_memory_are_those_of_each_sweep_and_direction(grown: Grown) -> None:
    rows = [*grown("a", 2), *grown("b", 1), *grown("a", 1.5, direction="forward+backward")]
    results = {(row["implementation"], row["direction"]): row for row in scaling(frame(rows)).to_dict("records")}
    assert {key: round(row["time exponent"], 9) for key, row in results.items()} == {
        ("a", "forward"): 2, ("b", "forward"): 1, ("a", "forward+backward"): 1.5,
    }  # fmt: skip
    assert {(round(row["memory exponent"], 9), row["points"], row["varied"]) for row in results.values()} == {(1, 3, "length")}


def test_what_is_invalid_or_no_number_is_on_no_line(grown: Grown) -> None:
    rows = [*grown("a", 2, verdict="INVALID"), *grown("b", 2, sweep=""), *grown("c", 2)]
    rows += [{**row, "implementation": "d", "value": math.nan} for row in grown("d", 2)]
    assert list(scaling(frame(rows))["implementation"]) == ["c"]


POINTS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=9)


@settings(max_examples=30)
@given(POINTS)
def test_on_the_front_is_who_is_not_beaten(points: list[tuple[int, int]]) -> None:
    rows = [{"implementation": f"i{n}", "ratio": 1 / speed, "error": error} for n, (speed, error) in enumerate(points)]
    results = accuracy_and_speed(frame(rows)).set_index("implementation")["front"]

    def beats(a: tuple[int, int], b: tuple[int, int]) -> bool:
        return a != b and a[0] >= b[0] and a[1] <= b[1]

    assert {n for n in range(len(points)) if results[f"i{n}"]} == {
        n for n, p in enumerate(points) if not any(beats(q, p) for q in points)
    }


def test_accuracy_and_speed_are_told_over_common_work_alone() -> None:
    rows = [
        {"implementation": "a", "workload": "w", "ratio": 1.0, "error": 1e-7}, {"implementation": "a", "workload": "v", "ratio": 1.0, "error": 9.0},
        {"implementation": "b", "workload": "w", "ratio": 0.25, "error": 2e-7}, {"implementation": "b", "workload": "u", "ratio": 9.0, "error": 9.0},
    ]  # fmt: skip
    results = accuracy_and_speed(frame(rows))
    assert results[["implementation", "workloads", "speedup", "error"]].to_numpy().tolist() == [
        ["a", 1, 1.0, 1e-7],
        ["b", 1, 4.0, 2e-7],
    ]


def test_the_mean_speed_up_is_geometric() -> None:
    rows = [{"implementation": "a", "workload": w, "ratio": ratio, "error": 1.0} for w, ratio in (("w", 0.5), ("v", 2.0))]
    assert accuracy_and_speed(frame(rows))["speedup"].tolist() == [1.0]


@settings(max_examples=30)
@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=6), st.floats(0.01, 100))
def test_factors_are_at_least_one_and_do_not_depend_on_the_baseline(ratios: list[float], unit: float) -> None:
    one, other = (
        factors_of_the_best(frame([{"implementation": f"i{n}", "ratio": r * scale} for n, r in enumerate(ratios)])).to_numpy()
        for scale in (1.0, unit)
    )
    assert one.min() == other.min() == 1
    assert np.abs(np.log(one / other)).max() < 2.0**-40


def test_who_has_no_time_is_within_no_factor() -> None:
    rows = [{"implementation": "a", "workload": w, "ratio": 1.0} for w in "wv"] + [
        {"implementation": "b", "workload": "w", "ratio": 0.5}
    ]
    rows += [
        {"implementation": "b", "workload": "v", "verdict": "INVALID"},
        {"implementation": "c", "workload": "w", "verdict": "INVALID"},
    ]
    factors = factors_of_the_best(frame(rows))
    assert factors.to_numpy().tolist() == [[2, 1], [1, math.inf], [math.inf, math.inf]]
    assert [share(row, tau) for row in factors.to_numpy() for tau in (1.0, 2.0, 1e9)] == [0.5, 1, 1, 0.5, 0.5, 0.5, 0, 0, 0]


def test_members_of_sweeps_count_only_among_themselves() -> None:
    rows = [{"implementation": "a", "workload": "w"}, {"implementation": "a", "workload": "s-1", "sweep": "s"}]
    assert factors_of_the_best(frame(rows)).shape == (1, 1)
    assert factors_of_the_best(frame(rows[1:])).shape == (1, 1)


def test_intensity_is_work_for_each_byte() -> None:
    rows = [{"implementation": "a", "gflops": 2.0, "median": 0.5, "bytes": 1e8}, {"implementation": "b", "gflops": 2.0}]
    assert roofline(frame(rows))[["implementation", "intensity"]].to_numpy().tolist() == [["a", 10.0]]


def test_first_calls_are_medians_and_say_when_they_are_earned_back() -> None:
    rows = [
        {"implementation": "a", "workload": w, "first_call": 2.0, "break_even": calls}
        for w, calls in (("w", 3.2), ("v", 5.2), ("u", math.inf))
    ]
    rows += [
        {"implementation": "b", "first_call": 2.0, "break_even": math.inf},
        {"implementation": "c", "first_call": 2.0},
        {"implementation": "d"},
    ]
    words = {row["implementation"]: earned(row) for row in first_calls(frame(rows)).to_dict("records")}
    assert words == {"a": "earned back after 6 calls", "b": "never earned back", "c": ""}


@given(st.floats(1e-18, 1e12), st.floats(1.5, 1e12))
def test_ticks_are_few_and_within_the_limits(low: float, factor: float) -> None:
    places = ticks(low, low * factor)
    assert len(places) <= 7
    assert all(low <= tick <= low * factor for tick in places) and places == sorted(places)
    assert places or factor < 2.5


def test_looks_differ_and_do_not_depend_on_who_comes_first() -> None:
    names = [f"i{n}" for n in range(42)]
    assert looks(names) == looks(reversed(names))
    assert len({(look["color"], look["marker"]) for look in looks(names).values()}) == 42


def test_a_long_name_keeps_both_ends() -> None:
    assert label("a" * 40 + "b" * 40) == "a" * 15 + "…" + "b" * 14


def test_the_page_has_all_of_it_where_everything_was_measured(drawn: str) -> None:
    for title in (
        "Performance profile",
        "Accuracy against speed",
        "Roofline",
        "First calls and steady calls",
        "Time against length",
        "Speed-ups",
    ):
        assert drawn.count(f"<title>{title}</title>") == 1 + (title == "Time against length")
    for head in ("of peak<br>", "error<", "earned<br>back", "GFLOP/s<br><small>2(D+Dv) a pair"):
        assert f">{head}" in drawn
    assert "with the backward pass" in drawn
    assert "var(--crashed)" in drawn and "#0101" not in drawn


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "gone"),
    [
        ("error", "Accuracy against speed"),
        ("bytes", "Roofline"),
        ("machine_gflops", "Roofline"),
        ("first_call", "First calls"),
        ("sweep", "Time against"),
    ],
)
def test_what_was_not_measured_is_not_there(timed: Run, make_run: Make, column: str, gone: str) -> None:
    rows = timed.timings.drop(columns=column)
    text = section(make_run(timings=rows.to_dict("records")))
    assert f"<title>{gone}" not in text
    assert "<title>Performance profile" in text


@pytest.mark.slow
def test_old_runs_have_their_tables(timed: Run, make_run: Make) -> None:
    old = timed.timings.iloc[:, :23]
    text = section(make_run(timings=old.to_dict("records")))
    assert "of peak" not in text and "earned" not in text
    assert text.count('<article class="workload">') > 1


def test_a_sweep_has_its_picture_its_exponents_and_its_workloads(timed: Run, drawn: str) -> None:
    start = drawn.index("<b>backward</b>")
    assert "forward+backward, 5 workloads" in drawn[start:]
    picture = drawn[drawn.index("<svg", start) : drawn.index("</svg>", start) + 6]
    fits = tabulate(timed, "scaling").query("sweep == 'backward'").to_dict("records")
    assert len(fits) == 3
    for row in fits:
        assert any(t.startswith(f"{row['implementation']}  {row['time exponent']:#.3g}".rstrip(".")) for t in texts(picture))


def test_an_unresolved_cell_is_grey_and_a_failed_one_hatched(timed: Run, drawn: str) -> None:
    picture = drawn[drawn.index("<svg") : drawn.index("</svg>") + 6]
    assert "<title>Speed-ups</title>" in picture and "<pattern" in picture and "fill: var(--muted)" in picture
    rows = timed.timings
    assert (rows["verdict"] == "UNRESOLVED").any() and (rows["verdict"] == "INVALID").any()


@pytest.mark.slow
def test_a_page_of_many_sweeps_draws_some_and_is_small(timed: Run, make_run: Make) -> None:
    rows = timed.timings
    swept = rows[rows["sweep"] == "length"]
    many = [rows, *(swept.assign(sweep=f"s{n}", workload=swept["workload"] + f"-{n}") for n in range(12))]
    page = write_report(make_run(timings=pd.concat(many).to_dict("records")))
    assert page.stat().st_size < 1_000_000
    assert page.read_text(encoding="utf-8").count("<title>Time against length") == 12
