"""torch.nn.MultiheadAttention on given weights: the common parts of its training mode and its fast path."""

from __future__ import annotations

import torch
from torch import Tensor, nn

Masks = dict[str, Tensor]


def module(weights: list[Tensor], biases: list[Tensor], heads: int) -> nn.MultiheadAttention:
    """The module with weights [w_q, w_k, w_v, w_o], which it keeps transposed and packed, and biases likewise."""
    built = nn.MultiheadAttention(weights[0].shape[0], heads, batch_first=True, device="meta", dtype=weights[0].dtype)
    values = {
        "in_proj_weight": torch.cat([w.T for w in weights[:3]]),
        "in_proj_bias": torch.cat(biases[:3]),
        "out_proj.weight": weights[3].T.contiguous(),
        "out_proj.bias": biases[3],
    }
    built.load_state_dict(values, assign=True)
    return built


def masks(mask: Tensor | None, shape: tuple[int, int, int, int]) -> Masks:
    """The arguments that hide the same keys as `mask` (True = attend): in the module's masks True means "do not attend".

    A mask that varies with batch and key only becomes key_padding_mask [B, Lk]; one that varies with query and key only a
    2-D attn_mask [Lq, Lk]; any other a 3-D attn_mask [B*heads, Lq, Lk]. `shape` is [B, heads, Lq, Lk]. NotImplementedError
    for a mask of no keys: the module asks `view` for a size that it cannot infer (torch 2.13).
    """
    if mask is None:
        return {}
    batch, heads, queries, keys = shape
    if not keys:
        raise NotImplementedError("key_length=0, but masks of torch.nn.MultiheadAttention need one: finding torch-layer-no-keys")
    hidden = ~mask.bool()
    hidden = hidden.reshape((1,) * (4 - hidden.dim()) + tuple(hidden.shape))
    if hidden.shape[1:3] == (1, 1):
        return {"key_padding_mask": hidden[:, 0, 0].expand(batch, keys)}
    if hidden.shape[:2] == (1, 1):
        return {"attn_mask": hidden[0, 0].expand(queries, keys)}
    return {"attn_mask": hidden.expand(shape).reshape(batch * heads, queries, keys)}
