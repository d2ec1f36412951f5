"""Attention of one head, for matrices alone, mapped by jax.vmap over the query heads of a group, over groups, and over the batch."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from attention_implementations.jax.einsum import product, softmax, visible
from attention_specs.contract import declares
from attention_specs.sizes import require_fitting


@declares(
    framework="jax",
    device="cpu",
    gradient=True,
    conventions={"checks_shapes": True},
    precision={"bfloat16": "exact", "float16": "exact"},
)
@partial(jax.jit, static_argnames=("is_causal",))
def attention(
    q: Array, k: Array, v: Array, *, mask: Array | None = None, bias: Array | None = None, is_causal: bool = False,
    scale: float | None = None, window: Any = None, softcap: float | None = None,
) -> Array:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv]."""
    require_fitting(q, k, v, mask, bias)
    batch, heads, groups = q.shape[0], q.shape[1], k.shape[1]
    grouped = (batch, groups, heads // max(groups, 1))
    shape = (batch, heads, q.shape[2], k.shape[2])
    mask, bias = (None if a is None else jnp.broadcast_to(a, shape).reshape(*grouped, *shape[2:]) for a in (mask, bias))

    def head(q: Array, k: Array, v: Array, mask: Array | None, bias: Array | None) -> Array:
        return single(q, k, v, visible(0, len(q), len(k), mask, is_causal, window), bias, scale, softcap)

    of_group = jax.vmap(head, (0, None, None, 0, 0))
    out = jax.vmap(jax.vmap(of_group))(q.reshape(*grouped, *q.shape[2:]), k, v, mask, bias)
    return out.reshape(*q.shape[:3], v.shape[3])


def single(q: Array, k: Array, v: Array, seen: Array, bias: Array | None, scale: float | None, softcap: float | None) -> Array:
    """q [Lq, D], k [Lk, D], v [Lk, Dv], seen and bias [Lq, Lk] -> [Lq, Dv], in float32 or better inside."""
    scores = product("id,jd->ij", q, k) * (max(q.shape[1], 1) ** -0.5 if scale is None else scale)
    scores = scores if softcap is None else softcap * jnp.tanh(scores / softcap)
    scores = scores if bias is None else scores + bias.astype(scores.dtype)
    weights, _ = softmax(jnp.where(seen, scores, -jnp.inf), -jnp.inf)
    return product("ij,jc->ic", weights, v.astype(weights.dtype)).astype(q.dtype)
