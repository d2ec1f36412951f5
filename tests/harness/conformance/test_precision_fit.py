"""The precision fit of a run: quantiles without the elements, different models, and the eager run beside them."""

from __future__ import annotations

import numpy as np
import pytest

from attention_harness.conformance.precision_fit import PrecisionFit, Ratios, eager
from attention_implementations.numpy import eager as numpy_eager
from attention_implementations.numpy import tensor_core as numpy_tensor_core
from attention_specs.attention.bounds import AttentionBounds
from attention_specs.attention.inputs import realise
from attention_specs.attention.oracle import attention
from attention_specs.attention.problem import Problem
from attention_specs.attention.spec import call, expect
from attention_specs.case import Case
from attention_specs.contract import Conventions
from attention_specs.formats import numpy_dtype
from attention_specs.judge import error_ratios
from attention_specs.precision import Units, candidates, named_precision

RECIPES = ("normal", "steep", "peaked", "positive_values", "one_hot_values", "heavy_tails")


def questions(dtype):
    problem = Problem(2, 2, 1, 16, 40, 32, 16, dtype)
    return [realise(Case(problem, recipe, seed)) for seed, recipe in enumerate(RECIPES)]


def answer(function, x):
    asked = call(x)
    return function(**asked.arrays, **asked.options)


def stored(x, scores):
    """Attention whose weights, and scores if so, are stored in the dtype."""
    through = (lambda a: a.astype(numpy_dtype(x.dtype)).astype(np.float32)) if x.dtype != "float32" else (lambda a: a)
    q, k, v = (a.astype(np.float32) for a in (x.q, np.repeat(x.k, x.group, 1), np.repeat(x.v, x.group, 1)))
    s = q @ k.swapaxes(-1, -2) / np.sqrt(np.float32(q.shape[-1]))
    s = through(s) if scores else s
    powers = np.exp(s - s.max(-1, keepdims=True))
    return (through(powers / powers.sum(-1, keepdims=True)) @ v).astype(x.q.dtype)


DESIGNS = {
    "exact": lambda x: answer(numpy_eager.attention, x),
    "weights-rounded": lambda x: stored(x, scores=False),
    "scores-rounded": lambda x: stored(x, scores=True),
}


def measured(function, dtype, declared="exact"):
    fit = PrecisionFit(dtype, declared)
    for x in questions(dtype):
        fit.add(x, function(x), expect(x, Conventions(), declared))
    return fit


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("design", DESIGNS)
def test_the_tightest_model_is_that_of_the_design(design, dtype):
    assert measured(DESIGNS[design], dtype).tightest == design


def test_a_matrix_unit_differs_from_float32():
    fit = measured(lambda x: answer(numpy_tensor_core.attention, x), "float32")
    assert fit.tightest == "tf32-inputs"
    assert not fit.keeps("truncating-sums")


def test_float64_computed_in_float32_is_recognised():
    assert measured(lambda x: answer(numpy_tensor_core.attention, x), "float64").tightest == "computed-in-float32"


def test_what_is_wrong_meets_no_model():
    assert measured(lambda x: 2 * DESIGNS["exact"](x), "bfloat16").tightest is None


def test_quantiles_are_those_of_the_elements_to_a_twentieth_of_a_decade():
    ratios, elements = Ratios(), np.random.default_rng(0).lognormal(size=(100, 37))
    for part in elements:
        ratios.add(part)
    for share in (0.01, 0.5, 0.99):
        exact = np.quantile(elements, share)
        assert exact / 10**0.06 <= ratios.quantile(share) <= exact * 10**0.06
    assert ratios.worst == elements.max() == ratios.quantile(1.0)


def test_zeros_nan_and_nothing():
    ratios = Ratios()
    assert (ratios.quantile(0.5), ratios.worst) == (0, 0)
    ratios.add(np.zeros(10))
    assert (ratios.quantile(0.99), ratios.worst) == (0, 0)
    ratios.add(np.array([np.nan]))
    assert ratios.worst == np.inf


@pytest.mark.parametrize("problem", [
    Problem(2, 2, 1, 5, 20, 8, 4, is_causal=True, window=(3, 0), softcap=5.0, sinks=1.0),
    Problem(1, 2, 2, 5, 20, 8, 4, key_lengths=(7,), scale=-0.3),
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_the_eager_run_is_one_of_stored_scores_with_all_options(problem, dtype):
    x = realise(Case(problem).with_problem(dtype=dtype))
    exact = attention(x)
    bound = AttentionBounds(x, exact, Units.from_precision(named_precision(candidates(dtype)[-1], dtype))).out
    assert error_ratios(eager(x), exact.out, bound).max() <= 1


def test_the_eager_run_is_as_far_from_exact_as_itself():
    assert measured(eager, "bfloat16").beside_eager == 1


def test_fits_of_single_cases_join_to_the_fit_of_all():
    whole, joined = PrecisionFit("bfloat16", "exact"), PrecisionFit("bfloat16", "exact")
    small = [realise(Case(Problem(1, 1, 1, 2, 3, 2, 2, "bfloat16"), seed=seed)) for seed in range(3)]
    for x in (*questions("bfloat16"), *small):
        given = x, stored(x, scores=True), expect(x, Conventions(), "exact")
        whole.add(*given)
        one = PrecisionFit("bfloat16", "exact")
        one.add(*given)
        joined.join(one)
    assert whole.few.counts.any()
    assert (joined.few.worst, joined.tightest, joined.evidence()) == (whole.few.worst, whole.tightest, whole.evidence())
    assert np.array_equal(joined.few.counts, whole.few.counts)
