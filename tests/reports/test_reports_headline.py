"""The first screen's sentences."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from attention_reports import Run, markdown, print_checks, print_timings
from attention_reports.headline import budget, interruption, tried, trust, verdict
from attention_reports.page import render

DONE = {"complete": True}


@pytest.mark.parametrize(
    ("outcomes", "sentence", "tone"),
    [
        (["agrees"], "a agrees with the specification.", "good"),
        (["agrees", "agrees"], "Both implementations agree with the specification.", "good"),
        (["agrees"] * 3, "All 3 implementations agree with the specification.", "good"),
        (["agrees", "agrees", "violates"], "2 of 3 implementations agree with the specification; 1 violates it: c.", "bad"),
        (["agrees", "violates", "unavailable"], "1 of 2 implementations agrees with the specification; 1 violates it: b.", "bad"),
        (
            ["agrees", "violates", "violates", "crashed"],
            "1 of 4 implementations agrees with the specification; 2 violate it: b and c; 1 crashed: d.",
            "bad",
        ),
        (["violates"], "a does not agree with the specification.", "bad"),
        (["crashed"], "a does not agree with the specification: it crashed.", "bad"),
        (["timed-out"] * 2, "None of 2 implementations agrees with the specification; 2 timed out: a and b.", "bad"),
        (["unavailable"] * 2, "Nothing could be judged: 2 implementations did not run (no such module).", "open"),
        (["vacuous"], "Nothing could be judged: a was tried on vacuous cases only.", "open"),
        (["unsupported"] * 2, "Nothing could be judged: a and b support nothing that was tried.", "open"),
        ([], "Nothing could be judged: no check was recorded.", "open"),
    ],
)
def test_the_verdict_is_one_sentence(
    make_run: Callable[..., Path], row: Callable[..., dict[str, Any]], outcomes: list[str], sentence: str, tone: str
) -> None:
    names = zip("abcd", outcomes, strict=False)
    rows = [row(name, "" if o == "unavailable" else "p", o, message="no such module") for name, o in names]
    result = verdict(Run.load(make_run(DONE, **({"checks": rows} if rows else {}))))
    assert (result.sentence, result.tone) == (sentence, tone)


def test_a_check_that_its_time_ended_is_said(make_run: Callable[..., Path], row: Callable[..., dict[str, Any]]) -> None:
    left_out = {"a": "its check ended after 180 s, since a call takes 0.2 s: 41 further cases were not tried"}
    run = Run.load(make_run({**DONE, "unfinished": left_out}, checks=[row("a", "p", "agrees")]))
    assert "a: its check ended after 180 s, since a call takes 0.2 s: 41 further cases were not tried." in tried(run)
    console = Console(file=io.StringIO(), width=200)
    print_checks(run, console)
    assert isinstance(console.file, io.StringIO)
    assert "a: its check ended after 180 s" in console.file.getvalue()


def test_the_verdict_names_the_declared_domain(make_run: Callable[..., Path], row: Callable[..., dict[str, Any]]) -> None:
    declared = {"name": "a", "domain": ["dims == 64", "is_causal == True"], "contiguous": True}
    run = Run.load(make_run(DONE | {"implementations": [declared]}, checks=[row("a", "p", "agrees")]))
    assert verdict(run).sentence == "a agrees with the specification where dims == 64 and is_causal == True."
    asked = "a was asked only where dims == 64 and is_causal == True and with contiguous arrays, as it declares."
    assert asked in tried(run)
    damaged = Run.load(make_run(DONE | {"implementations": [{"name": "a", "domain": 3}]}, checks=[row("a", "p", "agrees")]))
    assert verdict(damaged).sentence == "a agrees with the specification."


def test_an_interrupted_run_is_never_good(make_run: Callable[..., Path], row: Callable[..., dict[str, Any]]) -> None:
    run = Run.load(make_run({}, checks=[row("a", "p", "agrees")]))
    assert verdict(run).sentence == "a agrees with the specification as far as the run got."
    assert verdict(run).tone == "open"
    assert "interrupted" in interruption(run)


@pytest.mark.parametrize(
    ("noise", "word"),
    [({"floor": 0.05, "aa_half_width": 0.01}, "steady"), ({"floor": 0.4, "aa_half_width": 0.2}, "noisy"), (None, "unknown")],
)
def test_noise_decides_how_far_timings_are_trusted(make_run: Callable[..., Path], noise: object, word: str) -> None:
    run = Run.load(make_run({"noise": noise}, timings=[{"implementation": "a", "workload": "w"}]))
    assert trust(run)[0] == word


@pytest.mark.parametrize(
    ("mutation_score", "sentence"),
    [
        (
            {"faults": 1542, "rejected": 1541, "examples": 150, "audited": "2026-11-26"},
            "With 150 examples these properties reject 1,541 of 1,542 planted faults (audit of 2026-11-26).",
        ),
        (
            {"faults": 635, "rejected": 610, "cases": 60, "audited": "2026-11-28"},
            "With seed 0 it rejects 610 of 635 planted faults (audit of 2026-11-28).",
        ),
        ({"faults": 0, "rejected": 0}, ""),
        ({"faults": "many", "rejected": None}, ""),
        (None, ""),
    ],
)
def test_the_run_says_which_faults_it_would_have_caught(
    make_run: Callable[..., Path], row: Callable[..., dict[str, Any]], mutation_score: object, sentence: str
) -> None:
    sentences = tried(Run.load(make_run({**DONE, "mutation_score": mutation_score}, checks=[row("a", "p", "agrees")])))
    assert [one for one in sentences if "planted" in one] == [sentence] * bool(sentence)


def planned(**more: Any) -> dict[str, Any]:
    return {"seconds": 360.0, "before": 236.0, "planned": 106.0, "used": 101.5, "left_out": [], "ended": [], **more}


LEFT_OUT = [
    {"workload": "t5-base-512", "processes": 3, "of": 3, "rounds": None},
    {"workload": "bert-base-128", "processes": 2, "of": 3, "rounds": 10},
]
ENDED = [
    {"workload": "w", "implementation": name, "processes": 1, "reason": reason}
    for name, reason in (("a", "decided"), ("b", "decided"), ("c", "too noisy"))
]


@pytest.mark.parametrize(
    ("plan", "sentences"),
    [
        (None, []),
        (planned(seconds=None), []),
        ("damaged", []),
        ({"seconds": 60, "left_out": "damaged", "ended": [3]}, ["The budget of 60.0 s left nothing out."]),
        (
            planned(),
            ["The budget of 6.0 min left nothing out (3.9 min before the timing, which took 102 s of 106 s)."],
        ),
        (
            planned(left_out=LEFT_OUT),
            [
                "The budget of 6.0 min left out all of t5-base-512 and processes of bert-base-128 (2 of 3); a longer `--budget` "
                "times them (3.9 min before the timing, which took 102 s of 106 s)."
            ],
        ),
        (
            planned(seconds=None, ended=ENDED),
            [
                "3 comparisons ended before the last process, 1 of them because noise hides more than further rounds can show; "
                "their intervals are wider, which pays for the look."
            ],
        ),
    ],
)
def test_a_budget_says_what_it_left_out(make_run: Callable[..., Path], plan: Any, sentences: list[str]) -> None:
    assert budget(Run.load(make_run(metadata={"budget": plan}))) == sentences


def test_a_budget_is_in_each_form_of_the_report_even_if_nothing_was_timed(make_run: Callable[..., Path]) -> None:
    run = Run.load(make_run(metadata={"budget": planned(left_out=LEFT_OUT)}))
    console = Console(file=io.StringIO(), width=1000)
    print_timings(run, console)
    assert isinstance(console.file, io.StringIO)
    for text in (console.file.getvalue(), markdown.render(run), render(run)):
        assert "left out all of t5-base-512" in text
