"""Faults that nothing was tuned to: one each of twenty classes, written from the bug without a look at cases or properties."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, empty_rows, given, hide, softmax, staged, value_product
from attention_harness.audit.faults.state import kept_for
from attention_specs.contract import declares

Array = np.ndarray


@fault("C01", "onnx/onnx#7865")
def keys_beyond_the_length_are_hidden_before_the_softcap(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Padding is part of what is added before the cap, so it gets -softcap; mask and causality come behind."""
    if not given(o, "softcap", "key_lengths"):
        return attention(q, k, v, **o)
    beyond = np.arange(k.shape[2]) >= o["key_lengths"][:, None, None, None]
    return staged(q, k, v, raw=lambda s: np.where(beyond, -np.inf, s), **o | {"key_lengths": None})


@fault("C02", "pytorch/pytorch#100318")
def a_mask_that_is_false_throughout_gives_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The fused pattern, scores and mask and nothing else, has no guard; single empty rows are right."""
    others = ("bias", "is_causal", "window", "softcap", "sinks", "query_lengths", "key_lengths")
    fused = given(o, "mask") and not any(given(o, name) for name in others)
    hidden = fused and o["mask"].size > 0 and not o["mask"].any()
    return beside(attention(q, k, v, **o), lambda out: np.full_like(out, np.nan) if hidden else out)


@fault("C03", "pytorch/pytorch#110213")
def a_first_block_of_the_lowest_number_gives_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """To base 2 a block of 64 such scores is all minus infinity, and so is its maximum, whatever comes behind."""

    def base_two(s: Array) -> Array:
        first = s[..., :64]
        lost = np.isneginf(first * s.dtype.type(np.log2(np.e))).all(-1) & np.isfinite(first).any(-1)
        return np.where(lost[..., None], np.nan, s)

    return staged(q, k, v, scores=base_two, **o)


@fault("C06", "PaddlePaddle/flash-attention#48")
def the_diagonal_is_open_whatever_the_mask_hides(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Under causality the mask is looked up for keys before the last one that a row may see."""
    if not given(o, "mask", "is_causal"):
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"mask": o["mask"] | np.eye(q.shape[2], k.shape[2], dtype=bool)})


@fault("C08", "ml-explore/mlx#2068")
def few_queries_read_the_bytes_of_a_bias_as_a_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The kernel for up to eight queries has a pointer to bool: number n of the bias is its byte n, and nothing is added."""
    if not given(o, "bias") or q.shape[2] > 8:
        return attention(q, k, v, **o)
    numbers = np.ascontiguousarray(o["bias"]).reshape(-1)
    seen = numbers.view(np.uint8)[: numbers.size].reshape(o["bias"].shape) != 0
    return attention(q, k, v, **hide(o, seen) | {"bias": None})


@fault("C09", "ml-explore/mlx#1574")
def masks_of_entries_are_read_by_key_head_under_grouping(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """[B, 1, Lq, Lk] is broadcast to scores of [B, Hkv, group, Lq, Lk], which goes unnoticed where B is Hkv."""
    mask, (b, heads) = o.get("mask"), k.shape[:2]
    if mask is None or mask.ndim < 4 or mask.shape[:2] != (b, 1) or not 1 < b == heads < q.shape[1]:
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"mask": np.repeat(mask[:, 0], q.shape[1] // heads, 0)[None]})


@fault("C11", "ml-explore/mlx#2152")
def few_queries_of_a_batch_are_stored_by_length_first(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Two to eight queries are written as [L, B, H, D] and read as [B, L, H, D], which is the same for one entry."""
    b, h, n = q.shape[:3]
    if not 1 < n <= 8:
        return attention(q, k, v, **o)
    return beside(attention(q, k, v, **o), lambda out: out.transpose(2, 0, 1, 3).reshape(b, n, h, v.shape[3]).swapaxes(1, 2))


@fault("C13", "tracel-ai/cubecl#1027")
def the_causal_column_is_that_of_the_first_tile_of_its_partition(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Partitions are two tiles of eight keys, and in the second tile causality counts like in the first."""
    if not given(o, "is_causal"):
        return attention(q, k, v, **o)
    column = np.arange(k.shape[2]) - np.arange(k.shape[2]) // 8 % 2 * 8
    return attention(q, k, v, **hide(o, column <= np.arange(q.shape[2])[:, None]) | {"is_causal": False})


@fault("C16", "Dao-AILab/flash-attention@31920dda")
def an_empty_row_of_several_splits_gives_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """exp(-inf - -inf) in the merging: one tile of 64 queries, more than one block of 256, 128 or 64 keys, as D allows."""
    block = 256 if q.shape[3] <= 64 else 128 if q.shape[3] <= 128 else 64
    if q.shape[2] > 64 or k.shape[2] <= block:
        return attention(q, k, v, **o)
    return beside(attention(q, k, v, **o), lambda out: np.where(empty_rows(q, k, v, **o), np.nan, out).astype(out.dtype))


@fault("C17", "Dao-AILab/flash-attention#2388")
def the_lse_of_splits_is_read_as_if_its_rows_were_not_padded(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Beyond 512 keys it is kept in rows of a multiple of 128 queries and read with strides made from the shape."""
    result = attention(q, k, v, **o)
    if not given(o, "return_lse") or k.shape[2] <= 512:
        return result
    lse = result[-1]
    padded = np.pad(lse, ((0, 0), (0, 0), (0, -lse.shape[2] % 128)))
    return (*result[:-1], padded.reshape(-1)[: lse.size].reshape(lse.shape))


@fault("C18", "sgl-project/sglang#11634")
def a_tile_outside_the_window_takes_the_sink_with_it(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Rows that see nothing of the first 64 keys start anew behind them, without the sink that they had started with."""
    if not given(o, "window", "sinks"):
        return attention(q, k, v, **o)

    def normalise(s: Array, sink: Any) -> Any:
        late = np.isneginf(s[..., :64]).all(-1) & ~np.isneginf(s).all(-1)
        return softmax(s, np.where(late, -np.inf, sink))

    return staged(q, k, v, normalise=normalise, **o)


@fault("C19", "ml-explore/mlx#2152")
def entries_of_a_single_key_head_are_a_head_apart(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """For up to eight queries entry and head are one index, with the stride of the head, which in a view says nothing."""

    def stepped(a: Array) -> Array:
        wrong = a.shape[1] == 1 and a.strides[3] == a.itemsize and 0 < a.strides[1] <= a.strides[0]
        return as_strided(a, a.shape, (a.strides[1], *a.strides[1:])) if wrong else a

    return attention(q, *(stepped(a) if q.shape[2] <= 8 else a for a in (k, v)), **o)


@fault("C24", "ml-explore/mlx#3119")
@declares(precision={"bfloat16": "exact", "float16": "exact"})
def the_query_is_scaled_in_its_sixteen_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """More than eight queries are multiplied by scale * log2(e), both rounded, though the declaration says float32 inside."""
    if q.dtype.itemsize != 2 or q.shape[2] <= 8:
        return attention(q, k, v, **o)
    scale = max(q.shape[3], 1) ** -0.5 if o.get("scale") is None else float(o["scale"])
    return attention(q * q.dtype.type(scale * np.log2(np.e)), k, v, **o | {"scale": np.log(2)})


@fault("C25", "google/flax@1c27546e")
def lengths_of_eight_bytes_are_read_as_four(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """int64 is taken for int32, so entry 1 has the upper half of the length of entry 0."""
    if not given(o, "key_lengths") or o["key_lengths"].itemsize != 8:
        return attention(q, k, v, **o)
    lengths = np.ascontiguousarray(o["key_lengths"])
    return attention(q, k, v, **o | {"key_lengths": lengths.view(np.int32)[: lengths.size]})


@fault("C29", "pytorch/pytorch#187225")
def offsets_of_tiles_of_a_bias_have_sixteen_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Where a tile of 64 rows of the bias begins is computed modulo 65536 (in life 2^32)."""
    bias, rows, n = o.get("bias"), np.arange(q.shape[2]), k.shape[2]
    if bias is None or bias.shape[-2:] != (rows.size, n) or rows.size * n <= 65536:
        return attention(q, k, v, **o)
    index = (rows // 64 * 64 * n % 65536 + rows % 64 * n)[:, None] + np.arange(n)
    return attention(q, k, v, **o | {"bias": np.take(bias.reshape(*bias.shape[:-2], -1), index, -1, mode="clip")})


@fault("C32", "Dao-AILab/flash-attention@a3a257c7")
def the_lse_behind_an_entry_without_keys_is_that_of_empty_rows(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The early exit fills whole tiles of 128 queries, which lie in the next entries beyond the end of its own."""
    result = attention(q, k, v, **o)
    if not given(o, "return_lse", "key_lengths"):
        return result
    b, _, n = result[-1].shape
    first, row = np.flatnonzero(o["key_lengths"] == 0)[:, None] * n, np.arange(b * n)
    filled = ((row >= first) & (row < first - (-n // 128 * 128))).any(0).reshape(b, 1, n)
    return (*result[:-1], np.where(filled, -np.inf, result[-1]))


@fault("C33", "google/flax@aa3b9ae9")
def keys_have_the_lengths_of_the_queries(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """As many keys as queries are taken for self-attention, in which the padding of queries is that of the keys."""
    if not given(o, "query_lengths") or given(o, "key_lengths") or q.shape[2] != k.shape[2]:
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"key_lengths": o["query_lengths"]})


@fault("C35", "ml-explore/mlx#2053")
def a_kernel_for_few_queries_is_cached_without_its_causality(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Up to eight queries: compiled once for dtype, dims and mask or none, for causality as it was then."""
    if q.shape[2] > 8:
        return attention(q, k, v, **o)
    kernel = (q.dtype.name, q.shape[3], v.shape[3], given(o, "mask"))
    return attention(q, k, v, **o | {"is_causal": kept_for("kernels").setdefault(kernel, bool(o.get("is_causal")))})


@fault("C38", "keras-team/keras#20684")
def weights_of_padded_queries_are_returned(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Query padding multiplies the output by 0, and the weights are those before."""
    result = attention(q, k, v, **o)
    if not given(o, "return_weights", "query_lengths"):
        return result
    return (result[0], attention(q, k, v, **o | {"query_lengths": None})[1], *result[2:])


@fault("C40", "ml-explore/mlx#3099")
def later_partial_results_have_the_maxima_of_earlier_ones(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Up to eight queries, from 1024 keys on: of 64 interleaved partial results, the last 32 are scaled by the first 32."""

    def merged(weights: Array, values: Array) -> Array:
        part = np.arange(weights.shape[-1]) % 64
        tops = np.stack([weights[..., part == n].max(-1) for n in range(64)], -1)
        own = np.where(tops > 0, tops, 1)
        taken = np.where(np.arange(64) < 32, own, np.roll(tops, 32, -1))
        return value_product(weights / own[..., part] * taken[..., part], values)

    return staged(q, k, v, product=merged, **o) if q.shape[2] <= 8 and k.shape[2] >= 1024 else attention(q, k, v, **o)
