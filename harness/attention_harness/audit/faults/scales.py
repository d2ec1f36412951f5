"""The scale (C23)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, given, staged

Array = np.ndarray


def _scaled(q: Array, k: Array, v: Array, default: Any = None, own: Any = None, **o: Any) -> Any:
    """Attention with another default scale, or with what `own` makes of a given one."""
    scale = o.get("scale")
    change = default if scale is None else own
    usual = max(q.shape[-1], 1) ** -0.5
    return attention(q, k, v, **o | ({"scale": change(usual if scale is None else scale)} if change else {}))


@fault("C23", "pytorch/pytorch#174049")
def the_scale_is_ignored(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Always 1/sqrt(D)."""
    return attention(q, k, v, **o | {"scale": None})


@fault("C23", "lucidrains/vit-pytorch#65")
def the_scale_is_that_of_the_model(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """1/sqrt(H D)."""
    return _scaled(q, k, v, lambda s: s * max(q.shape[1], 1) ** -0.5, **o)


@fault("C23", "esceptico/perceiver-io#9")
def the_scale_divides(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Scores are divided by 1/sqrt(D)."""
    return _scaled(q, k, v, lambda s: 1 / s, **o)


@fault("C23", "tenstorrent/tt-metal#56789")
def the_scale_is_that_of_the_heads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """1/sqrt(H)."""
    return _scaled(q, k, v, lambda s: max(q.shape[1], 1) ** -0.5, **o)


@fault("C23")
def a_scale_of_zero_is_the_default(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """`scale or 1/sqrt(D)`."""
    return attention(q, k, v, **o | {"scale": o.get("scale") or None})


@fault("C23")
def a_negative_scale_gives_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Queries and keys are each multiplied by its square root."""
    negative = o.get("scale") is not None and o["scale"] < 0
    return beside(attention(q, k, v, **o), lambda out: (out * np.nan).astype(out.dtype) if negative else out)


@fault("C23")
def a_negative_scale_takes_the_wrong_maximum(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The maximum is that of unscaled products: for a negative scale the exponentials overflow if scores are large."""
    negative = o.get("scale") is not None and o["scale"] < 0

    def overflown(out: Array) -> Array:
        size = np.abs(q.astype(np.float64)).max(initial=0) * np.abs(k.astype(np.float64)).max(initial=0)
        return (out * np.nan).astype(out.dtype) if negative and size > 44 else out

    return beside(attention(q, k, v, **o), overflown)


@fault("C23")
def a_given_scale_is_multiplied_by_the_default(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """scale / sqrt(D)."""
    return _scaled(q, k, v, None, lambda s: s * max(q.shape[-1], 1) ** -0.5, **o)


@fault("C23")
def the_scale_is_ignored_beside_a_bias(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The path with a bias has the default."""
    return attention(q, k, v, **o | ({"scale": None} if given(o, "bias") else {}))


@fault("C23")
def the_scale_is_ignored_for_one_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The decode kernel has the default."""
    return attention(q, k, v, **o | ({"scale": None} if q.shape[2] == 1 else {}))


@fault("C23")
def the_default_scale_is_rounded_to_bfloat16(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """1/sqrt(D) is stored in the dtype of the smallest type."""
    import ml_dtypes

    return _scaled(q, k, v, lambda s: float(ml_dtypes.bfloat16(s)), **o)


@fault("C23")
def an_integer_root_is_taken_for_the_scale(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """1 / isqrt(D)."""
    return _scaled(q, k, v, lambda s: 1 / max(int(q.shape[-1] ** 0.5), 1), **o)


@fault("C23")
def the_scale_is_rounded_to_half_precision(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A float16 constant, default or given, in every dtype."""
    return _scaled(q, k, v, lambda s: float(np.float16(s)), lambda s: float(np.float16(s)), **o)


@fault("C24")
def float16_products_overflow_before_they_are_scaled(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """q . k is stored in float16, and scaled behind it."""
    if q.dtype != np.float16:
        return attention(q, k, v, **o)
    scale = np.float32(o["scale"] if o.get("scale") is not None else max(q.shape[-1], 1) ** -0.5)

    def stored(s: Array) -> Array:
        return np.asarray((s / scale).astype(np.float16).astype(np.float32) * scale if scale else s)

    return staged(q, k, v, raw=stored, **o)
