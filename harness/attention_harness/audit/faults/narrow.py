"""Faults under the loosest models that can be declared: no declaration allows these errors (C24)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._narrow_parts import SIXTEEN_BITS, matrix_unit, narrow, of_few_bits, powers_and_sum, stored
from attention_harness.audit.faults._parts import finite, staged
from attention_specs.contract import declares

Array = np.ndarray


@fault("C24")
@declares(dtypes=SIXTEEN_BITS, precision="products-rounded")
def large_products_are_scaled_twice(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Products beyond 2048 are scaled before they are stored, so that float16 holds them, and once more with all others."""
    scale = np.float32(o["scale"] if o.get("scale") is not None else max(q.shape[-1], 1) ** -0.5)

    def multiply(a: Array, b: Array) -> Array:
        products = a @ b
        return stored(q.dtype, np.where(np.abs(products) > 2048, scale * products, products)).astype(a.dtype)

    return staged(q, k, v, multiply=multiply, **o)


@fault("C24")
@declares(dtypes=SIXTEEN_BITS, precision="products-rounded")
def products_saturate_before_the_end_of_the_range(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Stored products are clipped at 8192, an eighth of what float16 holds."""
    return staged(q, k, v, multiply=lambda a, b: np.clip(stored(q.dtype, a @ b), -8192, 8192), **o)


@fault("C24")
@declares(dtypes=SIXTEEN_BITS, precision="products-rounded+sums-rounded")
def the_odd_key_is_left_out_of_the_sum(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """16-bit sums in two lanes: of an odd number of keys the last has a weight, and no part in the denominator."""

    def normalise(s: Array, sink: Any) -> tuple[Array, Array]:
        powers, total, top = powers_and_sum(q.dtype, s, sink)
        total = total - powers[..., -1] if s.shape[-1] % 2 and s.shape[-1] > 1 else total
        return stored(q.dtype, powers / np.where(total > 0, total, 1)[..., None]), np.log(total) + top

    return narrow(q, k, v, normalise=normalise, **o)


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
