"""Edges of the sliding window, and where it is anchored (C14)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, given, hide

Array = np.ndarray


def _windowed(q: Array, k: Array, v: Array, change: Any, **o: Any) -> Any:
    """Attention with another window, `change` (left, right)."""
    return attention(q, k, v, **o | ({"window": change(*o["window"])} if given(o, "window") else {}))


def _cut(q: Array, k: Array, v: Array, i: Any, j: Any, **o: Any) -> Any:
    """Attention with the window on these positions of queries and keys."""
    if not given(o, "window"):
        return attention(q, k, v, **o)
    left, right = (side if side is not None else 1 << 30 for side in o["window"])
    return attention(q, k, v, **hide(o, (i - j <= left) & (j - i <= right)) | {"window": None})


def _positions(q: Array, k: Array) -> tuple[Array, Array]:
    return np.arange(q.shape[2])[:, None], np.arange(k.shape[2])


@fault("C14", "huggingface/transformers#39408")
def the_window_is_one_key_too_wide(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """i - j <= left + 1."""
    return _windowed(q, k, v, lambda left, right: (left if left is None else left + 1, right), **o)


@fault("C14", "microsoft/onnxruntime#25927")
def the_window_leaves_out_its_last_key(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """i - j < left, but for left = 0."""
    return _windowed(q, k, v, lambda left, right: (left - 1 if left else left, right), **o)


@fault("C14", "NVIDIA-NeMo/Megatron-Bridge#2656")
def the_window_is_one_key_too_wide_ahead(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """j - i <= right + 1."""
    return _windowed(q, k, v, lambda left, right: (left, right if right is None else right + 1), **o)


@fault("C14", "zml/zml#763")
def a_window_side_of_zero_is_open(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """`if left` instead of `if left is not None`."""
    return _windowed(q, k, v, lambda left, right: (left or None, right or None), **o)


@fault("C14")
def a_window_without_a_right_side_is_causal(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """None on the right is read as 0."""
    return _windowed(q, k, v, lambda left, right: (left, right or 0), **o)


@fault("C14")
def the_right_side_of_the_window_is_open(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Only the left side is applied."""
    return _windowed(q, k, v, lambda left, right: (left, None), **o)


@fault("C14")
def the_sides_of_the_window_are_exchanged(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """(left, right) is read as (right, left)."""
    return _windowed(q, k, v, lambda left, right: (right, left), **o)


@fault("C14")
def the_window_is_bottom_right(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Positions of queries are counted from the last key."""
    i, j = _positions(q, k)
    return _cut(q, k, v, i + k.shape[2] - q.shape[2], j, **o)


@fault("C14", "NVIDIA/TransformerEngine#1281")
def the_window_ends_at_the_key_length(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """With key lengths, positions of queries are counted from the last valid key."""
    i, j = _positions(q, k)
    if not given(o, "key_lengths"):
        return attention(q, k, v, **o)
    return _cut(q, k, v, i + (o["key_lengths"] - q.shape[2])[:, None, None, None], j, **o)


@fault("C14", "jax-ml/jax@f15f9717c3")
def the_window_counts_from_the_block(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Behind 64 keys the key index is local to its block, and behind 64 queries that of the query."""
    i, j = _positions(q, k)
    return _cut(q, k, v, i % 64, j % 64, **o)


@fault("C14", "sgl-project/sglang#34273")
def the_window_is_one_key_too_wide_in_the_prefix(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Keys beyond the number of queries are taken for a prefix, in which the window has one more."""
    i, j = _positions(q, k)
    return _cut(q, k, v, i, j - np.where(j >= q.shape[2], 1, 0), **o)


@fault("C14")
def the_window_is_rounded_up_to_the_tile(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A left side of more than 16 is rounded up to a multiple of 16."""
    return _windowed(q, k, v, lambda left, right: (left if left is None or left <= 16 else -(-left // 16) * 16, right), **o)


@fault("C14")
def the_first_tile_of_a_window_is_skipped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The first visited tile of 16 keys is the one behind the left edge, unless that lies on the diagonal."""
    i, j = _positions(q, k)
    left = (o.get("window") or (None, None))[0]
    if left is None:
        return attention(q, k, v, **o)
    first = np.maximum(-(-(i - left) // 16) * 16, 0)
    return attention(q, k, v, **hide(o, (j >= first) | (first > i)))
