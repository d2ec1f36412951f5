"""Ranges: a step that leaves that of a declared format is named, and a call without one is asked."""

from __future__ import annotations

import numpy as np
import pytest

from attention_specs import masks
from attention_specs.attention import spec
from attention_specs.attention.bounds import AttentionBounds
from attention_specs.attention.inputs import realise
from attention_specs.attention.oracle import attention as exact_attention
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.formats import numpy_dtype
from attention_specs.multi_head import spec as layers
from attention_specs.multi_head.problem import LayerProblem
from attention_specs.precision import DETERMINISTIC, MODELS, Units, named_precision


def plain(dtype="float16", keys=6, **options):
    return realise(Case(Problem(1, 2, 1, 4, keys, 8, 3, dtype, **options)))


def beyond(x, model):
    return spec.beyond(x, named_precision(model, x.dtype))


def filled(a, number):
    return np.full_like(a, number)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_ordinary_numbers_are_within_every_range(model, dtype):
    assert beyond(plain(dtype), model) == ""
    layer = layers.realise(Case(LayerProblem(1, 2, 4, 4, 8, dtype=dtype)))
    assert layers.beyond(layer, named_precision(model, dtype)) == ""


def test_each_step_is_named():
    x = plain()
    large = x.replace(q=filled(x.q, 200.0), k=filled(x.k, 50.0))  # products of 80,000, scores of 28,284
    assert beyond(large, "products-rounded") == "a product of a query and a key"
    assert beyond(large, "sums-rounded") == ""
    assert beyond(large, "products-rounded+sums-rounded") == "a product of a query and a key"
    assert beyond(large.replace(scale=1.0), "sums-rounded") == "a score"
    assert beyond(x.replace(q=filled(x.q, 200.0), k=0 * x.k, scale=400.0), "sums-rounded") == "a scaled query"
    assert beyond(x.replace(v=filled(x.v, 20_000.0)), "sums-rounded") == "a sum over keys"
    assert beyond(x.replace(bias=filled(x.q[..., :1], 65504.0)), "sums-rounded") == "a score"
    assert beyond(plain("float64").replace(scale=1e39), "computed-in-float32") != ""


def test_partial_sums_count_where_they_are_kept_in_the_format_and_only_there():
    """Products that cancel: 8 of 20,000 with both signs."""
    x, signs = plain(), np.array([1.0, -1.0] * 4, np.float16)
    y = x.replace(q=filled(x.q, 200.0) * signs, k=filled(x.k, 100.0))
    assert beyond(y, "products-rounded") == ""
    assert beyond(y, "products-rounded+sums-rounded") != ""


def test_hidden_keys_count_and_what_is_no_number_does_not():
    x, hidden = plain(mask=masks.hidden_key(5)), np.arange(6)[:, None] == 5
    for garbage, step in ((6e4, "a product of a query and a key"), (np.nan, ""), (np.inf, "")):
        y = x.replace(q=filled(x.q, 1.0), k=np.where(hidden, garbage, x.k).astype(np.float16))
        assert beyond(y, "products-rounded") == step
    assert beyond(x.replace(q=filled(x.q, np.nan)), "products-rounded+sums-rounded") == ""


def test_a_layer_is_asked_within_the_range_of_its_projections_and_products():
    x = layers.realise(Case(LayerProblem(1, 2, 4, 4, 8, dtype="float16")))
    far = x.replace(query=filled(x.query, 3e4))
    assert layers.beyond(far, named_precision("sums-rounded", "float16")) == "a projection"
    assert layers.beyond(far, named_precision("products-rounded", "float16")) == "a product of a query and a key"
    assert layers.beyond(far, named_precision("scores-rounded", "float16")) == ""


def running(terms, dtype):
    """The sum of the terms one after the other, each sum so far rounded to the dtype."""
    return np.add.accumulate(terms.astype(dtype))[-1].astype(np.float64)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("n", [1, 16, 256, DETERMINISTIC, 8193, 60_000])
def test_running_sums_in_sixteen_bits_are_within_the_bound_at_any_length(n, dtype):
    """Equal terms stop counting where the sum is 1 / u of them, and terms of half a unit are all lost, or all rounded up."""
    u, kind = Units.from_precision(named_precision("sums-rounded", dtype)), numpy_dtype(dtype)
    half = np.expm1(u.a) * np.where(np.arange(n) == 0, 1 / np.expm1(u.a), 1.0)
    rng = np.random.default_rng(n)
    sums = {"equal": np.ones(n), "lost": half, "signs": rng.choice([-1.0, 1.0], n), "spread": np.exp(-5 * rng.random(n))}
    for name, terms in sums.items():
        terms = terms.astype(kind).astype(np.float64)
        error, size = abs(running(terms, kind) - terms.sum()), np.abs(terms).sum()
        assert error <= np.expm1(float(u.sums(n))) * size, name


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_bounds_of_long_sums_are_finite(dtype):
    x = realise(Case(Problem(1, 1, 1, 2, 20_000, 4, 2, dtype)))
    limits = AttentionBounds(x, exact_attention(x), Units.from_precision(named_precision("sums-rounded", dtype)))
    assert all(np.isfinite(bound).all() and (bound > 0).all() for bound in (limits.out, limits.weights, limits.lse))
