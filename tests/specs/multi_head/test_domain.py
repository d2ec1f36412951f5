"""The domain of a layer: its problems are moved into it, and calls outside are seen."""

from __future__ import annotations

import numpy as np
import pytest

from attention_harness.generation.declared_domain import DeclaredDomain
from attention_specs import masks
from attention_specs.case import Case
from attention_specs.contract import Description
from attention_specs.multi_head import spec
from attention_specs.multi_head.problem import LayerProblem

PROBLEM = LayerProblem(2, 3, 4, 5, 6, mask=masks.hidden_key(1))


def moved(*conditions, problem=PROBLEM):
    return DeclaredDomain(Description("", "multi-head", domain=conditions)).moved(Case(problem, "normal")).problem


@pytest.mark.parametrize(
    ("conditions", "wanted"),
    [
        (("heads == 1",), PROBLEM.replace(heads=1, d_model=2)),
        (("d_model == 64", "heads == 4"), PROBLEM.replace(heads=4, d_model=64)),
        (("self_attention == True",), PROBLEM.replace(key_length=4, self_attention=True)),
        (("is_causal == True",), PROBLEM.replace(mask=masks.causal())),
        (("b_q == 0", "w_o == 1"), PROBLEM.replace(fixed=("w_o", "b_q"))),
        (("head_dim == 16", "lengths <= 3"), PROBLEM.replace(d_model=48, query_length=3, key_length=3)),
    ],
)
def test_problems_are_moved_into_it(conditions, wanted):
    assert moved(*conditions) == wanted
    inside = spec.realise(Case(wanted, "normal"))
    assert DeclaredDomain(Description("", "multi-head", domain=conditions)).broken(inside) == ""


@pytest.mark.parametrize(
    "condition", ["heads == 1", "d_model == 64", "self_attention == True", "is_causal == True", "b_v == 0", "w_k == 1"]
)
def test_what_is_outside_is_seen(condition):
    outside = spec.realise(Case(PROBLEM, "normal"))
    assert DeclaredDomain(Description("", "multi-head", domain=(condition,))).broken(outside) == condition


def test_a_fixed_weight_is_the_identity_and_a_fixed_bias_zero():
    x = spec.realise(Case(PROBLEM.replace(fixed=("w_k", "b_o"), dtype="bfloat16"), "normal"))
    assert (x.w_k == np.eye(6)).all()
    assert not x.b_o.any()
    assert x.b_k.any()
    assert x.w_k.dtype == x.query.dtype


def test_a_problem_without_the_new_field_has_the_id_that_it_had():
    assert "fixed" not in PROBLEM.to_json()
    assert LayerProblem.from_json(PROBLEM.replace(fixed=("b_q",)).to_json()).fixed == ("b_q",)
    with pytest.raises(ValueError, match="fixed=b_x, but should be among w_q"):
        PROBLEM.replace(fixed=("b_x",))
