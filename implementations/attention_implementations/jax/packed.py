"""Attention over packed sequences, compiled by XLA: all queries with all keys, and a mask by the numbers of their sequences.

Recompiles for new numbers of rows and sequences, not for their lengths.
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
    form="packed",
    gradient=True,
    conventions={"causal_alignment": "bottom-right", "window_alignment": "bottom-right"},
    precision={"bfloat16": "exact", "float16": "exact"},
)
@partial(jax.jit, static_argnames=("is_causal", "return_lse"))
def attention(
    q: Array, k: Array, v: Array, *, cu_seqlens_q: Array, cu_seqlens_k: Array, is_causal: bool = False,
    scale: float | None = None, window: Any = None, softcap: float | None = None, sinks: Array | None = None,
    return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [Tq, Hq, D], k [Tk, Hkv, D], v [Tk, Hkv, Dv] -> out [Tq, Hq, Dv], lse [Hq, Tq], which is float32 for 16-bit inputs."""
    k, v = (jnp.repeat(a, q.shape[1] // max(a.shape[1], 1), axis=1) for a in (k, v))
    scores = product("ihd,jhd->hij", q, k) * (max(q.shape[-1], 1) ** -0.5 if scale is None else scale)
    if softcap is not None:
        scores = softcap * jnp.tanh(scores / softcap)
    seen = visible(from_the_end(q, cu_seqlens_q), from_the_end(k, cu_seqlens_k), is_causal, window)
    weights, lse = softmax(jnp.where(seen, scores, -jnp.inf), -jnp.inf if sinks is None else sinks.astype(scores.dtype)[:, None])
    out = product("hij,jhd->ihd", weights, v.astype(weights.dtype)).astype(q.dtype)
    return (out, lse) if return_lse else out


def from_the_end(a: Array, offsets: Array) -> tuple[Array, Array]:
    """Int [T]: the sequence of each row, and its distance to the last row of that sequence, 0 there and below 0 before."""
    row = jnp.arange(a.shape[0])
    sequence = jnp.searchsorted(offsets, row, side="right") - 1
    return sequence, row + 1 - offsets[sequence + 1]


def visible(queries: tuple[Array, Array], keys: tuple[Array, Array], is_causal: bool, window: Any) -> Array:
    """Bool [Tq, Tk]: where sequences, causality and window allow attention; the last query stands at the last key."""
    (of_query, i), (of_key, j) = queries, keys
    seen, ahead = of_query[:, None] == of_key, j - i[:, None]
    left, right = window or (None, None)
    seen = seen & (ahead <= 0) if is_causal else seen
    seen = seen if left is None else seen & (ahead >= -left)
    return seen if right is None else seen & (ahead <= right)
