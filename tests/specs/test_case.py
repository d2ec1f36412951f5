"""Problems and cases are plain data: they are read back as they were written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from attention_harness.generation.shapes import pool
from attention_harness.generation.strategies import cases
from attention_specs import biases, masks
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.formats import DTYPES

FULL = Problem(
    batch=2, query_heads=6, key_heads=3, query_length=4, key_length=5, head_dim=8, value_dim=9, dtype="bfloat16",
    mask=masks.causal() & ~masks.key_padding((3, 5)), bias=biases.total(biases.alibi(), biases.minus_infinity(masks.causal())),
    is_causal=True, window=(None, 3), scale=-0.1, softcap=30.0, sinks=1.5, query_lengths=(0, 4), key_lengths=(5, 1), past=2,
)  # fmt: skip


@settings(deadline=None, max_examples=100)
@given(cases(pool(0, 24), DTYPES))
def test_a_case_survives_json(case):
    again = Case.from_json(json.loads(json.dumps(case.to_json())))
    assert again == case
    assert (again.id, str(again)) == (case.id, str(case))


def test_every_field_survives_json():
    again = Problem.from_json(json.loads(json.dumps(FULL.to_json())))
    assert again == FULL
    assert set(FULL.to_json()) == set(vars(FULL))


def test_defaults_are_not_written():
    assert Problem().to_json() == {}
    assert Problem(key_length=3).to_json() == {"key_length": 3}


def test_a_problem_reads_as_its_sizes_and_the_options_that_are_given():
    assert (
        str(Problem(key_length=3, is_causal=True, scale=0.0))
        == "B=1 Hq=1 Hkv=1 Lq=1 Lk=3 D=1 Dv=1 float32 is_causal=True scale=0.0"
    )


@pytest.mark.parametrize(
    "change", [{"recipe": "flat"}, {"seed": 1}, {"layouts": {"q": "backwards"}}, {"problem": Problem(batch=2)}]
)
def test_cases_that_differ_have_different_ids(change):
    assert Case(**{"problem": Problem(), **change}).id != Case(Problem()).id


def test_the_id_does_not_change_from_one_process_to_the_next():
    assert Case(Problem()).id == "ef325bd6c071"


def test_heads_must_divide():
    with pytest.raises(ValueError, match="query_heads=3, but should be a multiple of key_heads=2"):
        Problem(query_heads=3, key_heads=2)


def test_unknown_fields_are_refused():
    with pytest.raises(ValueError, match="problem has colour, but should have only the fields of Problem"):
        Problem.from_json({"colour": 1})
