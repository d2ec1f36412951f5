"""Thresholds of sizes beyond which another kernel answers (C31, C40), and indices that are too narrow (C29)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, broadcast, given, hide, rounded, staged
from attention_specs.contract import declares

Array = np.ndarray


@fault("C40", "pytorch/pytorch#174861")
def the_last_block_is_lost_in_long_decoding(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One query and 1024 keys or more: the two-pass kernel drops the last 32."""
    n = k.shape[2]
    lost = (np.arange(n) >= n - 32) & (n >= 1024) & (q.shape[2] == 1)
    return attention(q, k, v, **hide(o, ~lost[None]))


@fault("C40", "ml-explore/mlx#3099")
def one_partial_result_is_lost_in_long_rows(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """From 1024 keys on, the second of the blocks of 256 is not merged."""
    n = k.shape[2]
    lost = (np.arange(n) // 256 == 1) & (n >= 1024)
    return attention(q, k, v, **hide(o, ~lost[None]))


@fault("C40")
def the_first_key_counts_twice_in_long_rows(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """From 512 keys on."""
    twice = np.where((np.arange(k.shape[2]) == 0) & (k.shape[2] >= 512), np.log(2), 0)
    return staged(q, k, v, scores=lambda s: s + twice.astype(s.dtype), **o)


@fault("C40", "apple/coremltools#2650")
def the_bias_of_the_first_entry_serves_ten(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """From batch 10 on, with a bias."""
    wrong = given(o, "bias") and q.shape[0] >= 10 and o["bias"].ndim == 4
    return attention(q, k, v, **o | ({"bias": o["bias"][:1]} if wrong else {}))


@fault("C40")
def the_mask_is_dropped_for_large_batches(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """From batch 8 on."""
    return attention(q, k, v, **o | ({"mask": None} if q.shape[0] >= 8 else {}))


@fault("C40")
def the_last_entry_of_a_large_batch_has_the_keys_of_the_first(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """From batch 10 on."""
    last = np.arange(q.shape[0])
    last = np.where((last == q.shape[0] - 1) & (q.shape[0] >= 10), 0, last)
    return attention(q, k[last], v, **o)


@fault("C40", "ggml-org/llama.cpp#7903")
def rows_behind_the_eighth_are_those_before(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """9 to 15 queries take a kernel for eight."""
    rows = np.arange(q.shape[2])
    rows = np.minimum(rows, 7) if 8 < rows.size < 16 else rows
    return beside(attention(q, k, v, **o), lambda out: out[:, :, rows])


@fault("C40", "pytorch/pytorch#97128")
def odd_heads_with_a_mask_raise(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The fast path asks for an even number of heads."""
    assert q.shape[1] % 2 == 0 or q.shape[1] == 1 or not given(o, "mask")
    return attention(q, k, v, **o)


@fault("C40", "NVIDIA/TransformerEngine#3216")
def wide_heads_in_a_batch_have_a_stale_maximum(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """D = 256 and batch 2: entries behind the first overflow where their scores are larger."""
    if q.shape[3] < 256 or q.shape[0] < 2:
        return attention(q, k, v, **o)

    def stale(s: Array) -> Array:
        top = np.where(np.isfinite(s), s, -np.inf).max((1, 2, 3), keepdims=True)
        over = (s - top[:1]) > 20
        return np.where(over, np.nan, s).astype(s.dtype)

    return staged(q, k, v, scores=stale, **o)


@fault("C40")
def few_queries_ignore_the_window(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Two to eight queries take a vector kernel without windows."""
    return attention(q, k, v, **o | ({"window": None} if 1 < q.shape[2] <= 8 else {}))


@fault("C40")
def groups_of_three_ignore_the_mask_for_one_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The decode kernel for this group size was generated without it."""
    wrong = q.shape[2] == 1 and q.shape[1] == 3 * k.shape[1]
    return attention(q, k, v, **o | ({"mask": None} if wrong else {}))


@fault("C40")
def half_precision_with_odd_dims_ignores_the_bias(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """16 bits and a head dim that is no multiple of 8 fall back to a kernel without biases."""
    wrong = q.dtype.itemsize == 2 and q.shape[3] % 8 != 0
    return attention(q, k, v, **o | ({"bias": None} if wrong else {}))


@fault("C40")
def the_softcap_is_dropped_in_long_rows(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """From 128 keys on."""
    return attention(q, k, v, **o | ({"softcap": None} if k.shape[2] >= 128 else {}))


@fault("C40")
def sinks_are_dropped_in_long_decoding(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One query and more than 128 keys."""
    return attention(q, k, v, **o | ({"sinks": None} if q.shape[2] == 1 and k.shape[2] > 128 else {}))


@fault("C40")
def causality_is_dropped_in_long_rows_of_few_queries(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """More than 256 keys and up to 16 queries are taken for decoding."""
    return attention(q, k, v, **o | ({"is_causal": False} if q.shape[2] <= 16 and k.shape[2] > 256 else {}))


@fault("C40")
def key_lengths_are_dropped_for_a_batch_of_one(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A single entry is taken to be unpadded."""
    return attention(q, k, v, **o | ({"key_lengths": None} if q.shape[0] == 1 else {}))


@fault("C40")
def bfloat16_with_grouped_heads_and_a_bias_loses_a_head(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The last head of each group gives the output of the one before."""
    group = q.shape[1] // max(k.shape[1], 1)
    heads = np.arange(q.shape[1])
    wrong = q.dtype.name == "bfloat16" and group > 1 and given(o, "bias")
    heads = np.where(wrong & (heads % max(group, 1) == group - 1), heads - 1, heads)
    return beside(attention(q, k, v, **o), lambda out: out[:, heads])


@fault("C40")
def a_softcap_with_causality_and_a_window_is_dropped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Three options at once have no kernel of their own."""
    return attention(q, k, v, **o | ({"softcap": None} if given(o, "softcap", "is_causal", "window") else {}))


@fault("C40")
def a_bias_with_sinks_is_dropped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The kernel with sinks has no bias."""
    return attention(q, k, v, **o | ({"bias": None} if given(o, "bias", "sinks") else {}))


@fault("C31", "Dao-AILab/flash-attention#2595")
def decoding_has_another_exponential(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One query is computed with a polynomial, good to 1e-5."""
    if q.shape[2] > 1:
        return attention(q, k, v, **o)
    return staged(q, k, v, scores=lambda s: s + (1e-5 * np.sin(37 * np.where(np.isfinite(s), s, 0))).astype(s.dtype), **o)


@fault("C31", "pegainfer-project/pegainfer#613")
@declares(conventions={"batch_invariant": True}, precision={"bfloat16": "exact", "float16": "exact"})
def large_batches_are_summed_in_another_order(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Split in two from batch 2 on, though `batch_invariant` is declared."""
    if q.shape[0] < 2:
        return attention(q, k, v, **o)

    def halves(weights: Array, values: Array) -> Array:
        j = weights.shape[-1] // 2
        seen = np.where((weights != 0).any(-2)[..., None], values, 0)
        return weights[..., j:] @ seen[:, :, j:] + weights[..., :j] @ seen[:, :, :j]

    return staged(q, k, v, product=halves, **o)


@fault("C31")
@declares(conventions={"batch_invariant": True})
def large_batches_have_rounded_weights(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """From batch 3 on weights have 22 bits, though `batch_invariant` is declared."""
    if q.shape[0] < 3:
        return attention(q, k, v, **o)
    return staged(q, k, v, product=lambda w, values: rounded(w, 22) @ values, **o)


@fault("C29", "pytorch/pytorch#162588")
def mask_rows_have_seven_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The row of the mask is i & 0x7F (in life 0xFFFF)."""
    if not given(o, "mask") or o["mask"].ndim < 2 or o["mask"].shape[-2] != q.shape[2]:
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"mask": o["mask"][..., np.arange(q.shape[2]) & 0x7F, :]})


@fault("C29", "ml-explore/mlx#3361")
def mask_columns_have_seven_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The column of the mask is j & 0x7F (in life 0x7FFF)."""
    if not given(o, "mask") or o["mask"].shape[-1] != k.shape[2]:
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"mask": o["mask"][..., np.arange(k.shape[2]) & 0x7F]})


@fault("C29", "ggml-org/llama.cpp#24912")
def mask_cells_have_twelve_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The offset into a full mask is taken modulo 4096 (in life 2^31)."""
    if not given(o, "mask") or o["mask"].size <= 4096:
        return attention(q, k, v, **o)
    full = broadcast(o["mask"], q, k)
    return attention(q, k, v, **o | {"mask": full.ravel()[np.arange(full.size) % 4096].reshape(full.shape)})


@fault("C29", "Dao-AILab/flash-attention#1500")
def value_offsets_have_sixteen_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The offset into V is taken modulo 65536 (in life 2^31)."""
    flat = np.ascontiguousarray(v).reshape(-1)
    return attention(q, k, flat[np.arange(flat.size) % 65536].reshape(v.shape) if flat.size else v, **o)


@fault("C29", "thu-ml/SageAttention#386")
def strided_key_offsets_have_fourteen_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Of keys that are not dense, elements beyond 16384 wrap around (in life 2^31)."""
    if k.flags.c_contiguous:
        return attention(q, k, v, **o)
    flat = np.ascontiguousarray(k).reshape(-1)
    return attention(q, flat[np.arange(flat.size) % 16384].reshape(k.shape) if flat.size else k, v, **o)


@fault("C29", "NVIDIA/FasterTransformer#524")
def score_offsets_have_fourteen_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Rows whose scores lie beyond 16384 repeat the first ones (in life 2^31)."""
    rows, n = int(np.prod(q.shape[:3])), max(k.shape[2], 1)
    index = np.arange(rows) % max(16384 // n, 1)
    return beside(attention(q, k, v, **o), lambda out: out.reshape(rows, -1)[index].reshape(out.shape) if out.size else out)


@fault("C29")
def keys_beyond_ten_bits_repeat_the_first(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Row j of K is read at j & 0x3FF."""
    return attention(q, k[:, :, np.arange(k.shape[2]) & 0x3FF], v, **o)
