"""The attention function `sdpa` of transformers, around torch's scaled_dot_product_attention."""

from __future__ import annotations

from torch import Tensor

from attention_implementations.transformers._module import called
from attention_specs.contract import declares


@declares(framework="torch", device="cpu", gradient=True, precision={"bfloat16": "weights-rounded", "float16": "weights-rounded"})
def attention(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None, is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv]."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward  # 1 s

    return called(sdpa_attention_forward, q, k, v, mask, bias, is_causal, scale)
