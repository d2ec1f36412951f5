"""Outcomes of two runs: what broke, was fixed, came, went."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attention_reports import Comparison
from attention_reports.comparison.headline import right, verdict

Make = Callable[..., Any]
KINDS = [
    ("agrees", "violates", "broke"), ("vacuous", "crashed", "broke"), ("waived", "violates", "broke"), ("unsupported", "errored", "broke"),
    ("violates", "agrees", "fixed"), ("violates", "crashed", "changed"), ("violates", "vacuous", "changed"), ("violates", "waived", "changed"),
    ("agrees", "vacuous", "changed"), ("agrees", "unsupported", "changed"), ("", "violates", "appeared"), ("agrees", "", "disappeared"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "kind"), KINDS)
def test_a_change_of_outcome_is_of_one_kind(stored: Make, checked: Make, before: str, after: str, kind: str) -> None:
    common = checked("numpy-eager", "another_property", "agrees")
    sides = [[common, *([checked("numpy-eager", "p", outcome)] if outcome else [])] for outcome in (before, after)]
    comparison = Comparison.load(stored("a", checks=sides[0]), stored("b", checks=sides[1]))
    assert list(comparison.checks["change"]) == [kind]
    assert comparison.worse == (kind == "broke")
    assert comparison.common_checks == 1 + bool(before and after)


def test_the_same_run_twice_has_changed_in_nothing(whole_run: Path) -> None:
    comparison = Comparison.load(whole_run, whole_run)
    assert comparison.checks.empty
    assert set(comparison.timings["verdict"]) <= {"SAME", "UNRESOLVED", "BASELINE"}
    assert not comparison.worse and comparison.compared


def test_dtypes_of_one_property_are_one_entry_and_the_replay_line_is_kept(stored: Make, checked: Make) -> None:
    old = [checked("mine", "p", "agrees", dtype=dtype) for dtype in ("float32", "float64")]
    new = [
        checked("mine", "p", "violates", dtype="float32"),
        checked("mine", "p", "violates", dtype="float64", message="m", replay="r"),
    ]
    comparison = Comparison.load(stored("a", checks=old), stored("b", checks=new))
    (cell,) = comparison.broken
    assert (cell["dtypes"], cell["message"], cell["replay"]) == (["float32", "float64"], "m", "r")
    assert verdict(comparison).sentence == "1 property broke."
    assert verdict(comparison).tone == "bad"


def test_what_was_fixed_shows_the_message_of_the_first_run(stored: Make, checked: Make) -> None:
    before = stored("a", checks=[checked("mine", "p", "violates", message="old")])
    comparison = Comparison.load(before, stored("b", checks=[checked("mine", "p", "agrees")]))
    assert comparison.fixed[0]["message"] == "old"
    assert verdict(comparison).sentence == "No property broke, 1 was fixed."
    assert verdict(comparison).tone == "good"


def test_an_implementation_that_is_gone_is_one_line(stored: Make, checked: Make) -> None:
    old = [
        checked("a", "p", "agrees"),
        *(checked("b", prop, "agrees", dtype=d) for prop in ("p", "q") for d in ("float32", "float64")),
    ]
    new = [checked("a", "p", "agrees"), checked("b", "", "unavailable", dtype="", message="no such module")]
    comparison = Comparison.load(stored("a", checks=old), stored("b", checks=new))
    came, went = comparison.moves
    assert (went["change"], went["properties"], went["checks"]) == ("disappeared", ["p", "q"], 4)
    assert (came["after"], came["message"]) == ("unavailable", "no such module")


def test_a_failure_that_only_the_second_run_could_see_is_named(stored: Make, checked: Make) -> None:
    a = stored("a", checks=[checked("x", "p", "agrees")], arguments={"seed": 0})
    b = stored("b", checks=[checked("x", "p", "agrees"), checked("x", "q", "crashed")], arguments={"seed": 1})
    text = " ".join(right(Comparison.load(a, b)))
    assert "1 check that only B made fails." in text
    assert "seed (0; 1)" in text


def test_of_several_rows_of_one_check_the_worst_counts(stored: Make, checked: Make) -> None:
    a = stored("a", checks=[checked("x", "p", "agrees"), checked("x", "p", "violates")])
    assert Comparison.load(a, stored("b", checks=[checked("x", "p", "violates")])).checks.empty
