"""torch.nn.MultiheadAttention in evaluation mode, on its fast path (torch._native_multi_head_attention) and nowhere else.

The fast path is taken for self-attention with an even number of heads. Calls that the module would send down its slow path,
which is another implementation with other conventions, are refused here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from attention_implementations.torch._multi_head import masks, module
from attention_specs.contract import declares


@declares(
    framework="torch",
    domain=("self_attention == True", "query_heads % 2 == 0"),
    conventions={"empty_rows": "nan"},
    precision={"bfloat16": "weights-rounded", "float16": "weights-rounded"},
)
def multi_head(
    query: Tensor, key: Tensor, value: Tensor,
    w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor,
    b_q: Tensor, b_k: Tensor, b_v: Tensor, b_o: Tensor,
    *, heads: int, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The fast path of torch.nn.MultiheadAttention. Three equal arrays become one tensor; others raise NotImplementedError."""
    if heads % 2:
        raise NotImplementedError(f"heads={heads}, but the fast path needs an even number")
    if not _one(query, key, value):
        raise NotImplementedError("query, key and value differ, but the fast path needs self-attention")
    layer = module([w_q, w_k, w_v, w_o], [b_q, b_k, b_v, b_o], heads).eval()
    hidden = masks(mask, (query.shape[0], heads, query.shape[1], key.shape[1]))
    with torch.inference_mode():
        out: Tensor = layer(query, query, query, need_weights=False, **hidden)[0]
    return out


def _one(query: Tensor, key: Tensor, value: Tensor) -> bool:
    return query.shape == key.shape == value.shape and torch.equal(query, key) and torch.equal(key, value)
