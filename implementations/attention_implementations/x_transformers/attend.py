"""x_transformers.attend.Attend without flash: einsum, softmax in float32, einsum.

Fewer key heads are dealt out in turn, so that query head h reads key head h modulo their number, where all others read
h // group: such calls are left out (finding x-transformers-groups).
"""

from __future__ import annotations

from torch import Tensor

from attention_implementations.torch._common import default_scale
from attention_specs.contract import declares


@declares(
    framework="torch", device="cpu", gradient=True, conventions={
        "causal_alignment": "bottom-right", "empty_rows": {"mask": "zeros", "bias": "nan", "causal": "uniform", "together": "unspecified"},
    },
    precision={"float64": "computed-in-float32", "float16": "products-rounded+scores-rounded"},
    domain=("key_heads == query_heads", "head_dim >= 1"),
)  # fmt: skip
def attention(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None, is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv]."""
    from x_transformers.attend import Attend  # 2 s

    mask = None if mask is None else mask[(None,) * (4 - mask.ndim)].expand(-1, -1, -1, k.shape[2])
    bias = None if bias is None else bias.to(q.dtype)
    out, _ = Attend(causal=is_causal, scale=default_scale(q, scale))(q, k, v, mask=mask, attn_bias=bias)
    return out
