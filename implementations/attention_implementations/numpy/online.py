"""Attention in tiles: one running maximum and one running sum per query, so that memory is linear in the lengths.

Milakov and Gimelshein 2018 (online softmax); Rabe and Staats 2021; Dao et al. 2022 (FlashAttention).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from attention_implementations.numpy._common import (
    Result,
    answer,
    finite,
    masked_scores,
    per_query_head,
    seen_values,
    visible,
    working_dtype,
)
from attention_specs.contract import declares
from attention_specs.sizes import require_fitting

QUERY_BLOCK = 64
KEY_BLOCK = 64

State = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Maximum and sum of exp(score - maximum), [B, Hq, queries], and the values weighted by it, [B, Hq, queries, Dv]."""


def online(query_block: int = QUERY_BLOCK, key_block: int = KEY_BLOCK) -> Callable[..., Result]:
    """An attention that visits the scores in tiles of at most query_block x key_block."""

    @declares(
        framework="numpy",
        conventions={"masked_nan_safe": True, "checks_shapes": True},
        precision={"bfloat16": "exact", "float16": "exact"},
    )
    def attention(
        q: np.ndarray, k: np.ndarray, v: np.ndarray, *, mask: np.ndarray | None = None, bias: np.ndarray | None = None,
        is_causal: bool = False, scale: float | None = None, window: Any = None, softcap: float | None = None,
        sinks: np.ndarray | None = None, query_lengths: np.ndarray | None = None, key_lengths: np.ndarray | None = None,
        return_lse: bool = False,
    ) -> Result:  # fmt: skip
        """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv], lse [B, Hq, Lq].

        16-bit inputs are computed in float32, and lse is returned in it.
        """
        require_fitting(q, k, v, mask, bias)
        dtype, heads = working_dtype(q.dtype), q.shape[1]
        shape = (*q.shape[:3], k.shape[2])
        mask, bias = (None if a is None else np.broadcast_to(a, shape) for a in (mask, bias))
        keys, values = (per_query_head(a, heads, dtype) for a in (k, v))
        out, lse = np.empty((*q.shape[:3], v.shape[3]), q.dtype), np.empty(q.shape[:3], dtype)
        for i in tiles(q.shape[2], query_block):
            state = start(sinks, (*q.shape[:2], i.size), v.shape[3], dtype)
            queries = q[:, :, i[0] : i[-1] + 1].astype(dtype, copy=False)
            allowed = visible(0, i, np.arange(k.shape[2]), is_causal, window, query_lengths, key_lengths)
            for j in tiles(k.shape[2], key_block):
                part = np.s_[:, :, i[0] : i[-1] + 1, j[0] : j[-1] + 1]
                seen = allowed[..., part[3]] if mask is None else allowed[..., part[3]] & mask[part]
                if seen.any():
                    scores = masked_scores(
                        queries, keys[:, :, part[3]], seen, None if bias is None else bias[part], scale, softcap
                    )
                    state = seen_further(state, scores, seen_values(values[:, :, part[3]], scores))
            out[:, :, i], lse[:, :, i] = finish(state)
        return answer(out, lse if return_lse else None)

    return attention


def tiles(length: int, block: int) -> Iterator[np.ndarray]:
    """The indices 0 .. length - 1 in runs of `block`; the last may be shorter."""
    return (np.arange(first, min(first + block, length)) for first in range(0, length, block))


def start(sinks: np.ndarray | None, rows: tuple[int, ...], value_dim: int, dtype: np.dtype) -> State:
    """The state before the first key: a sink is a maximum that has been met once and brought no value."""
    top = np.full(rows, -np.inf, dtype)
    top = top if sinks is None else np.maximum(top, sinks.astype(dtype)[:, None])
    return top, (top > -np.inf).astype(dtype), np.zeros((*rows, value_dim), dtype)


def seen_further(state: State, scores: np.ndarray, v: np.ndarray) -> State:
    """The state after one more tile of keys: earlier sums shrink by exp(old maximum - new maximum)."""
    old, total, weighted = state
    top = np.maximum(old, scores.max(-1))
    base = finite(top)
    powers, decay = np.exp(scores - base[..., None]), np.exp(old - base)
    return top, decay * total + powers.sum(-1), decay[..., None] * weighted + powers @ v


def finish(state: State) -> tuple[np.ndarray, np.ndarray]:
    """Output and log-sum-exp; 0 and -inf for queries that saw no key."""
    top, total, weighted = state
    with np.errstate(divide="ignore"):
        lse = np.log(total) + finite(top)
    return weighted / np.where(total == 0, 1, total)[..., None], lse


attention = online()
