"""The multi-head layer in JAX, compiled: scores, softmax and sums in float32 at least, projections and weights in the dtype."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from attention_specs.contract import declares


@declares(framework="jax", precision={"bfloat16": "weights-rounded", "float16": "weights-rounded"})
@partial(jax.jit, static_argnames=("heads", "return_weights"))
def multi_head(
    query: Array, key: Array, value: Array,
    w_q: Array, w_k: Array, w_v: Array, w_o: Array,
    b_q: Array, b_k: Array, b_v: Array, b_o: Array,
    *, heads: int, mask: Array | None = None, return_weights: bool = False,
) -> Array | tuple[Array, Array]:  # fmt: skip
    """Compiled einsum: project, split, softmax(q k^T / sqrt(d/heads)) v, join, project."""
    q, k, v = (_split(a @ w + b, heads) for a, w, b in ((query, w_q, b_q), (key, w_k, b_k), (value, w_v, b_v)))
    work = jnp.promote_types(query.dtype, jnp.float32)
    scores = jnp.einsum("bihc,bjhc->bhij", q, k, preferred_element_type=work) / jnp.sqrt(jnp.asarray(q.shape[-1], work))
    weights = _softmax(scores, mask).astype(query.dtype)
    out = jnp.einsum("bhij,bjhc->bihc", weights, v).reshape(query.shape) @ w_o + b_o
    return (out, weights) if return_weights else out


def _split(a: Array, heads: int) -> Array:
    return a.reshape(*a.shape[:2], heads, a.shape[2] // heads)


def _softmax(scores: Array, mask: Array | None) -> Array:
    """Over the last axis; zeros in rows where the mask leaves no key."""
    visible = jnp.ones((), bool) if mask is None else mask.astype(bool)
    scores = jnp.where(visible, scores, -jnp.inf)
    top = scores.max(-1, keepdims=True, initial=-jnp.inf)
    powers = jnp.exp(scores - jnp.where(jnp.isneginf(top), 0, top))
    total = powers.sum(-1, keepdims=True)
    return powers / jnp.where(total == 0, 1, total)
