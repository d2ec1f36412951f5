"""Layers of equinox: the library's own, and one written by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp

MultiheadAttention = eqx.nn.MultiheadAttention


class SelfAttention(eqx.Module):
    """No batch, no biases, an additive mask."""

    to_q: jax.Array
    to_kv: jax.Array
    to_out: jax.Array
    heads: int

    def __init__(self, dim, heads, *, key):
        self.to_q, self.to_kv, self.to_out = (jax.random.normal(key, (dim, n * dim)) for n in (1, 2, 1))
        self.heads = heads

    def scale(self, q):
        return q.shape[-1] ** -0.5

    def __call__(self, x, bias_mask=None):
        q, (k, v) = x @ self.to_q, jnp.split(x @ self.to_kv, 2, -1)
        q, k, v = (a.reshape(len(a), self.heads, -1) for a in (q, k, v))
        scores = jnp.einsum("lhd,mhd->hlm", q, k) * self.scale(q)
        scores = scores if bias_mask is None else scores + bias_mask
        return jnp.einsum("hlm,mhd->lhd", jax.nn.softmax(scores, -1), v).reshape(x.shape) @ self.to_out


class SelfAttentionUnscaled(SelfAttention):
    """Scores as they are."""

    def scale(self, q):
        return 1.0
