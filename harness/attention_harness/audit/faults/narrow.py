"""Faults under the loosest models that can be declared: no declaration allows these errors (C24)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._narrow_parts import SIXTEEN_BITS, narrow, powers_and_sum, stored
from attention_harness.audit.faults._parts import staged
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
