"""Refusals teach the domain of an implementation, and a few answers do not count as agreement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attention_harness.cli.exit_status import NOTHING, RIGHT, WRONG, status_of
from attention_harness.conformance.answer_counts import AnswerCounts
from attention_harness.conformance.check import CheckResult, Plan, load_properties
from attention_harness.conformance.conformance_check import ConformanceCheck
from attention_harness.conformance.judging import Finding
from attention_harness.conformance.settings import Settings
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import Outcome
from attention_harness.generation.domain import CONDITIONS, TINY, Domain, learned
from attention_harness.generation.suite import Suite, draw_suite
from attention_harness.process.in_process import InProcessWorker
from attention_harness.registry.targets import Target
from attention_implementations.numpy.eager import attention
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.judge import Verdict
from attention_specs.property import PROPERTIES

load_properties()
NAMES = ("output_agrees_with_the_oracle",)
CASES = draw_suite(40, 0, ("float32",))["attention"].cases


@pytest.mark.parametrize(
    ("answers", "conditions"),
    [
        (lambda p: p.head_dim == p.value_dim == 64, ("head_dim == 64",)),
        (lambda p: p.query_length == p.key_length and p.is_causal, ("is_causal", "query_length == key_length")),
        (
            lambda p: p.key_length % 16 == 0 and p.query_heads == p.key_heads,
            ("key_heads == query_heads", "lengths in blocks of 16"),
        ),
        (lambda p: p.key_length <= 3, (TINY,)),
        (lambda p: p.query_length % 64 == 0 and p.key_length % 64 == 0, ("lengths in blocks of 64",)),
        (lambda p: p.query_length % 128 == 0 and p.key_length % 128 == 0, ("lengths in blocks of 128",)),
        (lambda p: p.head_dim == p.value_dim == 32, ("head_dim == 32",)),
        (lambda p: p.query_length == 1 and p.key_heads == 1, ("one key head", "one query")),
        (lambda p: p.scale is not None and p.head_dim == p.value_dim == 128, ("head_dim == 128", "a scale")),
    ],
)
def test_the_conditions_of_an_answer_are_learned_from_refusals(answers, conditions):
    refused = [case for case in CASES if not answers(case.problem) and case.problem.key_heads]
    domain = learned(lambda case: answers(case.problem), refused)
    assert (set(domain.conditions), domain.telling) == (set(conditions), TINY not in conditions)


def test_nothing_is_learned_where_everything_is_refused():
    assert learned(lambda case: False, CASES) == Domain()


def test_a_case_that_is_moved_to_whole_blocks_keeps_fewer_queries_than_keys():
    lengths = [(p.query_length, p.key_length) for p in (case.problem for case in CASES)]
    moved = [Domain(("lengths in blocks of 64",)).moved(case) for case in CASES]
    kept = [(was, m.problem) for was, m in zip(lengths, moved, strict=True) if m and 0 not in was]
    assert kept
    assert all((q < k, q > k) == (p.query_length < p.key_length, p.query_length > p.key_length) for (q, k), p in kept)


EMPTY = [
    Case(Problem(2, heads, heads, queries, keys, 4, 4)) for heads, queries, keys in ((0, 3, 5), (2, 0, 5), (2, 3, 0), (0, 0, 0))
]


@pytest.mark.slow
@pytest.mark.parametrize("name", CONDITIONS)
def test_a_case_that_was_moved_is_a_problem_that_has_an_answer(name, subject_of):
    under_test = subject_of(attention)
    for moved in filter(None, (Domain((name,)).moved(case) for case in [*EMPTY, *CASES])):
        under_test.forget()
        x = under_test.realise(moved)
        assert under_test(x).shape == x.output_shape


def test_no_case_is_asked_twice_while_conditions_are_learned():
    asked = []
    learned(lambda case: asked.append(case.id) or False, CASES)
    assert len(set(asked)) == len(asked)


def test_given_numbers_and_named_cases_stay_where_they_are():
    assert Domain(tuple(CONDITIONS)).moved(Case(Problem(), "three_words")) is None
    assert Domain(("is_causal",)).moved(Case(Problem(), arrays={"q": [[[[1.0]]]]})) is None


def rows_of(function, tmp_path, count=40):
    process = InProcessWorker(function)
    suites = {"attention": Suite(drawn=[case for case in CASES if "three_words" not in case.recipe][-count:])}
    checking = ConformanceCheck(
        UnderTest(process, process.description), Target("mine", "mine.py:f", False), Plan(suites, tmp_path, Settings(properties=NAMES, dtypes=("float32",))),
    )  # fmt: skip
    return checking.rows(), checking.answer_counts


def refusing(when):
    def refuses(q, k, v, *, is_causal=False, scale=None):
        if when(q, k, is_causal):
            raise NotImplementedError("not here")
        return attention(q, k, v, is_causal=is_causal, scale=scale)

    return refuses


def test_what_is_mostly_refused_is_asked_again_where_it_answers(tmp_path):
    rows, judged = rows_of(refusing(lambda q, k, causal: q.shape[-1] != 64), tmp_path)
    assert "head_dim == 64" in judged.domain.conditions
    assert "violates" not in {row.outcome for row in rows}
    assert judged.answered > 20


def test_what_answers_three_keys_says_too_little(tmp_path):
    rows, judged = rows_of(refusing(lambda q, k, causal: k.shape[2] > 3), tmp_path)
    assert (rows[-1].outcome, judged.too_little) == ("too-little", True)
    assert f"{judged.answered} of {judged.asked} cases answered" in rows[-1].message
    assert rows[-1].message.endswith("too little to say; refused most often: not here")


def test_refusals_are_counted_without_their_numbers():
    judged, gate = AnswerCounts(), next(property_ for property_ in PROPERTIES.values() if property_.id == "P1")
    for text in ("batch of 2", "D=7 is none of 64 and 128", "D=9 is none of 64 and 128"):
        judged.count(CASES[0], [gate], [Finding(gate, Outcome.UNSUPPORTED, Verdict(np.inf, text))])
    assert judged.sentence == "0 of 3 cases answered: too little to say; refused most often: D=7 is none of 64 and 128"


def test_a_few_refusals_are_no_matter(tmp_path):
    rows, judged = rows_of(refusing(lambda q, k, causal: causal), tmp_path)
    assert not judged.too_little
    assert "too-little" not in {row.outcome for row in rows}
    assert judged.domain == Domain()


@pytest.mark.slow
def test_a_fault_in_what_is_answered_is_found_there(tmp_path):
    def wrong(q, k, v, *, is_causal=False):
        if q.shape[-1] != 64 or v.shape[-1] != 64:
            raise NotImplementedError("64 alone")
        return attention(q, k, v, is_causal=is_causal) * np.float32(1.01)

    rows, _ = rows_of(wrong, tmp_path)
    assert "violates" in {row.outcome for row in rows}


def test_too_little_is_a_status_of_its_own_unless_something_is_wrong(tmp_path):
    rows, _ = rows_of(refusing(lambda q, k, causal: k.shape[2] > 3), tmp_path, 12)
    assert status_of([CheckResult("mine", rows, too_little=True)]) == NOTHING
    assert status_of([CheckResult("mine", [row for row in rows if row.outcome == "agrees"])]) == RIGHT
    wrong = [replace(rows[0], outcome=Outcome.VIOLATES)]
    assert status_of([CheckResult("mine", [*rows, *wrong], too_little=True)]) == WRONG


def test_half_is_enough_but_not_of_tiny_problems():
    assert not AnswerCounts(asked=10, answered=5).too_little
    assert AnswerCounts(asked=10, answered=4).too_little
    assert AnswerCounts(asked=10, answered=9, domain=Domain((TINY,))).too_little
