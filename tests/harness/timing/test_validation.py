"""Functions of known speed, and the summary of a validation. No time is compared."""

import json
from time import perf_counter

import numpy as np
import pytest
from typer.testing import CliRunner

from attention_harness.registry.loading import describe
from attention_harness.timing.validation import known_speed, tools
from attention_harness.timing.validation.__main__ import app
from attention_implementations.numpy import eager as numpy_eager

Q, K, V = (np.random.default_rng(seed).standard_normal((1, 2, 5, 4)).astype(np.float32) for seed in range(3))
RIGHT = numpy_eager.attention(Q, K, V)


@pytest.mark.parametrize("name", ["same", "slower", "keeping", "tiring"])
def test_answers_are_right_when_nothing_is_repeated(name):
    function = getattr(known_speed, name)
    assert np.array_equal(function(Q, K, V), RIGHT)
    assert describe(function, name).options == describe(numpy_eager.attention, "eager").options


def test_outputs_are_kept_by_value():
    first, second = (known_speed.keeping(Q.copy(), K, V) for _ in range(2))
    assert first is second and known_speed.keeping(2 * Q, K, V) is not first


def test_an_early_answer_is_right_in_the_end():
    out = known_speed.early(Q, K, V)
    for thread in known_speed.threading.enumerate():
        if thread is not known_speed.threading.current_thread() and not thread.daemon:
            thread.join(10)
    assert np.array_equal(out, RIGHT)


def test_who_is_tired_hands_out_the_last_answer():
    tired = known_speed.TiringFunction()
    tired(Q, K, V)
    tired.calls, tired.last = 30, perf_counter() + 1e3
    assert np.array_equal(tired(2 * Q, K, V), RIGHT)


def test_a_ratio_is_judged_on_both_sides():
    assert [tools._beyond(ratio, 0.05) for ratio in (1.06, 1.04, 0.96, 0.94)] == ["SLOWER", "SAME", "SAME", "FASTER"]


def test_counts_are_told_and_rows_written(monkeypatch, tmp_path):
    rows = [{"implementation": "slower", "verdict": verdict, "took": 2.0} for verdict in ("SLOWER", "SLOWER", "UNRESOLVED")]
    monkeypatch.setattr("attention_harness.timing.validation.trials.slower", lambda sessions, share, seconds: rows[:sessions])
    result = CliRunner().invoke(app, ["slower", "0.1", "--sessions", "3", "--json", str(tmp_path / "rows")])
    assert result.output == "slower: 3 comparisons: SLOWER 2, UNRESOLVED 1; 2.0 s each\n"
    assert [json.loads(line)["verdict"] for line in (tmp_path / "rows").read_text().splitlines()] == [
        "SLOWER",
        "SLOWER",
        "UNRESOLVED",
    ]


def test_honest_rows_are_counted_at_each_duration(monkeypatch):
    durations = []

    def session(targets, names, seconds, seed, processes):
        durations.append(seconds)
        verdicts = [
            ("SAME", ""),
            ("UNRESOLVED", "undecided whether outputs are kept: "),
            ("UNSUPPORTED", ""),
            ("INVALID", "threads"),
        ]
        return [{"implementation": "control", "verdict": verdict, "reason": reason, "took": 2.0} for verdict, reason in verdicts]

    monkeypatch.setattr("attention_harness.timing.validation.trials.session", session)
    result = CliRunner().invoke(app, ["honest", "--rows", "10", "--no-busy"])
    assert durations == [0.5, 2.5, 4.5, 0.5]
    assert result.stdout.splitlines()[-1] == "INVALID: 4 of 12; honesty undecided: 4"
    assert result.stderr.splitlines() == [f"INVALID: {n} of {3 * n}; honesty undecided: {n}" for n in (1, 2, 3, 4)]
    assert result.stdout.startswith("0.5: 6 comparisons: SAME 2, UNRESOLVED 2, INVALID 2;")
