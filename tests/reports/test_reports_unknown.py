"""An outcome of a newer harness ends no report: it fails under its own name, and a note says so."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from attention_reports import Comparison, Run, outcomes, print_checks, write_comparison, write_report
from attention_reports.headline import verdict

NOTE = "is unknown to this version of the report, and counted as failing"
MEANING = "unknown to this version of the report"
Make = Callable[..., Path]
MakeRow = Callable[..., dict[str, Any]]


@pytest.fixture
def newer(make_run: Make, row: MakeRow) -> Path:
    return make_run(checks=[row("a", "p", "dizzy", message="it turned"), row("b", "p", "agrees")])


def test_it_is_a_failure_under_its_own_name(newer: Path) -> None:
    result = verdict(Run.load(newer))
    assert result.sentence == "1 of 2 implementations agrees with the specification; 1 has the unknown outcome dizzy: a."
    assert result.tone == "bad"


def test_page_and_comment_show_it_with_one_note(newer: Path) -> None:
    page = write_report(newer).read_text(encoding="utf-8")
    comment = (newer / "report.md").read_text(encoding="utf-8")
    assert page.count(NOTE) == comment.count(NOTE) == 1
    assert f"dizzy: {MEANING}" in page
    assert '<td class="foreign only"' in page
    assert "**a** dizzy: p (float32)" in comment
    assert outcomes.named("dizzy").sign not in {outcome.sign for outcome in outcomes.ALL}


def test_a_terminal_shows_it(newer: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    print_checks(Run.load(newer), console)
    text = console.file.getvalue()
    assert f"The outcome dizzy {NOTE}" in text
    assert "a dizzy: p (float32, fails only here)\n  it turned\n  next: Write the report with the version" in text


def test_a_failure_without_a_dtype_has_no_empty_brackets(make_run: Make, row: MakeRow) -> None:
    run = make_run(checks=[row("a", "p", "dizzy", dtype="", message="it turned"), row("b", "q", "agrees")])
    console = Console(file=io.StringIO(), width=200)
    print_checks(Run.load(run), console)
    write_report(run)
    assert "a dizzy: p\n" in console.file.getvalue()
    assert "**a** dizzy: p, " in (run / "report.md").read_text(encoding="utf-8")


def test_it_breaks_a_property_in_a_comparison(tmp_path: Path, make_run: Make, row: MakeRow) -> None:
    before = make_run(checks=[row("a", "p", "agrees")]).rename(tmp_path / "before")
    comparison = Comparison.load(before, make_run(checks=[row("a", "p", "dizzy")]))
    assert comparison.worse
    assert NOTE in write_comparison(comparison, tmp_path).read_text(encoding="utf-8")


def test_no_outcome_at_all_is_one_that_is_unknown(make_run: Make, row: MakeRow) -> None:
    assert Run.load(make_run(checks=[row("a", "p", "")])).unknown_outcomes == [outcomes.MISSING]


@pytest.mark.parametrize("name", ["cases", "standing", "<b>", "agrees violates", "|"])
def test_no_name_ends_the_report(make_run: Make, row: MakeRow, name: str) -> None:
    folder = make_run(checks=[row("a", "p", name)])
    page = write_report(folder).read_text(encoding="utf-8")
    assert NOTE in page
    assert "<b>:" not in page


def test_it_stands_behind_known_failures_and_before_all_else() -> None:
    ranked = outcomes.ranked(["dizzy", "agrees"])
    assert ranked[ranked.index("dizzy") - 1 :][:3] == ["errored", "dizzy", "waived"]
    assert outcomes.worst(["agrees", "dizzy"]) == "dizzy"
    assert outcomes.worst(["violates", "dizzy"]) == "violates"


@pytest.mark.parametrize("outcome", [*outcomes.ALL, outcomes.named("dizzy")], ids=lambda outcome: outcome.name)
def test_every_outcome_says_what_to_do_next(outcome: outcomes.Outcome) -> None:
    assert outcome.advice.endswith(".")
    assert len(outcome.advice.split()) <= 20
