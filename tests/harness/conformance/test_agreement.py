"""Implementations are compared on cases that asked them the same question, and on no others."""

from __future__ import annotations

import numpy as np
import pytest

from attention_harness.conformance.agreement import ErrorRecorder, ErrorSample, agreement, load
from attention_implementations.numpy.eager import attention
from attention_specs.attention import spec
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.contract import Conventions, Description

SQUARE = Case(Problem(query_length=4, key_length=4, is_causal=True))
CASES = {
    "square": SQUARE,
    "more keys": SQUARE.with_problem(key_length=6),
    "more queries": SQUARE.with_problem(query_length=6, key_length=4),
}
BOTTOM = Conventions(causal_alignment="bottom-right", window_alignment="bottom-right")
PLAIN = Description("plain")
DECLARED = {
    "alignment": (Description("bottom", conventions=BOTTOM), ["square"]),
    "storage": (Description("stored", storage={"format": "float8_e4m3fn", "scales": "head"}), []),
    "nothing": (Description("another"), list(CASES)),
}
"""What differs in the declaration -> the declaration, and the cases that remain one question."""


def samples_of(description, folder, wrong=0.0):
    recorder = ErrorRecorder()
    for case in CASES.values():
        x = spec.realise(case).as_declared(description)
        out = attention(x.q, x.k, x.v, mask=x.with_explicit_mask().mask)
        expected = spec.expect(x, description.conventions, None)
        recorder.add(case, ErrorSample.measured(out + np.float32(wrong), expected))
    recorder.save(folder, description.name)
    return load(folder, description.name, "attention")


@pytest.mark.parametrize(("description", "shared"), DECLARED.values(), ids=DECLARED)
def test_a_case_that_a_declaration_turns_into_another_question_is_left_out(description, shared, tmp_path):
    plain, other = samples_of(PLAIN, tmp_path), samples_of(description, tmp_path)
    assert plain.shared_with(other) == sorted(CASES[name].id for name in shared)
    rows = {(row["a"], row["b"]): row for row in agreement([plain, other])}
    assert rows[plain.name, plain.name]["cases"] == 3
    assert ((plain.name, other.name) in rows) == bool(shared)
    assert all(row["worst_ratio"] < 1 for row in rows.values())


def test_an_error_of_one_implementation_is_a_distance(tmp_path):
    rows = agreement([samples_of(PLAIN, tmp_path), samples_of(DECLARED["nothing"][0], tmp_path, wrong=0.1)])
    assert [row["worst_ratio"] > 1 for row in rows] == [False, True, True]
