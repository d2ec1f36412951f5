"""Properties of whole runs: the statistic, a fault that each property rejects, and controls."""

from __future__ import annotations

from functools import partial, wraps

import numpy as np
import pytest

from attention_harness.audit.faults import precision
from attention_harness.conformance.judging import Tally, judge
from attention_implementations.numpy import eager as numpy_eager
from attention_implementations.numpy import multi_head as numpy_multi_head
from attention_implementations.numpy import online as numpy_online
from attention_specs.properties.signs import SIGMAS, no_preferred_sign, standard_errors
from attention_specs.property import PROPERTIES


def samples(n, mean=0.0, seed=0, allowed=0.0):
    """n errors upwards, of mean 0, and outwards, with the part that may have a sign."""
    pairs = np.random.default_rng(seed).standard_normal((n, 2)) * 0.1 + [0, mean]
    return [(up, outwards, allowed) for up, outwards in pairs.tolist()]


def test_a_mean_of_zero_is_kept_by_ten_thousand_runs():
    largest = [float(standard_errors(samples(40, seed=seed))[1].max()) for seed in range(10_000)]
    assert max(largest) <= SIGMAS
    assert max(largest) > SIGMAS / 2  # and the statistic is not always small


def test_sizes_do_not_matter_for_errors_of_either_sign():
    """Cauchy's distribution has no variance, and yet the statistic is bounded by Hoeffding."""
    draws = np.random.default_rng(1).standard_cauchy((10_000, 30, 2))
    assert max(float(standard_errors([(*pair, 0.0) for pair in run])[1].max()) for run in draws) <= SIGMAS


def test_what_is_allowed_may_lean():
    assert not no_preferred_sign(samples(400, mean=0.05)).holds
    assert no_preferred_sign(samples(400, mean=0.05, allowed=0.05)).holds


def test_a_mean_that_leans_is_rejected_with_its_direction_and_size():
    verdict = no_preferred_sign(samples(200, mean=0.1))
    assert not verdict.holds
    assert "of the bound away from zero" in verdict.message
    assert "standard errors over 200 heads, but should be at most 5" in verdict.message


@pytest.mark.parametrize(("n", "vacuous"), [(0, True), (25, True), (26, False)])
def test_too_few_samples_are_vacuous(n, vacuous):
    assert no_preferred_sign([(1.0, 1.0, 0.0)] * n).vacuous == vacuous


def test_errors_of_zero_have_no_sign():
    assert no_preferred_sign([(0.0, 0.0, 0.0)] * 30).ratio == 0


def outcomes(function, property_, subject_of, cases):
    """The outcome of the property in each dtype over all cases."""
    under_test, tallies = subject_of(function), {}
    for case in cases:
        under_test.forget()
        for finding in judge(under_test, under_test.spec.realise(case), [property_]):
            tallies.setdefault(case.problem.dtype, Tally()).add(case, finding)
    for tally in tallies.values():
        tally.close(property_)
    return {dtype: tally.outcome for dtype, tally in tallies.items()}


@wraps(numpy_multi_head.multi_head)
def multi_head(query, *arrays, **options):
    """A layer that cuts its 16-bit outputs off, declared as exact."""
    if query.dtype.itemsize > 2 or options.get("return_weights"):
        return numpy_multi_head.multi_head(query, *arrays, **options)
    wide = numpy_multi_head.multi_head(query.astype(np.float32), *(a.astype(np.float32) for a in arrays), **options)
    kept = np.uint32(0xFFFF0000 if query.dtype != np.float16 else 0xFFFFE000)
    return (np.ascontiguousarray(wide).view(np.uint32) & kept).view(np.float32).astype(query.dtype)


FAULTS = {
    "errors_have_no_preferred_sign": precision.sixteen_bit_outputs_are_cut_off,
    "layer_errors_have_no_preferred_sign": multi_head,
}
CONTROLS = {
    "errors_have_no_preferred_sign": [numpy_eager.attention, numpy_online.attention, numpy_online.online(3, 5)],
    "layer_errors_have_no_preferred_sign": [numpy_multi_head.multi_head],
}


def test_every_property_of_a_run_has_its_fault():
    assert set(FAULTS) == {name for name, property_ in PROPERTIES.items() if property_.over_run}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_each_property_rejects_its_fault(name, subject_of, cases_of):
    """A layer has one sample for each batch entry, so that one run of three is enough."""
    runs = [outcomes(FAULTS[name], PROPERTIES[name], subject_of, cases_of(seed)[PROPERTIES[name].spec]) for seed in (0, 1, 2)]
    rejected = ["violates" in {run["bfloat16"], run["float16"]} for run in runs]
    assert all(rejected) or (name.startswith("layer") and any(rejected))
    assert {run[dtype] for run in runs for dtype in ("float32", "float64")} <= {"agrees", "vacuous"}


@pytest.mark.slow
def test_it_sees_what_the_bound_allows(subject_of, cases_of):
    """Outputs that are cut off are inside the bound of kernels that may store scores in 16 bits."""
    undeclared = partial(precision.sixteen_bit_outputs_are_cut_off)  # a partial has none of the attributes
    undeclared.__name__, undeclared.options = "undeclared", precision.sixteen_bit_outputs_are_cut_off.options
    for name, outcome in (("output_agrees_with_the_oracle", {"agrees"}), ("errors_have_no_preferred_sign", {"violates"})):
        by_dtype = outcomes(undeclared, PROPERTIES[name], subject_of, [*cases_of(0)["attention"], *cases_of(1)["attention"]])
        assert {by_dtype["bfloat16"], by_dtype["float16"]} == outcome


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTROLS)
def test_controls_have_them(name, subject_of, cases_of):
    for function in CONTROLS[name]:
        by_dtype = outcomes(function, PROPERTIES[name], subject_of, cases_of(0)[PROPERTIES[name].spec])
        assert set(by_dtype.values()) <= {"agrees", "vacuous"}
