"""Sums of matrix units that keep fewer bits than is declared (C24)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._narrow_parts import SIXTEEN_BITS, matrix_unit, of_few_bits
from attention_harness.audit.faults._parts import finite
from attention_specs.contract import declares

Array = np.ndarray


@fault("C24")
@declares(dtypes=SIXTEEN_BITS, precision="weights-rounded+sums-of-14-bits")
def matrix_units_keep_eleven_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Declared with sums of 14 bits; each addend is cut off three digits earlier."""
    return matrix_unit(q, k, v, bits=11, **o)


@fault("C24")
@declares(dtypes=SIXTEEN_BITS, precision="weights-rounded")
def sums_have_the_bits_of_matrix_units_for_eight(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Declared with sums in float32, as the promotion of partial sums would make them; nobody promotes them."""
    return matrix_unit(q, k, v, **o)


@fault("C24")
@declares(dtypes=SIXTEEN_BITS, precision="weights-rounded+sums-of-14-bits")
def powers_too_are_summed_in_a_matrix_unit(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Declared for products alone; the denominator is a product with ones, and keeps 11 bits."""

    def normalise(s: Array, sink: Any) -> tuple[Array, Array]:
        top = finite(np.maximum(s.max(-1, initial=-np.inf), sink))
        powers = np.exp(s - top[..., None])
        total = of_few_bits(powers, np.ones((*powers.shape[:-2], powers.shape[-1], 1), powers.dtype), 11)[..., 0] + np.exp(
            sink - top
        )
        with np.errstate(divide="ignore"):
            return powers / np.where(total == 0, 1, total)[..., None], np.log(total) + top

    return matrix_unit(q, k, v, normalise=normalise, **o)
