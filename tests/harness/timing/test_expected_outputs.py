"""Expected outputs: all rows of a small problem, some of a large one, and the counts of the whole for both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attention_harness.timing import expected_outputs
from attention_harness.timing.workloads import Workload
from attention_implementations.numpy.eager import attention
from attention_specs.attention.inputs import realise
from attention_specs.attention.problem import Problem
from attention_specs.contract import OPTIONS, Conventions, Description

PLAIN = Description("plain", options=OPTIONS)
PROBLEMS = {
    "causal": Problem(2, 4, 2, 32, 32, 8, 8, is_causal=True),
    "window and lengths": Problem(2, 2, 2, 40, 40, 8, 4, window=(9, 3), key_lengths=(40, 17)),
    "plain": Problem(1, 2, 1, 32, 16, 8, 8),
}


def expected_of(problem, monkeypatch, most):
    monkeypatch.setattr(expected_outputs, "MOST", most)
    return expected_outputs.ExpectedOutputs(Workload("it", "a description", "a source", problem), seed=0, copies=3)


def answer(expected, copy):
    x = realise(expected.cases[copy]).with_explicit_mask()
    return attention(x.q, x.k, x.v, mask=x.mask)


@pytest.mark.parametrize("most", [1 << 23, 1000])
@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_right_outputs_have_no_fault_and_counts_are_those_of_the_whole(problem, most, monkeypatch):
    expected = expected_of(problem, monkeypatch, most)
    assert [expected.fault(PLAIN, copy, {"out": answer(expected, copy)}) for copy in range(3)] == ["", "", ""]
    assert expected.pairs == realise(expected.cases[0]).visible().sum()
    assert expected.error(PLAIN, {"out": answer(expected, 0)}) < 1e-5


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_of_a_large_problem_some_rows_are_judged_in_every_head_and_entry(problem, monkeypatch):
    expected = expected_of(problem, monkeypatch, 1000)
    right = answer(expected, 0)
    faults = []
    for row in range(problem.query_length):
        wrong = right.copy()
        wrong[-1, -1, row] += 1
        faults.append(bool(expected.fault(PLAIN, 0, {"out": wrong})))
    some = max(1, 1000 * problem.query_length // (right.size // right.shape[3] * problem.key_length))
    assert sum(faults) == (problem.query_length if problem.key_lengths else some), "all where a window is aligned as declared"


def test_an_output_of_stored_arrays_is_judged_by_the_numbers_that_are_stored(monkeypatch):
    expected = expected_of(PROBLEMS["plain"], monkeypatch, 1 << 23)
    stored = replace(PLAIN, storage={"format": "float8_e4m3fn", "scales": "head"})
    x = realise(expected.cases[0]).as_declared(stored)
    right = {"out": attention(x.q, x.k, x.v)}
    assert not expected.fault(stored, 0, right)
    assert expected.fault(PLAIN, 0, right)
    assert expected.fault(stored, 0, {"out": answer(expected, 0)})


def test_fresh_copies_are_judged_in_part_and_dropped(monkeypatch):
    expected = expected_of(PROBLEMS["plain"], monkeypatch, 1 << 23)
    first, cases = expected.fresh()
    assert first == 3 and len(cases) == 3 and len({case.seed for case in expected.cases}) == 6
    right = answer(expected, 4)
    assert expected.fault(PLAIN, 4, {"out": right}) == ""
    assert expected.fault(PLAIN, 4, {"out": right + 1}) != ""
    assert expected.fault(PLAIN, 4, {"out": answer(expected, 5)}) != ""
    expected.forget_fresh()
    assert len(expected.cases) == 3 and 4 not in expected.parts and not any(key[0] > 2 for key in expected.expected)


def test_causality_between_unequal_lengths_is_judged_in_all_rows_as_it_is_declared(monkeypatch):
    expected = expected_of(Problem(1, 2, 2, 16, 32, 8, 8, is_causal=True), monkeypatch, 100)
    right = answer(expected, 0)
    aligned = Description("aligned", options=OPTIONS, conventions=Conventions(causal_alignment="bottom-right"))
    assert expected.fault(PLAIN, 0, {"out": right}) == ""
    assert expected.fault(aligned, 0, {"out": right}) != ""


def test_another_shape_is_a_fault(monkeypatch):
    expected = expected_of(PROBLEMS["plain"], monkeypatch, 1000)
    assert "shape of out" in expected.fault(PLAIN, 0, {"out": np.zeros((1, 2, 31, 8), np.float32)})
