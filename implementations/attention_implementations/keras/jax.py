"""keras.ops.dot_product_attention on the backend jax."""

from __future__ import annotations

from jax import Array

from attention_implementations.keras._ops import dot_product_attention
from attention_specs.contract import declares


@declares(
    framework="jax", layout="blhd", dtypes=("float32", "bfloat16", "float16"), domain=("head_dim >= 1", "value_dim == head_dim",),
    conventions={"empty_rows": {"mask": "uniform", "bias": "nan", "together": "unspecified"}},
    precision={"bfloat16": "weights-rounded", "float16": "weights-rounded"},
)  # fmt: skip
def attention(
    q: Array, k: Array, v: Array, *, mask: Array | None = None, bias: Array | None = None, is_causal: bool = False,
    scale: float | None = None,
) -> Array:  # fmt: skip
    """q [B, Lq, Hq, D], k [B, Lk, Hkv, D], v [B, Lk, Hkv, Dv] -> out [B, Lq, Hq, Dv]."""
    return dot_product_attention("jax", q, k, v, mask=mask, bias=bias, is_causal=is_causal, scale=scale)
