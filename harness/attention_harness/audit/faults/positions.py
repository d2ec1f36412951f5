"""Positional biases, which attention gets as arrays (C37), and the weights that come back (C38)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, empty_rows, given, invisible, softmax, staged

Array = np.ndarray


@fault("C37", "ml-explore/mlx#3071")
def biases_of_heads_beyond_a_power_of_two_repeat(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Heads beyond the power of two below take the first biases again."""
    bias = o.get("bias")
    if bias is None or bias.ndim < 4 or bias.shape[1] < 2:
        return attention(q, k, v, **o)
    period = 1 << (bias.shape[1].bit_length() - 1)
    return attention(q, k, v, **o | {"bias": bias[:, np.arange(bias.shape[1]) % period]})


@fault("C37", "paiml/aprender#2143")
def biases_of_heads_are_one_late(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Head h has the bias of head h - 1."""
    bias = o.get("bias")
    wrong = bias is not None and bias.ndim == 4 and bias.shape[1] > 1
    return attention(q, k, v, **o | ({"bias": np.roll(bias, 1, 1)} if wrong and bias is not None else {}))


@fault("C37", "vllm-project/vllm#945")
def bias_rows_are_counted_from_the_end(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """With fewer queries than keys the row of the bias is that of the last queries, clipped."""
    bias = o.get("bias")
    if bias is None or bias.ndim < 2 or bias.shape[-2] != q.shape[2] or q.shape[2] >= k.shape[2]:
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"bias": bias[..., np.minimum(np.arange(q.shape[2]) + 1, q.shape[2] - 1), :]})


@fault("C37")
def the_bias_is_added_after_rounding_its_column(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Pairs of columns share the bias of the first."""
    bias = o.get("bias")
    if bias is None or bias.shape[-1] != k.shape[2] or k.shape[2] < 32:
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"bias": bias[..., np.arange(k.shape[2]) // 2 * 2]})


def _with_weights(q: Array, k: Array, v: Array, change: Any, **o: Any) -> Any:
    """Attention whose returned weights are changed."""
    result = attention(q, k, v, **o)
    return (result[0], change(result[1]), *result[2:]) if given(o, "return_weights") else result


@fault("C38", "pytorch/pytorch#160064")
def empty_rows_give_nan_beside_weights(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The guard is in the path without weights only."""
    result = attention(q, k, v, **o)
    if not given(o, "return_weights"):
        return result
    return (np.where(empty_rows(q, k, v, **o), np.nan, result[0]).astype(result[0].dtype), *result[1:])


@fault("C38", "pytorch/pytorch#27968")
def returned_weights_sum_to_more_than_one(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """They are those behind a dropout that drops nothing and scales."""
    return _with_weights(q, k, v, lambda w: (w / 0.9).astype(w.dtype), **o)


@fault("C38")
def returned_weights_are_the_mean_over_heads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """All heads get the average."""
    return _with_weights(q, k, v, lambda w: np.broadcast_to(w.mean(1, keepdims=True), w.shape).astype(w.dtype), **o)


@fault("C38")
def returned_weights_are_those_before_the_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The output is right."""
    if not given(o, "return_weights"):
        return attention(q, k, v, **o)
    rules = {"mask": None, "is_causal": False, "window": None, "query_lengths": None, "key_lengths": None}
    weights = attention(q, k, v, **o | rules)[1]
    return _with_weights(q, k, v, lambda _: weights, **o)


@fault("C38")
def returned_weights_are_transposed_where_square(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """[B, H, Lk, Lq]."""
    return _with_weights(q, k, v, lambda w: w.swapaxes(2, 3) if w.shape[2] == w.shape[3] else w, **o)


@fault("C38")
def returned_weights_leave_out_the_sink(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """They sum to one beside a sink too."""
    if not given(o, "return_weights", "sinks"):
        return attention(q, k, v, **o)
    weights = attention(q, k, v, **o | {"sinks": None})[1]
    return _with_weights(q, k, v, lambda _: weights, **o)


@fault("C38")
def hidden_weights_are_tiny_and_not_zero(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """1e-9 is added to every returned weight to please a logarithm."""
    hidden = invisible(q, k, **o)
    return _with_weights(q, k, v, lambda w: np.where(hidden, 1e-6, w).astype(w.dtype), **o)


@fault("C38")
def the_output_beside_weights_is_in_half_precision(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The slow path for weights rounds them to float16 before the second product."""
    if not given(o, "return_weights"):
        return attention(q, k, v, **o)

    def normalise(s: Array, sink: Any) -> Any:
        weights, lse = softmax(s, sink)
        return weights.astype(np.float16).astype(weights.dtype), lse

    return staged(q, k, v, normalise=normalise, **o)
