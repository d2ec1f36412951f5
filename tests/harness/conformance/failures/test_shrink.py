"""Minimising, on predicates whose smallest failing case is known."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic, sleep

import pytest

from attention_harness.conformance.failures.shrink import minimise
from attention_specs import biases, masks
from attention_specs.attention.inputs import realise
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.worked_example import CASES

LARGE = Case(
    Problem(
        batch=3, query_heads=6, key_heads=3, query_length=33, key_length=65, head_dim=80, value_dim=9, dtype="float16",
        mask=masks.key_padding((65, 1, 0)) & (masks.causal() | masks.prefix(3)),
        bias=biases.total(biases.alibi(), biases.noise(1, 2.0, "bj")),
        is_causal=True, window=(17, None), scale=-0.5, softcap=30.0, sinks=4.0, query_lengths=(33, 2, 0), key_lengths=(65, 64, 1),
    ),
    "heavy_tails", 1234567, {"q": "backwards", "k": "inside"},
)  # fmt: skip
SMALLEST = Case(Problem(dtype="float16"), "normal", 0, {})


def hides_key_zero(p):
    return p.mask is not None and "causal" in str(p.mask)


KNOWN = [
    (lambda c: True, SMALLEST),
    (lambda c: c.problem.key_length >= 5, SMALLEST.with_problem(key_length=5)),
    (lambda c: c.problem.key_length > 40 and c.problem.query_length > 17, SMALLEST.with_problem(key_length=41, query_length=18)),
    (lambda c: c.problem.query_heads > c.problem.key_heads, SMALLEST.with_problem(query_heads=2)),
    (lambda c: c.problem.key_heads > 1, SMALLEST.with_problem(query_heads=2, key_heads=2)),
    (lambda c: c.problem.head_dim * c.problem.batch >= 100, SMALLEST.with_problem(head_dim=50, batch=2)),
    (lambda c: c.problem.is_causal, SMALLEST.with_problem(is_causal=True)),
    (lambda c: hides_key_zero(c.problem), SMALLEST.with_problem(mask=masks.causal())),
    (lambda c: "alibi" in str(c.problem.bias) and c.problem.softcap, SMALLEST.with_problem(bias=biases.alibi(), softcap=30.0)),
    (lambda c: c.problem.key_lengths is not None and c.problem.batch > 1, SMALLEST.with_problem(batch=2, key_lengths=(1, 1))),
    (lambda c: "q" in c.layouts, replace(SMALLEST, layouts={"q": "backwards"})),
    (lambda c: c.recipe == "heavy_tails" and c.problem.scale, replace(SMALLEST.with_problem(scale=-0.5), recipe="heavy_tails")),
    (lambda c: c.seed > 0, replace(SMALLEST, seed=1234567)),
]


@pytest.mark.parametrize(("fails", "smallest"), KNOWN, ids=[str(n) for n in range(len(KNOWN))])
def test_the_smallest_failing_case_is_found_and_none_is_tried_twice(fails, smallest):
    asked = []

    def fails_and_notes(case):
        asked.append(case.id)
        return bool(fails(case))

    assert minimise(LARGE, fails_and_notes, 30) == smallest
    assert len(set(asked)) == len(asked)
    assert LARGE.id not in asked
    assert len(asked) < 400


def test_a_named_case_keeps_its_sizes_until_its_recipe_can_go():
    named = CASES["attention"][1]
    stays = minimise(named, lambda case: case.recipe == "three_words", 30)
    assert stays == named
    goes = minimise(named, lambda case: realise(case).k.shape[2] >= 2, 30)
    assert goes == replace(SMALLEST, problem=Problem(key_length=2))


def test_a_case_that_nothing_simpler_shares_its_failure_with_stays():
    assert minimise(LARGE, lambda case: False, 30) == LARGE


def test_the_time_is_kept_and_what_was_found_by_then_is_given():
    def slow(case):
        sleep(0.05)
        return case.problem.key_length >= 5

    start = monotonic()
    smallest = minimise(LARGE, slow, 0.5)
    assert monotonic() - start < 2
    assert smallest != LARGE
    assert smallest.problem.key_length >= 5


def test_no_time_means_no_try():
    def never(case):
        raise AssertionError

    assert minimise(LARGE, never, -1) == LARGE
