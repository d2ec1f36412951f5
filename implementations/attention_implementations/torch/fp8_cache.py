"""Attention over keys and values in eight bits in torch: codes of e5m2 and one scale for each token, turned into the dtype of q first."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from attention_implementations.torch._common import Result, eager
from attention_specs.contract import declares


@declares(
    framework="torch",
    storage={"format": "float8_e5m2", "arrays": "kv", "scales": "token"},
    precision={"bfloat16": "sums-rounded", "float16": "sums-rounded"},
)
def attention(
    q: Tensor, k: Tensor, v: Tensor, *, k_scale: Tensor, v_scale: Tensor, mask: Tensor | None = None, bias: Tensor | None = None,
    is_causal: bool = False, scale: float | None = None, window: Any = None, softcap: float | None = None,
    sinks: Tensor | None = None, return_weights: bool = False, return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [B, Hq, Lq, D], codes k [B, Hkv, Lk, D] and v [B, Hkv, Lk, Dv], scales [B, Hkv, Lk] -> out [B, Hq, Lq, Dv]."""
    keys, values = (codes.to(q.dtype) * scales[..., None].to(q.dtype) for codes, scales in ((k, k_scale), (v, v_scale)))
    return eager(
        q, keys, values, past=0, mask=mask, bias=bias, is_causal=is_causal, scale=scale, window=window, softcap=softcap, sinks=sinks,
        return_weights=return_weights, return_lse=return_lse,
    )  # fmt: skip
