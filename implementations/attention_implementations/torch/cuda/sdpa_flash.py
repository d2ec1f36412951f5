"""torch's scaled_dot_product_attention with its flash kernel on a CUDA device (Dao 2023, FlashAttention-2).

The kernel takes 16 bits only, and neither mask nor bias.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.attention import SDPBackend

from attention_implementations.torch._common import require_positive, sdpa
from attention_specs.contract import declares


@declares(
    framework="torch", device="cuda", dtypes=("bfloat16", "float16"),
    precision=dict.fromkeys(("bfloat16", "float16"), "weights-rounded+truncating-sums"),
)  # fmt: skip
def attention(q: Tensor, k: Tensor, v: Tensor, *, is_causal: bool = False, scale: float | None = None) -> Tensor:
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, D] -> out [B, Hq, Lq, D].

    The kernel takes the maximum before it scales, which is safe for a positive scale only.
    """
    require_positive(scale)
    return sdpa(SDPBackend.FLASH_ATTENTION, q, k, v, is_causal=is_causal, scale=scale)
