"""JAX, compiled, in [B, L, H, D], with mask and bias by the names of its own library."""

from functools import partial

import jax
import jax.numpy as jnp


@partial(jax.jit, static_argnames=("is_causal",))
def dot_product_attention(query, key, value, *, bias=None, mask=None, is_causal=False):
    """[B, L, H, D]"""
    return _attend(query, key, value, bias, mask, is_causal)


@partial(jax.jit, static_argnames=("is_causal",))
def dot_product_attention_without_the_mask_under_a_bias(query, key, value, *, bias=None, mask=None, is_causal=False):
    """[B, L, H, D]"""
    return _attend(query, key, value, bias, mask if bias is None else None, is_causal)


def _attend(query, key, value, bias, mask, is_causal):
    key, value = (jnp.repeat(a, query.shape[2] // max(a.shape[2], 1), 2) for a in (key, value))
    work = jnp.promote_types(query.dtype, jnp.float32)
    scores = jnp.einsum("blhd,bmhd->bhlm", query.astype(work), key.astype(work)) * max(query.shape[-1], 1) ** -0.5
    scores = scores if bias is None else scores + bias
    seen = jnp.tri(*scores.shape[-2:], dtype=bool) if is_causal else jnp.ones((1, 1), bool)
    seen = seen if mask is None else seen & mask
    scores = jnp.where(seen, scores, -jnp.inf)
    top = scores.max(-1, keepdims=True, initial=-jnp.inf)
    powers = jnp.exp(scores - jnp.where(jnp.isneginf(top), 0, top))
    total = powers.sum(-1, keepdims=True)
    weights = powers / jnp.where(total == 0, 1, total)
    return jnp.einsum("bhlm,bmhd->blhd", weights, value.astype(work)).astype(query.dtype)
