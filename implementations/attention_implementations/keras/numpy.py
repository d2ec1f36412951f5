"""keras.ops.dot_product_attention on the backend numpy; as many key heads as query heads (finding keras-numpy-groups)."""

from __future__ import annotations

import numpy as np

from attention_implementations.keras._ops import dot_product_attention
from attention_specs.contract import declares


@declares(
    framework="numpy", layout="blhd", dtypes=("float32", "bfloat16", "float16"),
    domain=("head_dim >= 1", "key_length >= 1", "key_heads == query_heads"),
    conventions={"empty_rows": {"mask": "uniform", "bias": "nan", "together": "unspecified"}},
    precision={"bfloat16": "weights-rounded", "float16": "products-rounded+sums-rounded"},
)  # fmt: skip
def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, mask: np.ndarray | None = None, bias: np.ndarray | None = None, is_causal: bool = False,
    scale: float | None = None,
) -> np.ndarray:  # fmt: skip
    """q [B, Lq, Hq, D], k [B, Lk, Hkv, D], v [B, Lk, Hkv, Dv] -> out [B, Lq, Hq, Dv]."""
    return dot_product_attention("numpy", q, k, v, mask=mask, bias=bias, is_causal=is_causal, scale=scale)
