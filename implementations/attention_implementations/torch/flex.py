"""torch's flex_attention without compilation: products in float32 at least, weights stored in the dtype.

It is called through the switch for debugging, by which torch leaves out a compilation for each shape; what is computed is the same.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.attention import flex_attention as flex

from attention_implementations.torch._common import Result
from attention_implementations.torch._flex import arguments
from attention_specs.contract import declares

flex._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG = True


@declares(framework="torch", device="cpu", precision={"bfloat16": "weights-rounded", "float16": "weights-rounded"})
def attention(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None, is_causal: bool = False,
    scale: float | None = None, window: Any = None, softcap: float | None = None, query_lengths: Tensor | None = None,
    key_lengths: Tensor | None = None, return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv], lse [B, Hq, Lq]."""
    given = arguments(q, k, mask, bias, is_causal, scale, window, softcap, query_lengths, key_lengths)
    if not return_lse:
        return flex.flex_attention(q, k, v, **given)
    out, extra = flex.flex_attention(q, k, v, **given, return_aux=flex.AuxRequest(lse=True))
    return out, extra.lse
