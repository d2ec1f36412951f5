"""Attention as it is written down, with all scores at once: softmax(scale * Q K^T + bias) V (Vaswani et al. 2017, equation 1)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_implementations.numpy._backward import backward_of
from attention_implementations.numpy._common import (
    Product,
    Result,
    answer,
    finite,
    joined,
    masked_scores,
    per_query_head,
    seen_values,
    visible,
    working_dtype,
)
from attention_specs.contract import declares
from attention_specs.sizes import require_fitting


@declares(
    framework="numpy",
    gradient=True,
    conventions={"masked_nan_safe": True, "checks_shapes": True},
    precision={"bfloat16": "exact", "float16": "exact"},
)
def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, mask: np.ndarray | None = None, bias: np.ndarray | None = None,
    is_causal: bool = False, scale: float | None = None, window: Any = None, softcap: float | None = None,
    sinks: np.ndarray | None = None, query_lengths: np.ndarray | None = None, key_lengths: np.ndarray | None = None,
    past_k: np.ndarray | None = None, past_v: np.ndarray | None = None, return_weights: bool = False, return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv], weights [B, Hq, Lq, Lk], lse [B, Hq, Lq].

    16-bit inputs are computed in float32, and lse is returned in it.
    """
    past = 0 if past_k is None else past_k.shape[2]
    k, v = joined(past_k, k), joined(past_v, v)
    require_fitting(q, k, v, mask, bias)
    seen = visible(past, np.arange(q.shape[2]), np.arange(k.shape[2]), is_causal, window, query_lengths, key_lengths)
    seen = seen if mask is None else seen & mask
    out, weights, lse = at_once(q, k, v, seen, bias, scale, softcap, sinks, working_dtype(q.dtype))
    return answer(out.astype(q.dtype), weights.astype(q.dtype) if return_weights else None, lse if return_lse else None)


attention.backward = backward_of(attention)  # type: ignore[attr-defined]


def at_once(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, seen: np.ndarray, bias: np.ndarray | None, scale: float | None,
    softcap: float | None, sinks: np.ndarray | None, dtype: np.dtype, product: Product = np.matmul,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Output, weights and log-sum-exp in the dtype, with the given product of matrices."""
    q, k, v = q.astype(dtype, copy=False), *(per_query_head(a, q.shape[1], dtype) for a in (k, v))
    scores = masked_scores(q, k, seen, bias, scale, softcap, product)
    weights, lse = softmax(scores, -np.inf if sinks is None else sinks.astype(dtype)[:, None])
    return product(weights, seen_values(v, scores)), weights, lse


def softmax(scores: np.ndarray, sink: Any) -> tuple[np.ndarray, np.ndarray]:
    """Weights and log-sum-exp over the last axis; the sink takes part and is left out; 0 and -inf for rows of -inf."""
    top = np.maximum(scores.max(-1, initial=-np.inf), sink)
    base = finite(top)
    powers = np.exp(scores - base[..., None])
    total = powers.sum(-1) + np.exp(sink - base)
    with np.errstate(divide="ignore"):
        lse = np.log(total) + base
    return powers / np.where(total == 0, 1, total)[..., None], lse
