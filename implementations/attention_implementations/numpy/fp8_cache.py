"""Attention over keys and values in eight bits, as a cache holds them: codes of e4m3, and one scale for each key head."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_implementations.numpy._common import Result, working_dtype
from attention_implementations.numpy.eager import attention as eager
from attention_specs.contract import declares


@declares(
    framework="numpy",
    storage={"format": "float8_e4m3fn", "arrays": "kv", "scales": "head"},
    conventions={"masked_nan_safe": True},
    precision={"bfloat16": "exact", "float16": "exact"},
)
def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, k_scale: np.ndarray, v_scale: np.ndarray, mask: np.ndarray | None = None,
    bias: np.ndarray | None = None, is_causal: bool = False, scale: float | None = None, window: Any = None,
    softcap: float | None = None, sinks: np.ndarray | None = None, query_lengths: np.ndarray | None = None,
    key_lengths: np.ndarray | None = None, return_weights: bool = False, return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [B, Hq, Lq, D], codes k [B, Hkv, Lk, D] and v [B, Hkv, Lk, Dv], scales [Hkv] -> out [B, Hq, Lq, Dv] in the dtype of q."""
    keys, values = (
        codes.astype(working_dtype(q.dtype)) * scales[:, None, None] for codes, scales in ((k, k_scale), (v, v_scale))
    )
    return eager(
        q, keys, values, mask=mask, bias=bias, is_causal=is_causal, scale=scale, window=window, softcap=softcap, sinks=sinks,
        query_lengths=query_lengths, key_lengths=key_lengths, return_weights=return_weights, return_lse=return_lse,
    )  # fmt: skip
