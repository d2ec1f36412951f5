"""The constants of arithmetic, against the definition and the formats."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from attention_specs.formats import DTYPES, accumulator, largest, numpy_dtype, oracle_dtype, smallest_normal, unit_roundoff

FORMATS = {"float64": (53, -1022, 1023), "float32": (24, -126, 127), "bfloat16": (8, -126, 127), "float16": (11, -14, 15)}
"""dtype -> digits of the significand, least and greatest exponent (IEEE 754-2019 table 3.5; bfloat16 as published by Intel)."""


@pytest.mark.parametrize("name", FORMATS)
def test_constants_are_those_of_the_format(name):
    digits, least, greatest = FORMATS[name]
    assert unit_roundoff(name) == 2.0**-digits
    assert smallest_normal(name) == 2.0**least
    assert Fraction(largest(name)) == (2 - Fraction(2) ** (1 - digits)) * Fraction(2) ** greatest


@pytest.mark.parametrize("name", FORMATS)
def test_rounding_errs_by_at_most_the_unit_roundoff(name):
    exact = [Fraction(n, 3) for n in range(1, 400)]
    rounded = [Fraction(float(np.asarray(float(x)).astype(numpy_dtype(name)))) for x in exact]
    errors = [abs(r - x) / x for r, x in zip(rounded, exact, strict=True)]
    assert unit_roundoff(name) / 4 < max(errors) <= unit_roundoff(name)


def test_every_dtype_has_its_format_and_no_other_name_is_taken():
    assert set(DTYPES) == set(FORMATS)
    with pytest.raises(ValueError, match=r"dtype=int8, but should be one of float32"):
        numpy_dtype("int8")


@pytest.mark.parametrize("name", DTYPES)
def test_the_oracle_has_more_digits_than_what_it_judges(name):
    assert np.finfo(oracle_dtype(name)).eps <= (2 * unit_roundoff(name) if name == "float64" else 2.0**-52)
    assert unit_roundoff(accumulator(name)) <= unit_roundoff(name)
