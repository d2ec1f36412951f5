"""The attention function `flex_attention` of transformers, around torch's, without the compilation of each shape.

A mask comes as a BlockMask, as transformers makes one, and a bias as `position_bias`.
"""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor
from torch.nn.attention import flex_attention as flex

from attention_implementations.torch._flex import arguments
from attention_specs.contract import declares

flex._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG = True


@declares(framework="torch", device="cpu", precision={"bfloat16": "weights-rounded", "float16": "weights-rounded"})
def attention(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None, is_causal: bool = False,
    scale: float | None = None, softcap: float | None = None,
) -> Tensor:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv]."""
    from transformers.integrations.flex_attention import flex_attention_forward  # 3 s

    given = arguments(q, k, mask, None, is_causal, scale, None, None, None, None)
    position_bias = None if bias is None else bias.expand(*q.shape[:3], k.shape[2])
    with torch.compiler.set_stance("force_eager"):
        out, _ = flex_attention_forward(
            SimpleNamespace(training=False), q, k, v, given["block_mask"], scaling=given["scale"], softcap=softcap,
            position_bias=position_bias,
        )  # fmt: skip
    return out.transpose(1, 2)
