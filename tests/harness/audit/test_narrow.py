"""Functions declared to compute in 16 bits: right under its declaration, wrong under a tighter one, and not asked beyond its range."""

from __future__ import annotations

import numpy as np
import pytest

from attention_harness.audit.controls import CONTROLS
from attention_harness.audit.faults import _narrow_parts, few_bits, narrow
from attention_harness.audit.faults._narrow_parts import SIXTEEN_BITS, summed
from attention_harness.conformance.judging import fails, find, judge
from attention_harness.probe.experiments import Observation
from attention_harness.probe.precision import precision
from attention_harness.probe.report import MATCHES, ProbeReport
from attention_harness.probe.session import ProbeSession
from attention_harness.registry.targets import Target
from attention_specs import biases, masks
from attention_specs.attention.inputs import realise
from attention_specs.attention.oracle import default_scale
from attention_specs.attention.problem import Problem
from attention_specs.attention.spec import expect_gradient
from attention_specs.case import Case
from attention_specs.contract import Conventions, Description
from attention_specs.formats import numpy_dtype
from attention_specs.judge import error_ratios
from attention_specs.multi_head.problem import LayerProblem
from attention_specs.property import PROPERTIES, properties_of

DECLARED = ("declared products in 16 bits", "declared sums in 16 bits", "declared sums in 16 bits, divided last")
TIGHTER = dict(
    zip(DECLARED, ("weights-rounded", "products-rounded+scores-rounded", "products-rounded+scores-rounded"), strict=True)
)
LONG = [
    Case(Problem(1, 2, 1, 8, 300, 64, 8, dtype), recipe, seed)
    for dtype in SIXTEEN_BITS
    for seed, recipe in enumerate(("normal", "uniform", "positive_values", "steep", "one_hot_values"))
]


def declaring(function, precision, spec="attention"):
    """The function, with another precision declared."""

    def attention(*arrays, **o):
        return function(*arrays, **o)

    attention.spec = spec
    attention.options, attention.dtypes, attention.precision = function.options, SIXTEEN_BITS, precision
    return attention


@pytest.mark.slow
@pytest.mark.parametrize("name", DECLARED)
def test_what_does_as_it_declares_agrees(name, subject_of):
    under_test = subject_of(CONTROLS[name])
    for case in LONG:
        under_test.forget()
        findings = list(judge(under_test, under_test.realise(case), properties_of("attention")))
        assert [(f.property_.id, f.verdict.message) for f in findings if f.wrong] == []
        assert {f.property_.id for f in findings if f.outcome == "agrees"} >= {"P4", "P6", "W1", "W4", "R7"}


LAYERS = [
    Case(LayerProblem(2, 2, 9, 12, 16, dtype=dtype, mask=mask), recipe, seed)
    for dtype in SIXTEEN_BITS
    for seed, (recipe, mask) in enumerate((("normal", None), ("uniform", masks.random(3, 0.6, "bij")), ("positive_values", None)))
]


def test_a_layer_that_does_as_it_declares_agrees_and_is_not_allowed_by_default(subject_of):
    control = CONTROLS["declared layer with sums in 16 bits"]
    declared, default = subject_of(control), subject_of(declaring(control, {}, spec="multi-head"))
    for case in LAYERS:
        declared.forget()
        findings = list(judge(declared, declared.realise(case), properties_of("multi-head")))
        assert [(f.property_.id, f.verdict.message) for f in findings if f.wrong] == []
        assert "L4" in {f.property_.id for f in findings if f.outcome == "agrees"}
    long = Case(LayerProblem(1, 1, 4, 2000, 16, dtype="bfloat16"), "uniform")
    assert fails(default, PROPERTIES["layer_agrees_with_the_oracle"], long) is not None


@pytest.mark.parametrize("name", DECLARED)
def test_the_next_tighter_model_does_not_allow_it(name, subject_of):
    under_test = subject_of(declaring(CONTROLS[name], TIGHTER[name]))
    findings = [fails(under_test, PROPERTIES["output_agrees_with_the_oracle"], case) for case in LONG]
    assert "violates" in {finding.outcome for finding in findings if finding}


@pytest.mark.parametrize("fault", [f for n, f in vars(narrow).items() if getattr(f, "precision", None)])
@pytest.mark.parametrize("dtype", SIXTEEN_BITS)
def test_a_wrong_function_is_rejected_under_the_same_declaration(fault, dtype, subject_of):
    """By products of some ten thousand, within the range of float16, or by few keys that count alike."""
    under_test, property_ = subject_of(fault), PROPERTIES["output_agrees_with_the_oracle"]
    large = [Case(Problem(1, 1, 1, 8, 33, 512, 4, dtype), "huge_scores", seed) for seed in range(4)]
    findings = [fails(under_test, property_, case) for case in (*large, Case(Problem(1, 1, 1, 8, 3, 4, 4, dtype), "same_values"))]
    assert "violates" in {finding.outcome for finding in findings if finding}


OF_FEW_BITS = [
    Case(Problem(1, 1, 1, 8, 200, 64, 8, "float16"), "same_values"),
    Case(Problem(2, 2, 1, 5, 9, 8, 8, "float16", bias=biases.noise(1, 5.0, "bhij"), scale=0.7)),
]
"""In bfloat16 stored weights are as coarse as sums of 14 bits."""


@pytest.mark.parametrize("fault", [f for f in vars(few_bits).values() if getattr(f, "precision", None)])
def test_sums_of_fewer_bits_than_declared_are_rejected(fault, subject_of):
    under_test, control = subject_of(fault), subject_of(CONTROLS["declared sums of 14 bits"])
    property_ = PROPERTIES["output_agrees_with_the_oracle"]
    findings = [fails(under_test, property_, case) for case in OF_FEW_BITS]
    assert "violates" in {finding.outcome for finding in findings if finding}
    assert [fails(control, property_, case) for case in OF_FEW_BITS] == [None, None]


def of_large_products(under_test, dtype):
    property_ = PROPERTIES["products_may_be_large_before_they_are_scaled"]
    return find(under_test, property_, under_test.realise(Case(Problem(1, 1, 1, 3, 5, 8, 4, dtype))))


def test_products_beyond_the_declared_range_are_not_asked(subject_of):
    declared = subject_of(CONTROLS["declared products in 16 bits"])
    undeclared = subject_of(declaring(CONTROLS["declared products in 16 bits"], "scores-rounded"))
    assert [of_large_products(declared, dtype).outcome for dtype in SIXTEEN_BITS] == ["agrees", "unsupported"]
    assert of_large_products(undeclared, "float16").outcome == "violates"
    message = of_large_products(declared, "float16").verdict.message
    assert message == "precision=products-rounded, but should be wider: a product of a query and a key is out of its range"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "model"), list(zip(DECLARED, ("products-rounded", *["products-rounded+sums-rounded"] * 2), strict=True))
)
def test_probe_finds_the_model_from_answers_and_that_products_overflow(name, model, subject_of):
    for declared, refuted in (({}, True), (model, False)):
        session = ProbeSession(subject_of(declaring(CONTROLS[name], declared)), 0)
        session.dtypes = ("float16",)
        (observation,) = precision(session)
        assert (observation.value, observation.refuted) == (model, refuted)
        assert "overflow before they are scaled" in observation.evidence
        probed = ProbeReport(Target("mine", "mine:f", registered=False), session.under_test.description, [observation])
        assert probed.declaration() == {"precision": {"float16": model}}


def test_probe_does_not_mind_the_order_of_joined_models():
    observation = Observation("precision float16", "products-rounded+sums-rounded", "", "precision", refuted=False)
    description = Description("mine", precision={"float16": "sums-rounded+products-rounded"})
    assert ProbeReport(Target("mine", "mine:f"), description, [observation]).verdict(observation) == MATCHES


def backward(x, dout):
    """The gradients to q, k and v with every product and sum in the dtype."""
    dtype = x.q.dtype

    def r(a):
        return _narrow_parts.stored(dtype, a)

    def turned(a):
        return a.swapaxes(-1, -2)

    q, k, v, dout = (a.astype(np.float32) for a in (x.q, x.k, x.v, dout))
    scale = r(np.float32(default_scale(x)))
    s = r(scale * summed(dtype, q, turned(k)))
    s = np.where(x.visible(), s, -np.inf).astype(np.float32)
    w, _ = _narrow_parts.softmax(dtype, s, -np.inf)
    products, out = summed(dtype, dout, turned(v)), summed(dtype, w, v)
    means = np.add.accumulate((dout * out).astype(dtype), -1)[..., -1:].astype(np.float32)
    da = r(scale * r(w * r(products - means)))
    return {"q": summed(dtype, da, k), "k": summed(dtype, turned(da), q), "v": summed(dtype, turned(w), dout)}


@pytest.mark.parametrize("dtype", SIXTEEN_BITS)
@pytest.mark.parametrize("sizes", [(20, 150, 32, 48), (4, 5, 4, 3)])
def test_gradients_in_sixteen_bits_are_within_the_bound_of_that_and_wrong_ones_are_not(sizes, dtype):
    for seed, recipe in enumerate(("normal", "uniform", "positive_values", "steep", "flat")):
        x = realise(Case(Problem(1, 2, 2, *sizes, dtype, mask=masks.random(3, 0.7, "ij")), recipe, seed))
        dout = np.random.default_rng(seed).standard_normal(x.output_shape).astype(numpy_dtype(dtype))
        wanted = expect_gradient(x, dout, Conventions(), "products-rounded+sums-rounded")
        assert wanted.in_range
        for name, gradient in backward(x, dout).items():
            bound = wanted.bounds[name]
            assert np.isfinite(bound).all()
            assert error_ratios(gradient, wanted.gradients[name], bound).max() <= 1, (recipe, name)
            doubled = error_ratios(2 * gradient, wanted.gradients[name], bound).max()
            assert doubled > 1 or recipe != "flat" or x.k.shape[2] > 5, name
