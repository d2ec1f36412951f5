"""Layers of flax.nnx: the library's own, and one written by hand."""

import jax
import jax.numpy as jnp
from flax import nnx


class SelfAttention(nnx.Module):
    """A fused projection whose columns are [heads, 3, D]."""

    def __init__(self, hidden, n_heads, *, rngs):
        self.qkv = nnx.Linear(hidden, 3 * hidden, rngs=rngs)
        self.out = nnx.Linear(hidden, hidden, rngs=rngs)
        self.n_heads = n_heads

    def weights(self, scores):
        return jax.nn.softmax(scores, -1)

    def __call__(self, x, mask=None):
        q, k, v = jnp.split(self.qkv(x).reshape(*x.shape[:2], self.n_heads, -1), 3, -1)
        scores = jnp.einsum("blhd,bmhd->bhlm", q, k) * q.shape[-1] ** -0.5
        scores = scores if mask is None else jnp.where(mask, scores, -jnp.inf)
        return self.out(jnp.einsum("bhlm,bmhd->blhd", self.weights(scores), v).reshape(x.shape))


class SelfAttentionOverQueries(SelfAttention):
    """The softmax goes over the queries."""

    def weights(self, scores):
        return jax.nn.softmax(scores, -2)


MultiHeadAttention = nnx.MultiHeadAttention
