"""The common parts of the flex rows: masks as `mask_mod`, scores as `score_mod` (Dong et al. 2024, FlexAttention)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

from attention_implementations.torch._common import both, default_scale, rules

Mod = Callable[..., Tensor]
BLOCK = 128
"""Queries and keys of a block that flex_attention can skip: its default."""


def mask_mod(seen: Tensor | None, shape: tuple[int, int, int, int], *lengths: Tensor | None) -> Mod | None:
    """Whether query i of head h sees key j, for a mask that broadcasts to `shape`, and the lengths of queries and keys."""
    hidden = [one for one in (seen, *lengths) if one is not None]
    if not hidden:
        return None
    whole = None if seen is None else seen.expand(shape)
    queries, keys = lengths

    def visible(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        allowed = i >= 0
        if whole is not None:
            allowed = allowed & whole[b, h, i, j]
        if queries is not None:
            allowed = allowed & (i < queries[b])
        return allowed if keys is None else allowed & (j < keys[b])

    return visible


def score_mod(bias: Tensor | None, softcap: float | None, shape: tuple[int, int, int, int]) -> Mod | None:
    """softcap(score) + bias, for a bias that broadcasts to `shape`."""
    if bias is None and softcap is None:
        return None
    whole = None if bias is None else bias.expand(shape)

    def changed(score: Tensor, b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        if softcap is not None:
            score = softcap * torch.tanh(score / softcap)
        return score if whole is None else score + whole[b, h, i, j].to(score.dtype)

    return changed


def arguments(
    q: Tensor, k: Tensor, mask: Tensor | None, bias: Tensor | None, is_causal: bool, scale: float | None, window: Any,
    softcap: float | None, query_lengths: Tensor | None, key_lengths: Tensor | None,
) -> dict[str, Any]:  # fmt: skip
    """The keyword arguments of flex_attention for the options. NotImplementedError for arrays without elements in the scores."""
    shape = (q.shape[0], q.shape[1], q.shape[2], k.shape[2])
    if not all((*shape, k.shape[1], q.shape[3])):
        raise NotImplementedError(f"scores={shape}, head_dim={q.shape[3]}, but flex_attention needs at least one of each")
    seen = both(mask, rules(q.new_empty(1, 1, *shape[2:]), 0, is_causal, window))
    visible = mask_mod(seen, shape, query_lengths, key_lengths)
    blocks: BlockMask | None = None if visible is None else create_block_mask(visible, *shape, device=q.device, BLOCK_SIZE=BLOCK)
    return {
        "score_mod": score_mod(bias, softcap, shape),
        "block_mask": blocks,
        "scale": default_scale(q, scale),
        "enable_gqa": q.shape[1] != k.shape[1],
    }
