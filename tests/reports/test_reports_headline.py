"""The first screen's sentences."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attention_reports import Run
from attention_reports.headline import interruption, tried, trust, verdict

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
