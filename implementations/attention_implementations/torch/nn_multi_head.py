"""torch.nn.MultiheadAttention in training mode, without dropout."""

from __future__ import annotations

import torch
from torch import Tensor

from attention_implementations.torch._multi_head import masks, module
from attention_specs.contract import declares


@declares(framework="torch", precision={"bfloat16": "weights-rounded", "float16": "weights-rounded"})
def multi_head(
    query: Tensor, key: Tensor, value: Tensor,
    w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor,
    b_q: Tensor, b_k: Tensor, b_v: Tensor, b_o: Tensor,
    *, heads: int, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """torch.nn.MultiheadAttention in training mode, with need_weights=False: through scaled_dot_product_attention."""
    layer = module([w_q, w_k, w_v, w_o], [b_q, b_k, b_v, b_o], heads).train()
    hidden = masks(mask, (query.shape[0], heads, query.shape[1], key.shape[1]))
    with torch.no_grad():
        out: Tensor = layer(query, key, value, need_weights=False, **hidden)[0]
    return out
