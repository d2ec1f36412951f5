"""torch's scaled_dot_product_attention with its math kernel: matmul, softmax and matmul, in float32 for 16-bit tensors."""

from __future__ import annotations

from torch import Tensor
from torch.nn.attention import SDPBackend

from attention_implementations.torch._common import sdpa
from attention_specs.contract import declares


@declares(
    framework="torch",
    device="cpu",
    gradient=True,
    conventions={"checks_shapes": True},
    precision={"bfloat16": "exact", "float16": "exact"},
)
def attention(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None, is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv]."""
    return sdpa(SDPBackend.MATH, q, k, v, mask=mask, bias=bias, is_causal=is_causal, scale=scale)
