"""Steps of an attention that computes in 16 bits: every number stored, every product, sum and quotient is rounded.

Arrays are float32 between the steps, and hold numbers of the narrow dtype.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attention_harness.audit.faults._layer_parts import join, split
from attention_harness.audit.faults._parts import finite, staged, weighed

Array = np.ndarray
SIXTEEN_BITS = ("bfloat16", "float16")


def stored(dtype: Any, a: Array) -> Array:
    """Rounded to the dtype."""
    return a.astype(dtype).astype(a.dtype)


def summed(dtype: Any, a: Array, b: Array) -> Array:
    """a @ b, each product and each sum so far rounded to the dtype."""
    a, b = a.astype(dtype), b.astype(dtype)
    total = np.zeros((*a.shape[:-1], b.shape[-1]), dtype)
    for j in range(a.shape[-1]):
        total = total + a[..., j, None] * b[..., None, j, :]
    return total.astype(np.float32)


def of_few_bits(a: Array, b: Array, bits: int = 14, together: int = 32) -> Array:
    """a @ b as matrix units for eight bits add: the highest bits of so many products and of the sum so far, by the largest of them."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    total = np.zeros((*a.shape[:-1], b.shape[-1]))
    for start in range(0, a.shape[-1], together):
        part = slice(start, start + together)
        addends = np.concatenate([a[..., part, None] * b[..., None, part, :], total[..., None, :]], -2)
        kept = _cut(addends, np.abs(addends).max(-2, keepdims=True), bits).sum(-2)
        total = _cut(kept, np.abs(kept), bits)
    return total.astype(np.float32)


def _cut(a: Array, largest: Array, bits: int) -> Array:
    """Without the digits behind so many bits of the largest."""
    known = np.where(np.isfinite(largest) & (largest > 0), largest, 1)
    quantum = np.exp2(np.floor(np.log2(known)) - (bits - 1))
    return np.trunc(a / quantum) * quantum


def matrix_unit(q: Array, k: Array, v: Array, bits: int = 14, **o: Any) -> Any:
    """Attention whose matrix products keep so many bits of their sums; weights are stored in the dtype of q, all else is in float32."""

    def product(weights: Array, values: Array) -> Array:
        return of_few_bits(stored(q.dtype, weights), weighed(weights, values), bits)

    return staged(q, k, v, multiply=lambda a, b: of_few_bits(a, b, bits), product=product, **o)


def powers_and_sum(dtype: Any, s: Array, sink: Any) -> tuple[Array, Array, Array]:
    """exp(s - maximum), their sum with the sink's, and the maximum."""
    s, sink = s.astype(dtype), np.broadcast_to(sink, s.shape[:-1]).astype(dtype)
    top = finite(np.maximum(s.max(-1, initial=-np.inf), sink)).astype(dtype)
    powers = np.exp(s - top[..., None])
    terms = np.concatenate([np.exp(sink - top)[..., None], powers], -1)
    total = np.add.accumulate(terms, -1)[..., -1]
    return powers.astype(np.float32), total.astype(np.float32), top.astype(np.float32)


def softmax(dtype: Any, s: Array, sink: Any) -> tuple[Array, Array]:
    """Weights and log-sum-exp."""
    powers, total, top = powers_and_sum(dtype, s, sink)
    return stored(dtype, powers / np.where(total == 0, 1, total)[..., None]), np.log(total) + top


def capped(dtype: Any, s: Array, limit: float) -> Array:
    """softcap * tanh(s / softcap)."""
    return stored(dtype, np.float32(limit) * stored(dtype, np.tanh(stored(dtype, s / np.float32(limit)))))


def narrow(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Attention in the dtype of q, whose steps can be exchanged as those of `staged`."""
    rounded = partial(stored, q.dtype)

    def product(weights: Array, values: Array) -> Array:
        return summed(q.dtype, weights, weighed(weights, values))

    steps: dict[str, Any] = {"multiply": partial(summed, q.dtype), "raw": rounded, "cap": partial(capped, q.dtype)}
    steps |= {"scores": rounded, "normalise": partial(softmax, q.dtype), "product": product}
    return staged(q, k, v, **(steps | o))


def narrow_layer(query: Array, key: Array, value: Array, *weights: Array, heads: int, mask: Array | None = None) -> Any:
    """The multi-head layer in the dtype of the query."""
    dtype = query.dtype
    w_q, w_k, w_v, w_o, b_q, b_k, b_v, b_o = weights

    def projected(a: Array, w: Array, b: Array) -> Array:
        return (summed(dtype, a, w).astype(dtype) + b).astype(dtype)

    q, k, v = (split(projected(*sent), heads) for sent in ((query, w_q, b_q), (key, w_k, b_k), (value, w_v, b_v)))
    out = narrow(q, k, v, mask=None if mask is None else mask.astype(bool))
    return projected(join(out), w_o, b_o)
