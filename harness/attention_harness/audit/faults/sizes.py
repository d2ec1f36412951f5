"""Sizes of zero and one (C32)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, given

Array = np.ndarray


@fault("C32", "pytorch/pytorch#174950")
def any_size_of_zero_raises(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A division of sizes."""
    if 0 in (*q.shape, *v.shape):
        raise ZeroDivisionError("integer division or modulo by zero")
    return attention(q, k, v, **o)


@fault("C32", "pytorch/pytorch#184914")
def a_head_dim_of_zero_gives_zeros(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """An early return for empty queries, where the mean of V is right."""
    return beside(attention(q, k, v, **o), lambda out: out * 0 if q.shape[3] == 0 else out)


@fault("C32")
def a_head_dim_of_zero_gives_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """0 / sqrt(0)."""
    return beside(attention(q, k, v, **o), lambda out: out * out.dtype.type(np.nan) if q.shape[3] == 0 else out)


@fault("C32", "Dao-AILab/flash-attention@a3a257c7")
def no_keys_give_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """0 / 0 for Lk = 0."""
    return beside(attention(q, k, v, **o), lambda out: np.full_like(out, np.nan) if k.shape[2] == 0 else out)


@fault("C32")
def no_keys_raise(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The maximum of nothing."""
    if k.shape[2] == 0:
        raise ValueError("zero-size array to reduction operation maximum which has no identity")
    return attention(q, k, v, **o)


@fault("C32", "PaddlePaddle/Paddle#74157")
def no_batch_raises(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A loop over entries has nothing to stack."""
    if q.shape[0] == 0:
        raise ValueError("need at least one array to stack")
    return attention(q, k, v, **o)


@fault("C32")
def no_queries_come_back_as_one(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The grid has at least one block of queries, and the output a row for it."""
    return beside(
        attention(q, k, v, **o),
        lambda out: np.zeros((*out.shape[:2], 1, out.shape[3]), out.dtype) if q.shape[2] == 0 else out,
    )


@fault("C32")
def no_value_dim_takes_the_head_dim(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """`value_dim or head_dim`."""
    return beside(attention(q, k, v, **o), lambda out: np.zeros(q.shape, out.dtype) if v.shape[3] == 0 else out)


@fault("C32")
def an_entry_without_keys_writes_into_the_next(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A key length of 0 clears the first row behind the entry."""
    if not given(o, "key_lengths"):
        return attention(q, k, v, **o)
    behind = np.roll(o["key_lengths"] == 0, 1) & (np.arange(q.shape[0]) > 0)
    first = behind[:, None, None, None] & (np.arange(q.shape[2]) == 0)[:, None]
    return beside(attention(q, k, v, **o), lambda out: np.where(first, 0, out).astype(out.dtype))


@fault("C32")
def a_single_key_is_returned_whatever_hides_it(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """For Lk = 1 the weight is 1, mask or not."""
    if k.shape[2] != 1 or given(o, "sinks"):
        return attention(q, k, v, **o)
    values = np.repeat(v, q.shape[1] // max(k.shape[1], 1), 1)
    return beside(attention(q, k, v, **o), lambda out: np.broadcast_to(values, out.shape).copy())


@fault("C32")
def a_single_key_ignores_the_sink(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """For Lk = 1 the weight is 1, sink or not."""
    return attention(q, k, v, **o | ({"sinks": None} if k.shape[2] == 1 else {}))
