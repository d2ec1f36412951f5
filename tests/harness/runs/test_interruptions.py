"""A check that is disturbed ends with the rows of one that is not. `python -m attention_harness.runs.interruptions` tries all."""

from __future__ import annotations

import json
from collections import Counter

import pandas as pd
import pytest

from attention_harness.conformance.steps import step_records
from attention_harness.runs import journal
from attention_harness.runs.interruptions import faults
from attention_harness.runs.interruptions.__main__ import Score, tried
from attention_harness.runs.interruptions.trial import FAULTS, measured, rows_of


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A check that nothing disturbs."""
    return measured(tmp_path_factory.mktemp("undisturbed") / "work")


def test_there_are_many_faults_each_with_words_of_its_own():
    assert len(FAULTS) >= 20
    assert all(strike.__module__ == faults.__name__ and strike.__doc__ for strike in FAULTS.values())


@pytest.mark.slow
@pytest.mark.parametrize("words", ["the main process is killed", "a process of the pool is killed", "all workers are killed"])
def test_nothing_is_lost_and_nothing_is_false(words, undisturbed):
    score = tried(words, 1, undisturbed, seed=0)
    assert (score.lost, score.false, score.unfinished) == (0, 0, 0)


@pytest.mark.parametrize(
    ("damage", "counts"),
    [
        (lambda frame: frame, (0, 0)),
        (lambda frame: frame[1:], (1, 0)),
        (lambda frame: frame.assign(cases=[3, 5]), (1, 1)),
        (lambda frame: frame.iloc[[0, 0, 1]], (0, 1)),
    ],
    ids=["none", "a row is gone", "a row is another", "a row is twice"],
)  # fmt: skip
def test_the_score_sees_rows_that_are_lost_or_false(damage, counts, tmp_path):
    """Times, places and further failures do not count."""
    frame = pd.DataFrame({"property": ["P4", "P15"], "cases": [3, 4], "seconds": [0.1, 0.2], "replay": "a", "others": "b"})
    frame.to_parquet(tmp_path / "checks.parquet")
    wanted = rows_of(tmp_path)
    damage(frame).to_parquet(tmp_path / "checks.parquet")
    score = Score()
    score.add(1, rows_of(tmp_path), wanted)
    score.add(-1, Counter(), Counter())
    assert (score.lost, score.false) == counts
    assert (score.repeats, score.resumed, score.unfinished) == (2, 1, 1)


def test_a_line_of_bytes_is_left_out(tmp_path):
    """Whatever a file system leaves behind."""
    path = step_records.path_of(tmp_path, "mine")
    head = {"description": {}, "source": ""}
    step_records.write(path, head, ['{"step": "suite a 1", "data": "", "seen": {}}'])
    with path.open("ab") as file:
        file.write(b"\xff\xfe\x00 no text\n" + json.dumps({"step": "suite b 1"}).encode() + b"\n")
    assert step_records.read(path)[0] == head
    assert list(step_records.read(path)[1]) == ["suite a 1", "suite b 1"]
    journal.path_of(tmp_path).write_bytes(b'\xff\xfe\n[1]\n{"name": 3}\nnull\n')
    assert journal.stored(tmp_path) == {}
