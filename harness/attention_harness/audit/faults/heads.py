"""Which key head a query head reads, and axes taken for one another (C10, C11)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside

Array = np.ndarray


def _mapped(q: Array, k: Array, v: Array, key: Any, value: Any = None, **o: Any) -> Any:
    """Attention in which query head h reads key head key[h] and value head value[h]."""
    heads = np.arange(q.shape[1])
    if not k.shape[1]:
        return attention(q, k, v, **o)
    keys, values = (np.clip(f(heads) if f else heads // _group(q, k), 0, k.shape[1] - 1) for f in (key, value or key))
    return attention(q, k[:, keys], v[:, values], **o)


def _group(q: Array, k: Array) -> int:
    return max(q.shape[1] // max(k.shape[1], 1), 1)


@fault("C10", "onnx/onnx#7274")
def key_heads_are_tiled(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Query head h reads key head h % Hkv."""
    return _mapped(q, k, v, lambda h: h % k.shape[1], **o)


@fault("C10", "apple/axlearn#842")
def value_heads_are_tiled(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Keys are repeated and values are tiled."""
    return _mapped(q, k, v, lambda h: h // _group(q, k), lambda h: h % k.shape[1], **o)


@fault("C10", "ikawrakow/ik_llama.cpp#1521")
def groups_are_rounded_to_powers_of_two(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A group of three is taken for one of two."""
    return _mapped(q, k, v, lambda h: h // (1 << (_group(q, k).bit_length() - 1)), **o)


@fault("C10", "microsoft/onnxruntime#26057")
def the_last_of_three_reads_the_next_head(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """In groups of three the last query head is off by one."""
    three = _group(q, k) == 3
    return _mapped(q, k, v, lambda h: h // _group(q, k) + (three & (h % 3 == 2)), **o)


@fault("C10", "jax-ml/jax#39521")
def later_entries_read_the_wrong_head_in_multi_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """With one key head and several queries heads, offsets of a batch entry are scaled by the query heads and clamp."""
    if k.shape[1] != 1 or q.shape[1] == 1:
        return attention(q, k, v, **o)
    entries = np.minimum(np.arange(q.shape[0]) * q.shape[1], q.shape[0] - 1)
    return attention(q, k[entries], v[entries], **o)


@fault("C10")
def the_last_head_of_an_odd_number_reads_the_first(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Heads are processed in pairs and the last one is alone."""
    odd = q.shape[1] % 2 == 1 and q.shape[1] > 1
    return _mapped(q, k, v, lambda h: np.where(odd & (h == q.shape[1] - 1), 0, h // _group(q, k)), **o)


@fault("C10")
def grouping_is_tiled_for_one_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The decode kernel has the other mapping."""
    return (key_heads_are_tiled if q.shape[2] == 1 else attention)(q, k, v, **o)


@fault("C11", "onnx/onnx#7142")
def output_is_reshaped_without_transposing(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The output lies as [B, L, H, D] and is called [B, H, L, D]."""
    return beside(attention(q, k, v, **o), lambda out: np.ascontiguousarray(out.swapaxes(1, 2)).reshape(out.shape))


@fault("C11", "tinygrad/tinygrad#14025")
def values_are_reshaped_without_transposing(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The values are taken to lie as [B, L, H, D]."""
    b, h, n, d = v.shape
    return attention(q, k, np.ascontiguousarray(v).reshape(b, n, h, d).swapaxes(1, 2), **o)


@fault("C11", "pytorch/pytorch#195320")
def square_keys_are_taken_to_be_transposed(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Where Lk = D the shape shows nothing, and K is multiplied without transposing."""
    return attention(q, k.swapaxes(2, 3) if k.shape[2] == k.shape[3] > 1 else k, v, **o)


@fault("C11", "keras-team/keras#21721")
def the_softmax_runs_over_the_queries_of_square_scores(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Where Lq = Lk the weights are multiplied transposed."""
    from attention_harness.audit.faults._parts import staged, value_product

    square = q.shape[2] == k.shape[2]
    return staged(q, k, v, product=lambda w, values: value_product(w.swapaxes(2, 3) if square else w, values), **o)


@fault("C11")
def batch_and_heads_are_exchanged_where_they_are_equal(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """With as many heads as entries, values of [b, h] are read at [h, b]."""
    return attention(q, k, v.swapaxes(0, 1) if v.shape[0] == v.shape[1] else v, **o)


@fault("C11")
def the_layout_is_guessed_from_heads_and_length(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The value's larger axis of the two is taken for the length, which fails for more heads than keys."""
    if v.shape[1] <= v.shape[2] or not v.size:
        return attention(q, k, v, **o)
    b, h, n, d = v.shape
    return attention(q, k, np.ascontiguousarray(v.swapaxes(1, 2)).reshape(b, h, n, d), **o)
