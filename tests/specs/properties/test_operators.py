"""The framework's own check of an operator: a right one passes, and each planted bug of a registration is rejected."""

from __future__ import annotations

import pytest

from attention_harness.conformance.check import load_properties
from attention_harness.conformance.judging import applies, find
from attention_harness.conformance.under_test import UnderTest
from attention_harness.process.in_process import InProcessWorker
from attention_harness.registry.objects import as_function
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.property import PROPERTIES

torch = pytest.importorskip("torch")

load_properties()
P18 = "an_operator_passes_the_check_of_its_framework"
CASE = Case(Problem(batch=2, query_heads=2, key_heads=2, query_length=3, key_length=5, head_dim=4, value_dim=4, dtype="float32"))
ARRAYS = "(Tensor q, Tensor k, Tensor v, bool is_causal=False) -> Tensor"


def attend(q, k, v, is_causal=False):
    scores = q @ k.mT * q.shape[-1] ** -0.5
    seen = torch.ones(scores.shape[-2:], dtype=torch.bool).tril() if is_causal else torch.ones((), dtype=torch.bool)
    return scores.masked_fill(~seen, float("-inf")).softmax(-1) @ v


def fake(q, k, v, is_causal=False):
    return q.new_empty((*q.shape[:3], v.shape[3]))


def writes(q, k, v, is_causal=False):
    out = attend(q, k, v, is_causal)
    k.mul_(2)
    return out


def returns_an_input(q, k, v, is_causal=False):
    return v


def of_another_shape(q, k, v, is_causal=False):
    return q.new_empty((*q.shape[:3], v.shape[3] + 1))


def of_another_dtype(q, k, v, is_causal=False):
    return q.new_empty((*q.shape[:3], v.shape[3]), dtype=torch.float64)


FORMS = {
    "right": (attend, fake, ""),
    "without_a_fake": (attend, None, "test_faketensor"),
    "writes_to_its_keys": (writes, fake, "test_schema"),
    "returns_its_values": (returns_an_input, fake, "test_schema"),
    "fake_of_another_shape": (attend, of_another_shape, "test_faketensor"),
    "fake_of_another_dtype": (attend, of_another_dtype, "test_faketensor"),
}
"""Operator -> its implementation, that for fake tensors, and the test of opcheck that rejects it."""


@pytest.fixture(scope="module")
def operators():
    """The operators, each registered once."""
    library = torch.library.Library("operators_of_a_test", "DEF")
    for name, (function, of_fakes, _) in FORMS.items():
        library.define(f"{name}{ARRAYS}")
        library.impl(name, function, "CPU")
        if of_fakes:
            torch.library.register_fake(f"operators_of_a_test::{name}", of_fakes, lib=library)
    yield torch.ops.operators_of_a_test
    library._destroy()


def under_test_of(function):
    worker = InProcessWorker(as_function(function), "operator")
    return UnderTest(worker, worker.description)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.filterwarnings("ignore")
def test_a_right_operator_passes_and_a_wrong_registration_is_rejected(name, operators):
    under_test, wanted = under_test_of(getattr(operators, name).default), FORMS[name][2]
    finding = find(under_test, PROPERTIES[P18], under_test.realise(CASE))
    assert finding.outcome == ("violates" if wanted else "agrees"), finding.verdict.message
    assert wanted in finding.verdict.message
    assert applies(under_test, PROPERTIES[P18], under_test.realise(CASE))


@pytest.mark.filterwarnings("ignore")
def test_an_operator_by_its_decorator_is_checked_alike():
    @torch.library.custom_op("operators_of_a_test_too::attend", mutates_args=())
    def operator(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return attend(q, k, v)

    under_test = under_test_of(operator)
    assert find(under_test, PROPERTIES[P18], under_test.realise(CASE)).outcome == "violates"
    operator.register_fake(lambda q, k, v: fake(q, k, v))
    assert find(under_test, PROPERTIES[P18], under_test.realise(CASE)).outcome == "agrees"


def test_a_function_is_no_operator():
    under_test = under_test_of(attend)
    assert not under_test.description.operator
    assert not applies(under_test, PROPERTIES[P18], under_test.realise(CASE))
