"""Steps that were written down and read again count as those that were asked."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from attention_harness.conformance.check import load_properties
from attention_harness.conformance.conformance_check import ConformanceCheck
from attention_harness.conformance.plan import Plan
from attention_harness.conformance.settings import Settings
from attention_harness.conformance.steps import observation, step_records
from attention_harness.conformance.steps.observation import Observation
from attention_harness.conformance.steps.step_records import StepRecords, path_of
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import CallFailed, Outcome
from attention_harness.generation.suite import Suite, draw_suite
from attention_harness.process.in_process import InProcessWorker
from attention_harness.registry.targets import Target
from attention_implementations.numpy.eager import attention as eager
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.formats import DTYPES

load_properties()
SETTINGS = Settings(
    examples=20,
    dtypes=("float32", "float16"),
    properties=(
        "output_agrees_with_the_oracle",
        "errors_have_no_preferred_sign",
        "output_stays_within_the_visible_values",
        "a_batch_entry_is_the_same_alone",
    ),
)


def right(q, k, v, *, is_causal=False, scale=None):
    return eager(q, k, v, is_causal=is_causal, scale=scale)


def wrong(q, k, v, *, is_causal=False, scale=None):
    return eager(q, k, v, is_causal=is_causal and k.shape[2] % 2 == 0, scale=scale)


def picky(q, k, v):
    if q.shape[2] != k.shape[2] or q.shape[1] > 1:
        raise NotImplementedError("one head, as many keys as queries")
    return eager(q, k, v)


def raises(q, k, v, *, is_causal=False):
    if k.shape[2] > 40:
        raise ZeroDivisionError("a long one")
    return eager(q, k, v, is_causal=is_causal)


def hangs(q, k, v, *, is_causal=False):
    """Answered by `hanging` where the keys are many."""
    return eager(q, k, v, is_causal=is_causal)


class Calls:
    """A worker that counts its calls, and may say that one timed out."""

    def __init__(self, function):
        self.worker, self.number, self.hangs = InProcessWorker(function), 0, function is hangs
        self.description = replace(self.worker.description, name="mine")

    def call(self, request):
        self.number += 1
        if self.hangs and request.arrays["k"].shape[2] > 12:
            raise CallFailed(Outcome.TIMED_OUT, "no answer after 30 s")
        return self.worker.call(request)


@cache
def suite_of(seed):
    """Some cases of each kind that cost little."""
    whole = draw_suite(SETTINGS.examples, seed, SETTINGS.dtypes)["attention"]
    cheap = [case for case in whole.edge_cases if case.problem.products < 20_000]
    return Suite(examples=whole.examples, edge_cases=cheap[::6], drawn=[c for c in whole.drawn if c.problem.products < 100_000])


def checked(function, folder, settings, recorded=True):
    """The rows and the counts of a check in this process, and its number of calls."""
    worker = Calls(function)
    plan = Plan({"attention": suite_of(settings.seed)}, folder, settings, recorded=recorded)
    checking = ConformanceCheck(UnderTest(worker, worker.description), Target("mine", "mine.py:f", False), plan)
    for _ in checking.steps():
        pass
    return checking, worker


def result_of(checking, folder):
    rows = [replace(row, seconds=0, replay=row.replay.replace(str(folder), "")) for row in checking.finished_rows()]
    rows = [replace(row, others=[{**other, "replay": ""} for other in row.others]) for row in rows]
    counts = checking.counts
    arrays = {name: array.tolist() for name, array in counts.errors.arrays.items()}
    return [
        rows,
        [row.to_json() for row in checking.precision()],
        arrays,
        counts.covered,
        counts.worked_example,
        (counts.answer_counts.asked, counts.answer_counts.answered, checking.untried),
    ]


def joined(folders, folder):
    """The records of several shards in one folder."""
    head, lines = {}, {}
    for one in folders:
        head, own = step_records.read(path_of(one, "mine"))
        lines = own | lines
    step_records.write(path_of(folder, "mine"), head, lines.values())


@pytest.mark.parametrize("seed", [0, 7, 2024])
@pytest.mark.parametrize("function", [right, wrong, picky, raises, hangs])
def test_shards_together_are_the_whole_check(tmp_path, function, seed):
    settings = replace(SETTINGS, seed=seed)
    whole, asked = checked(function, tmp_path / "whole", settings, recorded=False)
    parts = [tmp_path / f"{number}" for number in (1, 2, 3)]
    calls = [checked(function, part, replace(settings, shard=f"{part.name}/3"))[1].number for part in parts]
    joined(parts, tmp_path / "joined")
    together, more = checked(function, tmp_path / "joined", settings)
    assert str(result_of(together, tmp_path / "joined")) == str(result_of(whole, tmp_path / "whole"))
    if function is right:
        assert more.number == 0  # all was known
        assert sum(calls) == asked.number + 2 * len(DTYPES)  # each asks for itself which dtypes are refused
        assert max(calls) < asked.number / 2


@pytest.mark.parametrize("function", [right, wrong, picky])
def test_a_check_that_was_killed_goes_on_inside(tmp_path, function):
    whole, asked = checked(function, tmp_path / "whole", SETTINGS)
    path = path_of(tmp_path / "whole", "mine")
    text = path.read_bytes()
    cut = path_of(tmp_path / "cut", "mine")
    cut.parent.mkdir(parents=True)
    for share in (0.2, 0.5, 0.9):
        cut.write_bytes(text[: int(share * len(text))])  # most likely within a line
        again, more = checked(function, tmp_path / "cut", SETTINGS)
        assert str(result_of(again, tmp_path / "cut")) == str(result_of(whole, tmp_path / "whole"))
        if function is right:
            assert 0 < more.number < asked.number


def test_another_function_is_asked_anew(tmp_path):
    checked(right, tmp_path, SETTINGS)
    _, asked = checked(wrong, tmp_path / "other", SETTINGS, recorded=False)
    path = path_of(tmp_path, "mine")
    path.write_text(path.read_text().replace('"source": ""', '"source": "of another time"', 1))
    _, more = checked(wrong, tmp_path, SETTINGS)
    assert more.number == asked.number


def test_records_of_another_version_or_damaged_are_asked_again(tmp_path):
    _, asked = checked(right, tmp_path, SETTINGS)
    path = path_of(tmp_path, "mine")
    text = path.read_text()
    for old, new in (('"name": "', '"name": "another_'), ('"data": "', '"data": "AAAA'), ('"outcome"', '"result"')):
        path.write_text(text.replace(old, new))
        _, more = checked(right, tmp_path, SETTINGS)
        assert more.number > asked.number / 2


def test_an_observation_crosses_a_file_unchanged(tmp_path):
    checked(right, tmp_path, SETTINGS)
    _, lines = step_records.read(path_of(tmp_path, "mine"))
    for key, line in lines.items():
        seen = observation.read(line)
        assert seen.written(key) == line.strip()
    assert any(seen.error is not None and np.isfinite(seen.error.bound).all() for seen in map(observation.read, lines.values()))


def test_a_case_that_comes_twice_has_two_records():
    records = StepRecords()
    keys = [records.key("suite", case) for case in (Case(Problem()), Case(Problem()))]
    assert len(set(keys)) == 2


def test_nothing_is_written_where_nothing_is_to_be_kept(tmp_path):
    checked(right, tmp_path, SETTINGS, recorded=False)
    assert not (tmp_path / step_records.FOLDER).exists()
    assert observation.read(Observation().written("a step")) == Observation()
