"""Lengths of batch entries, and masks that are taken for lengths (C33)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, given

Array = np.ndarray


def _with(q: Array, k: Array, v: Array, name: str, change: Any, **o: Any) -> Any:
    return attention(q, k, v, **o | ({name: change(o[name])} if given(o, name) else {}))


@fault("C33", "jax-ml/jax@494f9c1295")
def padded_queries_are_zero_beside_key_lengths_only(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """query_lengths alone are ignored."""
    return attention(q, k, v, **o | ({} if given(o, "key_lengths") else {"query_lengths": None}))


@fault("C33", "huggingface/transformers#35032")
def queries_have_the_lengths_of_the_keys(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Queries are unpadded with the key lengths."""
    if not given(o, "key_lengths") or given(o, "query_lengths"):
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"query_lengths": o["key_lengths"]})


@fault("C33", "microsoft/onnxruntime#18945")
def a_padding_mask_is_turned_into_lengths(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Holes in a mask along the keys are moved to its end."""
    mask = o.get("mask")
    if mask is None or mask.ndim < 4 or mask.shape[1:3] != (1, 1) or mask.shape[3] != k.shape[2]:
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"mask": np.arange(k.shape[2]) < mask.sum(-1, keepdims=True)})


@fault("C33", "Dao-AILab/flash-attention#1795")
def the_first_key_length_serves_all(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A scalar length is broadcast, and so is a vector."""
    return _with(q, k, v, "key_lengths", lambda n: np.broadcast_to(n[:1], n.shape), **o)


@fault("C33")
def the_greatest_key_length_serves_all(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The batch is cut to its longest entry and no further."""
    return _with(q, k, v, "key_lengths", lambda n: np.full_like(n, n.max(initial=0)), **o)


@fault("C33")
def the_key_length_is_inclusive(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """j <= length."""
    return _with(q, k, v, "key_lengths", lambda n: n + 1, **o)


@fault("C33")
def a_key_length_of_zero_means_all(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """0 is taken for "not given"."""
    return _with(q, k, v, "key_lengths", lambda n: np.where(n == 0, k.shape[2], n), **o)


@fault("C33")
def the_query_length_is_inclusive(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """i <= length."""
    return _with(q, k, v, "query_lengths", lambda n: n + 1, **o)


@fault("C33")
def lengths_are_exchanged_where_both_are_given(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Queries have the key lengths and keys those of the queries."""
    if not given(o, "query_lengths", "key_lengths"):
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"query_lengths": o["key_lengths"], "key_lengths": o["query_lengths"]})


@fault("C33")
def lengths_are_of_the_last_entry_in_odd_batches(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Entries are processed in pairs; the last one of an odd batch takes the length before it."""
    odd = q.shape[0] % 2 == 1 and q.shape[0] > 1
    return _with(q, k, v, "key_lengths", lambda n: np.concatenate([n[:-1], n[-2:-1]]) if odd else n, **o)
