"""The tables of records whose answer is known."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from attention_reports import Run, write_report
from attention_reports.cells import cells, failures
from attention_reports.registry import LISTED, TABLES, table
from attention_reports.tables import tabulate

Row = Callable[..., dict[str, Any]]
Make = Callable[..., Path]


@pytest.fixture
def own_table() -> Iterator[str]:
    @table("number of checks")
    def number_of_checks(checks: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"how many there are": [len(checks)]})

    yield "number of checks"
    del TABLES["number of checks"]
    LISTED.remove("number of checks")


def test_a_cell_is_the_worst_outcome_over_dtypes(make_run: Make, row: Row) -> None:
    rows = [row("a", "p", "agrees", dtype="float64"), row("a", "p", "violates", dtype="float16"), row("b", "p", "agrees")]
    rows += [row("b", "q", "unsupported", dtype="float16"), row("b", "q", "agrees", dtype="float32"), row("c", "", "unavailable")]
    wide = tabulate(Run.load(make_run(checks=rows)), "conformance")
    assert wide.droplevel(["spec", "clause"]).to_dict("index") == {
        "p": {"a": "violates", "b": "agrees"},
        "q": {"a": "", "b": "agrees"},
    }


def test_clauses_are_in_the_order_of_their_numbers(make_run: Make, row: Row) -> None:
    rows = [row("a", name, "agrees", clause=id) for name, id in [("x", "P10"), ("y", "P2"), ("z", "P1")]]
    run = Run.load(make_run(checks=rows))
    assert list(tabulate(run, "conformance").index.get_level_values("clause")) == ["P1", "P2", "P10"]
    assert [cell.id for cell in cells(run)] == ["P1", "P2", "P10"]


def test_counts_leave_out_what_is_about_no_property(make_run: Make, row: Row) -> None:
    rows = [row("a", "p", "agrees"), row("a", "q", "agrees"), row("a", "r", "crashed"), row("b", "", "unavailable")]
    counts = tabulate(Run.load(make_run(checks=rows)), "outcome counts").set_index("outcome")["checks"]
    assert counts[counts > 0].to_dict() == {"crashed": 1, "agrees": 2}


def test_fails_only_here_needs_others_that_agree(make_run: Make, row: Row) -> None:
    rows = [row("a", "p", "violates"), row("b", "p", "agrees"), row("c", "p", "unsupported")]
    rows += [row("a", "q", "violates"), row("b", "q", "violates"), row("a", "r", "violates"), row("b", "r", "unsupported")]
    marked = {(cell.name, cell.implementation): cell.only_here for cell in failures(Run.load(make_run(checks=rows)))}
    assert marked == {("p", "a"): True, ("q", "a"): False, ("q", "b"): False, ("r", "a"): False}


def test_nan_is_the_worst_error_where_something_is_violated(make_run: Make, row: Row) -> None:
    rows = [row("a", "p", "violates", worst_ratio=float("nan"), dtype="float16"), row("a", "p", "agrees", worst_ratio=0.5)]
    (cell,) = cells(Run.load(make_run(checks=rows)))
    assert cell.worst_ratio == float("inf")


def test_the_fastest_is_sound_valid_and_names_whom_it_cannot_be_told_from(make_run: Make, row: Row) -> None:
    def timed(name: str, ratio: float, verdict: str = "FASTER") -> dict[str, Any]:
        interval = {"ratio_low": ratio * 0.9, "ratio_high": ratio * 1.1}
        return {"implementation": name, "workload": "w", "median": ratio, "ratio": ratio, "verdict": verdict, **interval}

    rows = [row(name, "p", "agrees") for name in ("base", "good", "close", "invalid")] + [row("wrong", "p", "violates")]
    timings = [timed("base", 1.0, "BASELINE"), timed("good", 0.5), timed("close", 0.52), timed("wrong", 0.1)]
    run = Run.load(make_run(checks=rows, timings=[*timings, timed("invalid", 0.2, "INVALID")]))
    (best,) = tabulate(run, "fastest").to_dict("records")
    assert (best["implementation"], best["also"]) == ("good", ("close",))


def test_speed_up_turns_the_interval_round(make_run: Make) -> None:
    timings = [{"implementation": "a", "workload": "w", "ratio": 0.5, "ratio_low": 0.25, "ratio_high": 1.0, "median": 1.0}]
    (timing,) = tabulate(Run.load(make_run(timings=timings)), "timings").to_dict("records")
    assert (timing["speedup"], timing["speedup_low"], timing["speedup_high"]) == (2.0, 1.0, 4.0)


def test_agreement_is_symmetric_and_takes_the_largest(make_run: Make) -> None:
    rows = [{"a": "x", "b": "y", "spec": spec, "cases": 1, "worst_ratio": ratio} for spec, ratio in (("s", 0.25), ("t", 0.5))]
    matrix = tabulate(Run.load(make_run(agreement=rows)), "agreement")
    assert matrix.fillna(0).to_numpy().tolist() == [[0, 0.5], [0.5, 0]]


def test_one_that_stands_apart_is_told_once(make_run: Make) -> None:
    pairs = {("a", "b"): 0.5, ("a", "c"): 9.0, ("b", "c"): 8.0, ("a", "d"): float("nan")}
    rows = [{"a": a, "b": b, "spec": "s", "cases": 1, "worst_ratio": ratio} for (a, b), ratio in pairs.items()]
    apart = tabulate(Run.load(make_run(agreement=rows)), "standing apart")
    pairs = {name: set(others) for name, others in zip(apart["implementation"], apart["others"], strict=True)}
    assert pairs in (
        {"a": {"c", "d"}, "b": {"c"}},
        {"a": {"c", "d"}, "c": {"b"}},
        {"c": {"a", "b"}, "a": {"d"}},
        {"c": {"a", "b"}, "d": {"a"}},
    )


def test_precision_is_told_under_the_tightest_model_that_was_met(make_run: Make) -> None:
    def measured(name: str, model: str, worst: float, **more: Any) -> dict[str, Any]:
        return {"implementation": name, "dtype": "bfloat16", "model": model, "worst": worst, **more}

    rows = [
        measured("tighter", "exact", 0.9, tightest=True), measured("tighter", "scores-rounded", 0.2, declared=True),
        measured("none", "exact", 90.0), measured("none", "scores-rounded", 9.0, declared=True),
    ]  # fmt: skip
    rows = tabulate(Run.load(make_run(precision=rows)), "precision")
    assert rows[["implementation", "held_to", "tightest", "worst"]].to_numpy().tolist() == [
        ["tighter", "scores-rounded", "exact", 0.9], ["none", "scores-rounded", "", 9.0],
    ]  # fmt: skip


def test_what_did_not_run_comes_from_both_files(make_run: Make, row: Row) -> None:
    metadata = {"implementations": [{"name": "x", "available": False, "reason": "no x"}, {"name": "y", "available": True}]}
    absent = tabulate(Run.load(make_run(metadata, checks=[row("z", "", "unavailable", message="no z")])), "what did not run")
    assert dict(zip(absent["implementation"], absent["reason"], strict=True)) == {"z": "no z", "x": "no x"}


def test_every_table_copes_with_a_run_that_holds_nothing(make_run: Make) -> None:
    run = Run.load(make_run({}))
    lengths = {name: len(tabulate(run, name)) for name in TABLES}
    always = {"outcome counts": 11, "timing verdicts": 5}
    assert lengths == dict.fromkeys(TABLES, 0) | always


def test_a_new_table_is_one_function(own_table: str, make_run: Make, row: Row) -> None:
    folder = make_run(checks=[row("a", "p", "agrees")])
    assert tabulate(Run.load(folder), own_table)["how many there are"].tolist() == [1]
    assert "how many there are" in write_report(folder).read_text(encoding="utf-8")


def test_a_name_that_is_taken_is_refused(own_table: str) -> None:
    with pytest.raises(ValueError, match="table='number of checks', but should be a new name"):
        table(own_table)(lambda: pd.DataFrame())


def test_a_table_that_is_not_there_is_named_with_those_that_are(make_run: Make) -> None:
    with pytest.raises(KeyError, match="table='speed', but should be one of .*slowest properties"):
        tabulate(Run.load(make_run({})), "speed")


@pytest.mark.parametrize(
    ("cache", "value"),
    [
        ({"state": "warm", "entries": 209}, ["209 files of earlier runs"]),
        ({"state": "cold", "entries": 0}, ["nothing yet"]),
        ({"state": "off", "entries": 0}, ["nothing is kept"]),
        ({"state": "another"}, []),
        ({}, []),
        (None, []),
    ],
)
def test_the_environment_says_what_was_compiled_before(make_run, cache, value):
    about = tabulate(Run.load(make_run(checks=[], metadata={"compilation_cache": cache})), "environment")
    assert list(about[about["fact"] == "compiled before"]["value"]) == value
