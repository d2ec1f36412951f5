"""Attention over queries, keys and values in eight bits in JAX: codes of e4m3, one scale for each head, the output in bfloat16."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from attention_implementations.jax.einsum import Result
from attention_implementations.jax.einsum import attention as einsum
from attention_specs.contract import declares


@declares(
    framework="jax",
    dtypes=("bfloat16",),
    storage={"format": "float8_e4m3fn", "arrays": "qkv", "scales": "head"},
    precision={"bfloat16": "exact"},
)
@partial(jax.jit, static_argnames=("is_causal", "return_lse"))
def attention(
    q: Array, k: Array, v: Array, *, q_scale: Array, k_scale: Array, v_scale: Array, mask: Array | None = None,
    is_causal: bool = False, scale: float | None = None, window: Any = None, softcap: float | None = None, return_lse: bool = False,
) -> Result:  # fmt: skip
    """Codes q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv], scales [Hq] and [Hkv] -> out [B, Hq, Lq, Dv] in bfloat16."""
    given = ((q, q_scale), (k, k_scale), (v, v_scale))
    numbers = (codes.astype(jnp.float32) * scales[:, None, None] for codes, scales in given)
    result = einsum(*numbers, mask=mask, is_causal=is_causal, scale=scale, window=window, softcap=softcap, return_lse=return_lse)
    out, *lse = result if isinstance(result, tuple) else (result,)
    return (out.astype(jnp.bfloat16), *lse) if lse else out.astype(jnp.bfloat16)
