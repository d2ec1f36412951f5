"""The sentences of an audit's first screen."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attention_reports import Run, markdown
from attention_reports.audit import headline
from attention_reports.headline import unknown

Make = Callable[..., Path]


@pytest.mark.parametrize(
    ("given", "sentence", "tone"),
    [
        ({"faults": 3}, "All 3 planted faults were rejected, and none of 2 controls was accused.", "good"),
        ({"faults": 1}, "The planted fault was rejected, and none of 2 controls was accused.", "good"),
        ({"faults": 2, "controls": 0}, "Both planted faults were rejected.", "good"),
        ({"faults": 9, "survivors": 1}, "1 of 9 planted faults survived: fault 0; none of 2 controls was accused.", "bad"),
        (
            {"faults": 9, "survivors": 6, "accused": 1},
            "6 of 9 planted faults survived: fault 0, fault 1, fault 2 and 3 more; 1 of 2 controls is accused: sound 0.",
            "bad",
        ),
        ({"faults": 3, "accused": 2}, "All 3 planted faults were rejected; 2 of 2 controls are accused: sound 0 and sound 1.", "bad"),
        (
            {"faults": 3, "further": ("hole", "vacuous")},
            "All 3 planted faults were rejected; none of 2 controls was accused; 2 further reasons to fail.",
            "bad",
        ),
        (
            {"faults": 3, "complete": False},
            "All 3 planted faults were rejected, and none of 2 controls was accused as far as the audit got.",
            "open",
        ),
        ({"faults": 0}, "No fault was planted, and none of 2 controls was accused.", "open"),
        ({"faults": 0, "controls": 0}, "Nothing was audited: no fault was recorded.", "open"),
    ],
)  # fmt: skip
def test_the_verdict_is_one_sentence(make_audit: Make, given: dict[str, Any], sentence: str, tone: str) -> None:
    verdict = headline.verdict(Run.load(make_audit(**given)))
    assert (verdict.sentence, verdict.tone) == (sentence, tone)


def test_what_a_green_run_would_have_caught(audit: Path) -> None:
    assert headline.caught(Run.load(audit)) == [
        "6 bugs in 4 classes; 3 are modelled on a bug that somebody reported.",
        "Half of them were rejected within 3 cases and 30.0 ms.",
        "4 of 6 properties were the first to reject some fault.",
    ]


def test_who_is_accused_and_by_what(audit: Path) -> None:
    assert headline.accusing(Run.load(audit)) == [
        "Yes. 3 controls on 513 cases together.",
        "scores in 16 bits is accused by output agrees with the oracle and query rows are independent.",
    ]


def test_what_was_not_tried_is_named(make_run: Make) -> None:
    rows = [{"name": "eager", "accused_by": ""}]
    run = Run.load(
        make_run({"schema": 1, "complete": True, "audit": {"untried": "those of torch were not tried"}}, controls=rows)
    )
    assert headline.accusing(run)[1:] == ["Those of torch were not tried."]


def test_other_checks_are_compared_where_they_ran(audit: Path) -> None:
    assert headline.compared(Run.load(audit)) == [
        "The properties here find 83 % of the faults; by hand 60 % and KernelBench 20 %.",
        "Controls are accused by attention-harness (1 of 3) and by hand (2 of 3).",
    ]


def test_else_a_sentence_names_the_option(quick_audit: Path) -> None:
    (sentence,) = headline.compared(Run.load(quick_audit))
    assert "attention-harness audit --other-checks" in sentence


def test_what_was_not_asked_is_not_there(audit: Path, quick_audit: Path) -> None:
    (sentence,) = headline.idle(Run.load(quick_audit))
    assert sentence.startswith("2 properties never came first: ")


def test_idle_properties_are_of_two_kinds(audit: Path) -> None:
    assert headline.idle(Run.load(audit)) == [
        "1 property rejected nothing at all: weights_sum_to_one.",
        "1 property never came first, never alone: query_rows_are_independent.",
    ]


def test_an_unknown_outcome_of_a_fault_has_a_note(make_run: Make) -> None:
    run = Run.load(make_run(faults=[{"fault": "f", "family": "C01", "killed_by": "p", "outcome": "odd"}]))
    assert "The outcome odd is unknown to this version of the report" in unknown(run)
    assert unknown(run) in markdown.render(run)
    assert headline.verdict(run).sentence == "The planted fault was rejected."
