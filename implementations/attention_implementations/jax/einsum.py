"""Attention by two einsums and a softmax, compiled by XLA; 16-bit inputs keep float32 scores, weights and sums.

Recompiles for new shapes, dtypes and sets of options, not for their values: scale, softcap and window are traced.
"""

from __future__ import annotations

from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jax.lax import Precision

from attention_specs.contract import declares
from attention_specs.sizes import require_fitting

Result: TypeAlias = Array | tuple[Array, ...]


@declares(
    framework="jax",
    device="cpu",
    gradient=True,
    conventions={"checks_shapes": True},
    precision={"bfloat16": "exact", "float16": "exact"},
)
@partial(jax.jit, static_argnames=("is_causal", "return_weights", "return_lse"))
def attention(
    q: Array, k: Array, v: Array, *, mask: Array | None = None, bias: Array | None = None, is_causal: bool = False,
    scale: float | None = None, window: Any = None, softcap: float | None = None, sinks: Array | None = None,
    past_k: Array | None = None, past_v: Array | None = None, return_weights: bool = False, return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv], weights [B, Hq, Lq, Lk], lse [B, Hq, Lq].

    lse of 16-bit inputs is returned in float32.
    """
    past = 0 if past_k is None else past_k.shape[2]
    k, v = (new if old is None else jnp.concatenate([old, new], 2) for old, new in ((past_k, k), (past_v, v)))
    require_fitting(q, k, v, mask, bias)
    k, v = (jnp.repeat(a, q.shape[1] // max(a.shape[1], 1), axis=1) for a in (k, v))
    scores = product("bhid,bhjd->bhij", q, k) * (max(q.shape[-1], 1) ** -0.5 if scale is None else scale)
    if softcap is not None:
        scores = softcap * jnp.tanh(scores / softcap)
    if bias is not None:
        scores += bias.astype(scores.dtype)
    scores = jnp.where(visible(past, q.shape[2], k.shape[2], mask, is_causal, window), scores, -jnp.inf)
    weights, lse = softmax(scores, -jnp.inf if sinks is None else sinks.astype(scores.dtype)[:, None])
    out = product("bhij,bhjd->bhid", weights, v.astype(weights.dtype)).astype(q.dtype)
    given = [extra for extra, wanted in ((weights.astype(q.dtype), return_weights), (lse, return_lse)) if wanted]
    return (out, *given) if given else out


def product(subscripts: str, a: Array, b: Array) -> Array:
    """einsum that sums in float32 or better, without roundings on the way."""
    sums = jnp.promote_types(a.dtype, jnp.float32)
    return jnp.einsum(subscripts, a, b, precision=Precision.HIGHEST, preferred_element_type=sums)


def visible(past: int, query_length: int, key_length: int, mask: Array | None, is_causal: bool, window: Any) -> Array:
    """Bool, broadcastable to [B, Hq, Lq, Lk]: where mask, causality and window allow attention. Query i stands at past + i."""
    i, j = past + jnp.arange(query_length)[:, None], jnp.arange(key_length)
    left, right = window or (None, None)
    seen = j <= i if is_causal else jnp.ones((query_length, key_length), bool)
    seen = seen if left is None else seen & (i - j <= left)
    seen = seen if right is None else seen & (j - i <= right)
    return seen if mask is None else seen & mask


def softmax(scores: Array, sink: Any) -> tuple[Array, Array]:
    """Weights and log-sum-exp over the last axis; the sink takes part and is left out; 0 and -inf for rows of -inf."""
    top = jnp.maximum(scores.max(-1, initial=-jnp.inf), sink)
    shift = jnp.where(top == -jnp.inf, 0, top)
    powers = jnp.exp(scores - shift[..., None])
    total = powers.sum(-1) + jnp.exp(sink - shift)
    return powers / jnp.where(total == 0, 1, total)[..., None], jnp.log(total) + shift
