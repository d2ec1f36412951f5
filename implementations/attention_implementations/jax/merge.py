"""Two parts of an attention put together in JAX: each is weighed by exp(its lse - that of both)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from attention_specs.contract import declares


@declares(framework="jax")
@jax.jit  # type: ignore[untyped-decorator]
def merge(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> tuple[Array, Array]:
    """out_a, out_b [B, H, Lq, Dv], lse_a, lse_b [B, H, Lq] -> out [B, H, Lq, Dv] and lse [B, H, Lq], in their dtypes."""
    lse = jnp.logaddexp(lse_a, lse_b)
    known = jnp.where(jnp.isneginf(lse), 0, lse)
    a, b = (jnp.exp(part - known)[..., None] * out.astype(part.dtype) for part, out in ((lse_a, out_a), (lse_b, out_b)))
    return (a + b).astype(out_a.dtype), lse
