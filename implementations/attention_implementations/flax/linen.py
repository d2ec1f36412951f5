"""flax.linen.dot_product_attention: einsum, softmax, einsum, each in the dtype; as many key heads as query heads."""

from __future__ import annotations

from jax import Array

from attention_specs.contract import declares


@declares(
    framework="jax", layout="blhd", gradient=True, domain=("key_heads == query_heads",),
    conventions={"empty_rows": {"mask": "uniform", "bias": "nan", "together": "unspecified"}},
)  # fmt: skip
def attention(q: Array, k: Array, v: Array, *, mask: Array | None = None, bias: Array | None = None) -> Array:
    """q [B, Lq, H, D], k [B, Lk, H, D], v [B, Lk, H, Dv] -> out [B, Lq, H, Dv]."""
    from flax import linen  # 0.5 s

    out: Array = linen.dot_product_attention(q, k, v, bias, mask)
    return out
