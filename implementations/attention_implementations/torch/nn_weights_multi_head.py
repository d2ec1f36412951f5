"""torch.nn.MultiheadAttention in training mode, asked for its weights: a third way, by bmm and softmax."""

from __future__ import annotations

import torch
from torch import Tensor

from attention_implementations.torch._multi_head import masks, module
from attention_specs.contract import declares


@declares(framework="torch", conventions={"empty_rows": {"mask": "nan", "no_keys": "zeros"}})
def multi_head(
    query: Tensor, key: Tensor, value: Tensor,
    w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor,
    b_q: Tensor, b_k: Tensor, b_v: Tensor, b_o: Tensor,
    *, heads: int, mask: Tensor | None = None, return_weights: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
    """torch.nn.MultiheadAttention with need_weights=True and a weight for each head, in which bmm and softmax follow each other."""
    layer = module([w_q, w_k, w_v, w_o], [b_q, b_k, b_v, b_o], heads).train()
    hidden = masks(mask, (query.shape[0], heads, query.shape[1], key.shape[1]))
    with torch.no_grad():
        out, weights = layer(query, key, value, need_weights=True, average_attn_weights=False, **hidden)
    return (out, weights) if return_weights else out
