"""torch's scaled_dot_product_attention with its memory-efficient kernel on a CUDA device (Rabe and Staats 2021, xFormers)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.attention import SDPBackend

from attention_implementations.torch._common import sdpa
from attention_specs.contract import declares


@declares(
    framework="torch", device="cuda", dtypes=("float32", "bfloat16", "float16"),
    precision=dict.fromkeys(("bfloat16", "float16"), "weights-rounded+truncating-sums"),
)  # fmt: skip
def attention(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None, is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv]."""
    return sdpa(SDPBackend.EFFICIENT_ATTENTION, q, k, v, mask=mask, bias=bias, is_causal=is_causal, scale=scale)
