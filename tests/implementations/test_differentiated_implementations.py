"""Gradients, by the framework or by a backward pass of the row itself: a few cases by every property of gradients."""

from __future__ import annotations

import importlib

import pytest

from attention_harness.conformance.check import load_properties
from attention_harness.conformance.judging import judge
from attention_implementations.numpy.online import online
from attention_specs import biases, masks
from attention_specs.attention.inputs import realise
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.property import PROPERTIES

pytestmark = pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
SIZES = {"batch": 2, "query_heads": 4, "key_heads": 2, "query_length": 5, "key_length": 7, "head_dim": 8, "value_dim": 4}
OPTIONS = (
    {"softcap": 5.0, "sinks": 0.5, "bias": biases.noise(0, 1.0, "hj"), "is_causal": True},
    {"mask": masks.random(1, 0.5, "bhij") & masks.hidden_query(2) & masks.hidden_key(3)},
)
load_properties()


@pytest.mark.parametrize("name", ["numpy_eager", "torch_eager", "torch_sdpa_math", "jax_einsum"])
def test_gradients_of_a_row_are_not_rejected(name, subject_of):
    pytest.importorskip(name.partition("_")[0])
    agrees(importlib.import_module(f"attention_implementations.{name.replace('_', '.', 1)}").attention, subject_of)


@pytest.mark.parametrize("block", [1, 2, 5, 128])
def test_gradients_by_rows_of_any_number_are_not_rejected(block, subject_of):
    agrees(online(block, 3), subject_of)


def agrees(attention, subject_of):
    under_test, outcomes = subject_of(attention), {}
    for options in OPTIONS:
        under_test.forget()
        x = realise(Case(Problem(**SIZES | options), layouts={"q": "heads_last"}))
        for finding in judge(under_test, x, [property_ for property_ in PROPERTIES.values() if property_.gradient]):
            assert not finding.wrong, finding.verdict.message
            outcomes.setdefault(finding.property_.id, set()).add(finding.outcome)
    assert "agrees" in outcomes["G2"] and {"G1", "G2", "G9"} <= outcomes.keys()
