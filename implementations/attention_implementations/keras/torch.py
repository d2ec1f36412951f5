"""keras.ops.dot_product_attention on the backend torch."""

from __future__ import annotations

from torch import Tensor

from attention_implementations.keras._ops import dot_product_attention
from attention_specs.contract import declares


@declares(
    framework="torch", layout="blhd", dtypes=("float32", "bfloat16", "float16"), domain=("head_dim >= 1",),
    conventions={"empty_rows": {
        "mask": "uniform", "float16": {"mask": "unspecified"}, "bias": "zeros", "no_keys": "zeros", "together": "unspecified",
    }},
    precision={"bfloat16": "weights-rounded", "float16": "weights-rounded"},
)  # fmt: skip
def attention(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None, is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:  # fmt: skip
    """q [B, Lq, Hq, D], k [B, Lk, Hkv, D], v [B, Lk, Hkv, Dv] -> out [B, Lq, Hq, Dv]."""
    if is_causal and bias is not None:
        raise NotImplementedError("is_causal and a bias, but should be one of them: torch's function gets both, and refuses")
    if is_causal and scale is not None and scale <= 0:
        raise NotImplementedError(f"scale={scale}, but should be positive where torch is causal: finding flash-negative-scale")
    return dot_product_attention("torch", q, k, v, mask=mask, bias=bias, is_causal=is_causal, scale=scale)
