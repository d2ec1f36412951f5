"""torch's scaled_dot_product_attention as users call it: torch chooses the kernel, on the CPU flash, or math where flash has none.

So its faults are those of either kernel, and a refusal of one is an answer of the other.
"""

from __future__ import annotations

from torch import Tensor

from attention_implementations.torch._common import sdpa
from attention_specs.contract import declares


@declares(framework="torch", device="cpu", gradient=True, precision={"bfloat16": "weights-rounded", "float16": "weights-rounded"})
def attention(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None, is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv]."""
    return sdpa(None, q, k, v, mask=mask, bias=bias, is_causal=is_causal, scale=scale)
