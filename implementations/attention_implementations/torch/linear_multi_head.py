"""The multi-head layer as a module of four torch.nn.Linear around scaled_dot_product_attention, the way models write it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from attention_specs.contract import declares


class MultiHead(nn.Module):
    """Four projections without values of their own: `load_state_dict(..., assign=True)` gives them some."""

    def __init__(self, d_model: int, heads: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(d_model, d_model, device="meta", dtype=dtype) for _ in range(4))

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """[B, Lq, d]; mask: bool, True = attend."""
        q, k, v = self._split(self.q(query)), self._split(self.k(key)), self._split(self.v(value))
        out: Tensor = self.o(scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(query.shape))
        return out

    def _split(self, a: Tensor) -> Tensor:
        return a.reshape(*a.shape[:2], self.heads, a.shape[2] // self.heads).transpose(1, 2)


@declares(framework="torch", precision={"bfloat16": "weights-rounded", "float16": "weights-rounded"})
def multi_head(
    query: Tensor, key: Tensor, value: Tensor,
    w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor,
    b_q: Tensor, b_k: Tensor, b_v: Tensor, b_o: Tensor,
    *, heads: int, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Four nn.Linear around scaled_dot_product_attention; nn.Linear keeps its weight transposed, [out, in]."""
    module = MultiHead(query.shape[2], heads, query.dtype)
    weights = {"q.weight": w_q.T, "k.weight": w_k.T, "v.weight": w_v.T, "o.weight": w_o.T}
    module.load_state_dict(weights | {"q.bias": b_q, "k.bias": b_k, "v.bias": b_v, "o.bias": b_o}, assign=True)
    if mask is not None:  # scaled_dot_product_attention raises IndexError for a mask of one axis (torch 2.13)
        mask = mask.bool().reshape((1,) * (4 - mask.dim()) + tuple(mask.shape))
    with torch.no_grad():
        return module(query, key, value, mask)
