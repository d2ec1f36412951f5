"""The attention function `eager` of transformers, as Llama's file has it: softmax in float32, all else in the dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from attention_implementations.transformers._module import called
from attention_specs.contract import declares


@declares(
    framework="torch", device="cpu",
    conventions={"empty_rows": {
        "float64": {"mask": "nan", "bias": "nan", "no_keys": "zeros", "together": "unspecified"},
        "mask": "uniform", "bias": "nan", "together": "unspecified",
    }},
    precision={"float64": "computed-in-float32", "float16": "products-rounded+scores-rounded"},
)  # fmt: skip
def attention(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None, is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv]."""
    from transformers.models.llama.modeling_llama import eager_attention_forward  # 3 s

    return called(eager_attention_forward, q, k, v, mask, bias, is_causal, scale, hidden=torch.finfo(q.dtype).min)
