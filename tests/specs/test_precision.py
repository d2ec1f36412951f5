"""The formats that a precision is made of, and the costs of their roundings."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from math import log1p

import ml_dtypes
import pytest

from attention_specs.formats import DTYPES, numpy_dtype
from attention_specs.precision import DETERMINISTIC, MODELS, ROUNDOFF, Precision, Units, named_precision, unit


def units(name, dtype):
    return Units.from_precision(named_precision(name, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_rounding_is_an_exponent_of_at_most_one_unit(dtype):
    numbers = [1 + Fraction(n, 9_999) for n in range(10_000)]
    rounded = [Fraction(float(numpy_dtype(dtype).type(float(x)))) for x in numbers]
    with localcontext() as context:
        context.prec = 40
        factors = [r / x for r, x in zip(rounded, numbers, strict=True)]
        costs = [abs((Decimal(f.numerator) / Decimal(f.denominator)).ln()) for f in factors]
    assert unit(dtype) / 4 < max(costs) <= unit(dtype)


def test_every_rounding_of_a_sum_counts_up_to_the_length_where_the_square_root_takes_over():
    a = units("exact", "float32").a
    assert [float(units("exact", "float32").sums(n) / a) for n in (-1, 0, 1, 256, DETERMINISTIC)] == [0, 0, 1, 256, DETERMINISTIC]
    assert float(units("exact", "float32").sums(4 * DETERMINISTIC)) == 2 * DETERMINISTIC * a


def test_truncation_has_a_sign_and_so_no_square_root():
    a, cut = units("exact", "float32").a, units("truncating-sums", "float32")
    assert [float(cut.sums(n) / a) for n in (1, 4, 16, 1 << 20)] == [6, 12, 48, 3 * (1 << 20)]


def test_matrix_units_of_few_bits_cost_products_alone():
    exact, few = units("exact", "bfloat16"), units("sums-of-14-bits", "bfloat16")
    assert [float(few.sums(n) / few.m) for n in (1, 32, 64)] == [6, 68, 136] and few.m == -log1p(-(2.0**-14))
    assert float(few.beside_matrix_units.sums(64)) == float(exact.sums(64)) == 64 * exact.a
    assert exact.beside_matrix_units is exact


@pytest.mark.parametrize("model", MODELS)
def test_models_are_formats_of_known_roundoff(model):
    for dtype in DTYPES:
        assert all(unit(name) > 0 for name in vars(named_precision(model, dtype)).values())


def test_models_of_sixteen_bits_go_from_tight_to_loose():
    exact, weights, scores = (units(name, "bfloat16") for name in ("exact", "weights-rounded", "scores-rounded"))
    assert (exact.w, exact.s, weights.s) == (0, 0, 0)
    assert weights.w == scores.w == scores.s == unit("bfloat16")
    assert ROUNDOFF["bfloat16"] == float(ml_dtypes.finfo(ml_dtypes.bfloat16).eps) / 2


def test_a_format_that_is_not_coarser_costs_nothing():
    assert units("tf32-inputs", "bfloat16").operand == units("exact", "float32").operand == 0
    assert units("exact", "float32").o == units("exact", "float32").cast == 0
    assert units("computed-in-float32", "float64").cast == unit("float32")


def test_sums_that_lose_terms_in_one_direction_lean():
    leaning = {model: [dtype for dtype in DTYPES if units(model, dtype).leans] for model in MODELS}
    assert leaning.pop("truncating-sums") == leaning.pop("sums-of-14-bits") == list(DTYPES)
    assert leaning.pop("sums-rounded") == ["bfloat16", "float16"]
    assert not any(leaning.values())


def test_products_that_are_stored_beside_scores_cost_nothing_more():
    products, scores, both = (
        units(m, "float16") for m in ("products-rounded", "scores-rounded", "products-rounded+scores-rounded")
    )
    assert (products.p, products.s, products.w) == (unit("float16"), 0, 0)
    assert (both.s, both.w, both.p) == (scores.s, scores.w, products.p)
    assert units("sums-rounded", "float16").p == 0 and named_precision("sums-rounded", "float16").products == "float32"


def test_models_join():
    both = Precision("tf32", "float32", "float32", "float32", "float32-truncating", "float32")
    assert named_precision("tf32-inputs+truncating-sums", "float32") == both


@pytest.mark.parametrize("name", ["sloppy", "exact+", "exact+sloppy"])
def test_unknown_models_are_refused_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r"precision=.*, but should be one of exact, .*, or several joined by \+"):
        named_precision(name, "float32")
