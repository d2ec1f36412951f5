"""torch's scaled_dot_product_attention with its flash kernel for the CPU (Dao et al. 2022).

For 16-bit tensors the scores are kept in float32, the weights in 16 bits. The kernel takes value_dim = head_dim only.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.attention import SDPBackend

from attention_implementations.torch._common import sdpa
from attention_specs.contract import declares


@declares(framework="torch", device="cpu", gradient=True, precision={"bfloat16": "weights-rounded", "float16": "weights-rounded"})
def attention(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None, is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, D] -> out [B, Hq, Lq, D]."""
    if v.shape[3] != q.shape[3]:
        raise NotImplementedError(f"value_dim={v.shape[3]}, but should be head_dim={q.shape[3]}")
    return sdpa(SDPBackend.FLASH_ATTENTION, q, k, v, mask=mask, bias=bias, is_causal=is_causal, scale=scale)
