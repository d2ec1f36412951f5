"""Arithmetic that is less exact than declared (C24)."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from attention_harness.audit.faults import _narrow_parts, fault
from attention_harness.audit.faults._narrow_parts import summed
from attention_harness.audit.faults._parts import attention, beside, finite, partial, rounded, softmax, staged
from attention_specs.contract import declares

Array = np.ndarray
EXACT = {"bfloat16": "exact", "float16": "exact"}


def _weighed(q: Array, k: Array, v: Array, change: Any, **o: Any) -> Any:
    """Attention with other weights behind the softmax."""

    def normalise(s: Array, sink: Any) -> tuple[Array, Array]:
        weights, lse = softmax(s, sink)
        return change(weights).astype(weights.dtype), lse

    return staged(q, k, v, normalise=normalise, **o)


def _powers(q: Array, k: Array, v: Array, exp: Any, **o: Any) -> Any:
    """Attention with another exponential, used for weights and sum alike."""

    def normalise(s: Array, sink: Any) -> tuple[Array, Array]:
        top = finite(np.maximum(s.max(-1, initial=-np.inf), sink))
        powers = np.where(np.isneginf(s), 0, exp(s - top[..., None])).astype(s.dtype)
        total = powers.sum(-1) + np.exp(sink - top)
        return powers / np.where(total == 0, 1, total)[..., None], np.log(total) + top

    return staged(q, k, v, normalise=normalise, **o)


@fault("C24", "NVIDIA/FasterTransformer#43")
def the_maximum_is_not_taken_off(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """exp(s) overflows."""

    def normalise(s: Array, sink: Any) -> tuple[Array, Array]:
        powers = np.exp(s)
        total = powers.sum(-1) + np.exp(sink)
        return powers / np.where(total == 0, 1, total)[..., None], np.log(total)

    return staged(q, k, v, normalise=normalise, **o)


@fault("C24")
def the_maximum_of_the_tile_is_taken_off(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One maximum for all rows: rows far below it underflow."""

    def normalise(s: Array, sink: Any) -> tuple[Array, Array]:
        top = finite(np.maximum(s.max((-1, -2), initial=-np.inf, keepdims=True)[..., 0], sink))
        powers = np.exp(s - top[..., None])
        total = powers.sum(-1) + np.exp(sink - top)
        return powers / np.where(total == 0, 1, total)[..., None], np.log(total) + top

    return staged(q, k, v, normalise=normalise, **o)


@fault("C24")
def inputs_are_rounded_to_tf32(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Ten bits of significand, undeclared."""
    return attention(*(rounded(a, 11) for a in (q, k, v)), **o)


@fault("C24")
def values_are_rounded_to_bfloat16(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Only V passes through a narrow format."""
    return attention(q, k, v.astype(ml_dtypes.bfloat16).astype(v.dtype), **o)


@fault("C24")
def keys_are_quantised_to_int8(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One scale per key head and 8 bits per number, undeclared."""
    top = np.abs(k.astype(np.float64)).max((2, 3), keepdims=True, initial=0) / 127
    quantised = np.round(k.astype(np.float64) / np.where(top > 0, top, 1)) * top
    return attention(q, quantised.astype(k.dtype), v, **o)


@fault("C24")
def weights_are_rounded_to_bfloat16(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """P is stored in bfloat16, also for float32 inputs."""
    return _weighed(q, k, v, lambda w: w.astype(ml_dtypes.bfloat16), **o)


@fault("C24")
def weights_are_rounded_to_float16(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """P is stored in float16, also for float32 inputs."""
    return _weighed(q, k, v, lambda w: w.astype(np.float16), **o)


@fault("C24")
def small_weights_are_flushed(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Weights below 1e-4 become 0."""
    return _weighed(q, k, v, lambda w: np.where(w < 1e-4, 0, w), **o)


@fault("C24")
def weights_below_one_in_a_million_are_flushed(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A sparse kernel skips them."""
    return _weighed(q, k, v, lambda w: np.where(w < 1e-6, 0, w), **o)


@fault("C24")
def the_exponential_is_off_by_one_in_ten_thousand(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A cubic polynomial for 2^x."""
    return _powers(q, k, v, lambda d: np.exp(d) * (1 + 1e-4 * np.sin(37 * d)), **o)


@fault("C24")
def the_exponential_is_off_by_one_in_a_million(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A quintic polynomial for 2^x: some twenty roundoffs of float32."""
    return _powers(q, k, v, lambda d: np.exp(d) * (1 + 3e-6 * np.sin(37 * d)), **o)


@fault("C24")
def the_exponential_ends_at_minus_sixteen(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Arguments are clamped to the range of a table, but hidden ones stay 0."""
    return _powers(q, k, v, lambda d: np.exp(np.maximum(d, -16)), **o)


@fault("C24")
def log2_of_e_has_four_digits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """exp(x) is 2^(1.4427 x)."""
    return _powers(q, k, v, lambda d: np.exp2(d * d.dtype.type(1.4427)), **o)


@fault("C24")
def the_denominator_has_an_epsilon(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """1e-5 is added to the sum."""
    return _weighed(q, k, v, lambda w: w / (1 + 1e-5), **o)


@fault("C24")
def division_is_by_an_approximate_reciprocal(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """1 / sum is good to 12 bits."""

    def normalise(s: Array, sink: Any) -> tuple[Array, Array]:
        weights, lse = softmax(s, sink)
        total = np.exp(lse - finite(s.max(-1, initial=-np.inf)))
        good = np.where(total > 0, rounded(1 / np.where(total > 0, total, 1), 12) * total, 1)
        return weights * good[..., None].astype(weights.dtype), lse

    return staged(q, k, v, normalise=normalise, **o)


@fault("C24", "google/flax#4008")
def the_softmax_is_in_the_dtype_of_the_inputs(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Scores, powers and running sum in 16 bits: the sum stops growing."""
    if q.dtype.itemsize > 2:
        return attention(q, k, v, **o)

    return staged(q, k, v, normalise=partial(_narrow_parts.softmax, q.dtype), **o)


@fault("C24", "tinygrad/tinygrad#4985")
def scores_are_summed_in_float16(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Each product and partial sum over channels is rounded, and overflows beyond 65504."""
    if q.dtype != np.float16:
        return attention(q, k, v, **o)
    return staged(q, k, v, multiply=partial(summed, q.dtype), **o)


@fault("C24", "huggingface/transformers#18057")
def outputs_are_summed_in_the_dtype_of_the_values(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Each addition over the keys is rounded to 16 bits."""
    if q.dtype.itemsize > 2:
        return attention(q, k, v, **o)

    def product(weights: Array, values: Array) -> Array:
        total = np.zeros((*weights.shape[:3], values.shape[3]), q.dtype)
        for j in range(weights.shape[3]):
            total = (total.astype(np.float32) + weights[..., j, None] * values[:, :, None, j]).astype(q.dtype)
        return total.astype(np.float32)

    return staged(q, k, v, product=product, **o)


@fault("C24", "ggml-org/llama.cpp#9159")
def tanh_overflows(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """(e^2x - 1) / (e^2x + 1) is NaN for large x."""

    def cap(s: Array, limit: float) -> Array:
        e = np.exp(2 * s / limit)
        return limit * (e - 1) / (e + 1)

    return staged(q, k, v, cap=cap, **o)


@fault("C24")
def tanh_is_approximate(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The hardware's tanh is good to 11 bits."""
    return staged(q, k, v, cap=lambda s, limit: limit * rounded(np.tanh(s / limit), 11), **o)


@fault("C24", "ml-explore/mlx#3119")
@declares(precision=EXACT)
def sixteen_bit_outputs_are_cut_off(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """bfloat16 by dropping bits instead of rounding to nearest."""
    if q.dtype.itemsize > 2:
        return attention(q, k, v, **o)
    wide = attention(*(a.astype(np.float32) for a in (q, k, v)), **o)
    mask = np.uint32(0xFFFF0000 if q.dtype != np.float16 else 0xFFFFE000)
    return beside(wide, lambda out: (np.ascontiguousarray(out).view(np.uint32) & mask).view(np.float32).astype(q.dtype))


@fault("C24")
@declares(precision=EXACT)
def sixteen_bit_weights_are_stored_undeclared(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The declaration says float32 inside; P is in 16 bits."""
    return _weighed(q, k, v, lambda w: w.astype(q.dtype), **o)


@fault("C24")
def float64_is_computed_in_float32(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The dtype of the output is right, its digits are not."""
    if q.dtype != np.float64:
        return attention(q, k, v, **o)
    return beside(attention(*(a.astype(np.float32) for a in (q, k, v)), **o), lambda out: out.astype(np.float64))


@fault("C24")
def float64_has_the_exponential_of_float32(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Products in float64, exp in float32."""
    return _powers(q, k, v, lambda d: np.exp(d.astype(np.float32)), **o)


@fault("C24")
def float64_has_the_scale_of_float32(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """1/sqrt(D) is a float32: exact for D = 64, not for D = 80."""
    scale = o["scale"] if o.get("scale") is not None else max(q.shape[-1], 1) ** -0.5
    return attention(q, k, v, **o | {"scale": float(np.float32(scale))})


@fault("C24")
def float64_biases_are_rounded_to_float32(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The bias buffer is float32."""
    return attention(q, k, v, **o | ({"bias": o["bias"].astype(np.float32)} if o.get("bias") is not None else {}))


@fault("C24")
def large_values_saturate(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Values are clipped to the range of float16."""
    return attention(q, k, np.clip(v, -65504, 65504), **o)


@fault("C24")
def small_values_are_flushed(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """float16 values below the smallest normal number become 0."""
    if q.dtype != np.float16:
        return attention(q, k, v, **o)
    return attention(q, k, np.where(np.abs(v) < np.float16(2.0**-14), np.float16(0), v), **o)


@fault("C24")
def weights_are_normalised_twice(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The rounded row sum of half-precision weights divides the output again, above 64 keys."""

    def change(w: Array) -> Array:
        return w / np.where(w.sum(-1, keepdims=True) > 0, w.astype(np.float16).astype(w.dtype).sum(-1, keepdims=True), 1)

    return _weighed(q, k, v, change if k.shape[2] > 64 and o.get("sinks") is None else lambda w: w, **o)
