"""Attention over keys in pages, compiled by XLA: the pages of all entries are gathered, and a mask hides what lies behind the lengths.

Recompiles for new shapes, not for other tables and lengths.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from attention_implementations.jax.einsum import Result, product, softmax
from attention_specs.contract import declares


@declares(
    framework="jax",
    device="cpu",
    form="paged",
    conventions={"causal_alignment": "bottom-right", "window_alignment": "bottom-right", "masked_nan_safe": True},
    precision={"bfloat16": "exact", "float16": "exact"},
)
@partial(jax.jit, static_argnames=("is_causal", "return_lse"))
def attention(
    q: Array, k_pages: Array, v_pages: Array, *, block_table: Array, seqused_k: Array, is_causal: bool = False,
    scale: float | None = None, window: Any = None, softcap: float | None = None, sinks: Array | None = None,
    return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [B, Lq, Hq, D], k_pages [P, page, Hkv, D], v_pages [P, page, Hkv, Dv] -> out [B, Lq, Hq, Dv], lse [B, Hq, Lq].

    Every entry has Lq queries, the last of them at its last key. lse of 16-bit inputs is float32.
    """
    k, v = (gathered(pages, block_table, q.shape[2]) for pages in (k_pages, v_pages))
    there = jnp.arange(k.shape[1]) < seqused_k[:, None]
    scores = product("bihd,bjhd->bhij", q, k) * (max(q.shape[-1], 1) ** -0.5 if scale is None else scale)
    if softcap is not None:
        scores = softcap * jnp.tanh(scores / softcap)
    seen = there[:, None, None] & visible(q.shape[1], k.shape[1], seqused_k, is_causal, window)
    weights, lse = softmax(jnp.where(seen, scores, -jnp.inf), -jnp.inf if sinks is None else sinks.astype(scores.dtype)[:, None])
    v = jnp.where(seen.any(2)[:, 0, :, None, None], v, 0)  # 0 * NaN would be NaN
    out = product("bhij,bjhd->bihd", weights, v.astype(weights.dtype)).astype(q.dtype)
    return (out, lse) if return_lse else out


def gathered(pages: Array, table: Array, query_heads: int) -> Array:
    """[B, blocks * page, Hq, D]: the pages of each row of the table one behind the other, a head for each query head."""
    rows = pages[table].reshape(table.shape[0], table.shape[1] * pages.shape[1], *pages.shape[2:])
    return jnp.repeat(rows, query_heads // max(pages.shape[2], 1), axis=2)


def visible(queries: int, keys: int, lengths: Array, is_causal: bool, window: Any) -> Array:
    """Bool [B, 1, Lq, keys]: where causality and window allow attention; the last query stands at the last key of its entry."""
    ahead = jnp.arange(keys) - jnp.arange(queries)[:, None] - (lengths - queries)[:, None, None, None]
    left, right = window or (None, None)
    seen = ahead <= 0 if is_causal else jnp.ones_like(ahead, bool)
    seen = seen if left is None else seen & (ahead >= -left)
    return seen if right is None else seen & (ahead <= right)
