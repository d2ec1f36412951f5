"""flax.nnx.dot_product_attention, which calls jax.nn's where nothing but a mask and a bias is asked."""

from __future__ import annotations

from jax import Array

from attention_specs.contract import declares


@declares(
    framework="jax", layout="blhd", gradient=True, domain=("key_heads == query_heads", "value_dim == head_dim", "heads >= 1"),
    conventions={"empty_rows": {"mask": "uniform", "bias": "nan", "together": "unspecified"}},
    precision={"float64": "computed-in-float32", "bfloat16": "weights-rounded", "float16": "weights-rounded"},
)  # fmt: skip
def attention(
    q: Array, k: Array, v: Array, *, mask: Array | None = None, bias: Array | None = None, is_causal: bool = False
) -> Array:
    """q [B, Lq, H, D], k [B, Lk, H, D], v [B, Lk, H, Dv] -> out [B, Lq, H, Dv]."""
    from flax import nnx  # 0.5 s

    mask, bias = (None if a is None else a[(None,) * (4 - a.ndim)] for a in (mask, bias))
    out: Array = nnx.dot_product_attention(q, k, v, bias, mask, is_causal=is_causal)
    return out
