"""Failures of one cause are one finding, and the first is the one that explains the most."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from attention_harness.conformance.check import load_properties
from attention_reports import Run, markdown, page, print_checks
from attention_reports.findings import JUDGED_BY_THE_ORACLE, RELATIONS, findings
from attention_specs.property import PROPERTIES

Rows = Callable[..., dict[str, Any]]


def folded(make_run: Callable[..., Path], row: Rows, *failing: str, **more: Any) -> list[tuple[str, list[str]]]:
    """What the clauses that fail in float32 are told as: the clause of each finding, with those that are folded into it."""
    rows = [row("a", f"law_{id}", "violates", clause=id, **more) for id in failing]
    results = findings(Run.load(make_run(checks=rows)))
    return [(finding.head.id, [cell.id for cell in finding.same]) for finding in results]


@pytest.mark.parametrize(
    ("failing", "expected"),
    [
        (("D5", "M1", "P4", "R3", "W4"), [("P4", ["W4", "D5", "M1", "R3"])]),
        (("L9", "L4", "L17"), [("L4", ["L17", "L9"])]),
        (("R3", "W4"), [("W4", ["R3"])]),
        (("R1", "P10", "D6"), [("P10", ["D6", "R1"])]),
        (("G2", "G7", "P4"), [("P4", []), ("G2", ["G7"])]),
        (("G7", "P4"), [("P4", ["G7"])]),
        (("D2", "P6", "P9"), [("P6", ["D2", "P9"])]),
        (("P8", "P7", "S4"), [("P7", ["P8", "S4"])]),
    ],
)
def test_what_the_oracle_judged_comes_first_and_its_relations_are_folded(make_run, row, failing, expected):
    assert folded(make_run, row, *failing) == expected


def test_relations_without_a_wrong_answer_are_findings_of_their_own(make_run, row):
    assert folded(make_run, row, "R7", "M4") == [("M4", []), ("R7", [])]


def test_a_wrong_gradient_explains_no_relation_between_outputs(make_run, row):
    assert folded(make_run, row, "G2", "R7", "P6") == [("P6", []), ("G2", []), ("R7", [])]


def test_what_fails_in_other_dtypes_has_another_cause(make_run, row):
    rows = [
        row("a", "law_P4", "violates", clause="P4", dtype="float16"),
        row("a", "law_R7", "violates", clause="R7", dtype="float64"),
        row("a", "law_R1", "violates", clause="R1", dtype="float16"),
    ]
    results = findings(Run.load(make_run(checks=rows)))
    assert [(f.head.id, [c.id for c in f.same]) for f in results] == [("P4", ["R1"]), ("R7", [])]


def test_the_worst_outcome_comes_first(make_run, row):
    ends = {"P4": "violates", "R1": "errored", "R2": "crashed", "R3": "timed-out", "R4": "out-of-memory"}
    rows = [row("a", f"p_{id}", outcome, clause=id, message=outcome) for id, outcome in ends.items()]
    assert [finding.head.id for finding in findings(Run.load(make_run(checks=rows)))] == ["R2", "R3", "R4", "R1", "P4"]


def test_one_exception_is_one_finding_and_two_are_two(make_run, row):
    rows = [
        row("a", f"p{i}", "errored", clause=f"R{i}", message=f"ValueError: {'axis' if i < 12 else 'mask'} {i} [B={i} float32]")
        for i in range(1, 14)
    ]
    run = Run.load(make_run(checks=rows))
    assert [len(finding.same) for finding in findings(run)] == [10, 1]
    assert findings(run)[0].summary == "10 more properties fail, in the same words: p2, p3, p4, p5, p6 and 5 more"


def test_a_crash_in_one_dtype_is_not_the_error_of_another(make_run, row):
    rows = [row("a", "p", "violates", clause="P4", dtype="float64"), row("a", "p", "crashed", clause="P4", dtype="float16")]
    outcomes = [(finding.head.outcome.name, finding.head.dtypes) for finding in findings(Run.load(make_run(checks=rows)))]
    assert outcomes == [("crashed", ["float16"]), ("violates", ["float64"])]


def test_no_implementation_hides_in_the_finding_of_another(make_run, row):
    rows = [row(name, "p", "violates", clause="P4") for name in "ab"]
    assert [finding.head.implementation for finding in findings(Run.load(make_run(checks=rows)))] == ["a", "b"]


def test_every_clause_that_is_named_is_the_clause_of_a_property():
    load_properties()
    named = {id for clauses in JUDGED_BY_THE_ORACLE.values() for id in clauses} | set(RELATIONS)
    assert named <= {property_.id for property_ in PROPERTIES.values()}
    assert not named & {"R1", "M1", "D3"}


OTHERS = [
    {
        "outcome": "crashed",
        "case": "b",
        "message": "process=killed, but should answer [B=1 float32]",
        "replay": "replay b",
        "cases": 2,
    },
    {
        "outcome": "errored",
        "case": "c",
        "message": "ValueError: no mask of (2, 1) [B=1 float32 mask=m]",
        "replay": "replay c",
        "cases": 1,
    },
]
SCALE = "ValueError: scale=0 is refused [B=1 float32 scale=0.0]"


def test_what_a_property_fails_by_beside_the_first_is_shown_everywhere(make_run, row):
    rows = [
        row("a", "law_P1", "errored", clause="P1", message=SCALE, replay="replay a", others=json.dumps(OTHERS)),
        row("a", "law_P2", "errored", clause="P2", message="ValueError: no mask of (3, 1) [B=2 float32 mask=m]"),
    ]
    run = Run.load(make_run(checks=rows))
    (finding,) = findings(run)
    assert [cell.id for cell in finding.same] == ["P2"]
    assert [other["replay"] for other in finding.others] == ["replay b", "replay c"]
    console = Console(file=io.StringIO(), width=300)
    print_checks(run, console)
    for text in (console.file.getvalue(), page.render(run), markdown.render(run)):
        for other in OTHERS:
            assert f"also {other['outcome']}" in text
            assert other["message"] in text
            assert other["replay"] in text


def test_one_cause_beside_the_first_is_told_once(make_run, row):
    rows = [
        row("a", "law_P1", "errored", clause="P1", dtype=dtype, message=SCALE, others=json.dumps(OTHERS))
        for dtype in ("float32", "float64")
    ]
    (finding,) = findings(Run.load(make_run(checks=rows)))
    assert len(finding.others) == 2


@pytest.mark.parametrize("damaged", ["", "{", "[3]", "{}", '[{"outcome": 3}]', "null"])
def test_what_stands_beside_the_first_may_be_missing_or_damaged(make_run, row, damaged):
    (finding,) = findings(Run.load(make_run(checks=[row("a", "law_P1", "errored", clause="P1", message=SCALE, others=damaged)])))
    assert len(finding.others) == (damaged == '[{"outcome": 3}]')


def test_what_a_failure_looks_like_is_said_once_of_each_implementation(make_run, row):
    reading = {"looks_like": "query head h reads key head h % Hkv"}
    rows = [
        row("a", "law_P4", "violates", clause="P4", dtype="float32", message="out=1, but should be 2 [B=1 Hq=2]"),
        row("a", "law_P4", "violates", clause="P4", dtype="float64", message="out=1, but should be 2 [B=1 Hq=2]", **reading),
        row("a", "law_P6", "violates", clause="P6", message="lse=1, but should be 2 [B=1 Hq=2]", **reading),
        row("a", "law_P7", "violates", clause="P7", message="weights=1, but should be 2 [B=1]", looks_like="mask is ignored"),
        row("b", "law_P4", "violates", clause="P4", message="out=1, but should be 2 [B=1 Hq=2]", **reading),
    ]
    run = Run.load(make_run(checks=rows))
    named = {(finding.head.implementation, finding.head.id): finding.looks_like for finding in findings(run)}
    heads = reading["looks_like"]
    assert named == {("a", "P4"): heads, ("a", "P6"): "", ("a", "P7"): "mask is ignored", ("b", "P4"): heads}
    console = Console(file=io.StringIO(), width=300)
    print_checks(run, console)
    for text in (console.file.getvalue(), markdown.render(run)):
        assert text.count(f"looks like: {heads}") == 2
        assert text.count("looks like: mask is ignored") == 1
    assert f"<dt>looks like</dt><dd>{heads}</dd>" in page.render(run)


def test_a_run_from_before_has_no_explanations(make_run, row):
    (finding,) = findings(Run.load(make_run(checks=[row("a", "law_P1", "errored", clause="P1", message=SCALE)])))
    assert finding.looks_like == ""
