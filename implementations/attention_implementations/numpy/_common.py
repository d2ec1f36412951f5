"""The common parts of the NumPy implementations: the keys that a query sees, the softmax's input, and the form of results.

Indices i count queries and j keys; arrays of scores are [batch, query heads, queries, keys] or broadcast to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Result = np.ndarray | tuple[np.ndarray, ...]
Product = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A product of matrices, [..., n, m] by [..., m, l]."""


def working_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of the computation: float64 for float64, float32 for everything narrower."""
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def per_query_head(a: np.ndarray, query_heads: int, dtype: np.dtype) -> np.ndarray:
    """Keys or values [B, Hkv, L, D] as [B, Hq, L, D]: query head h reads key head h // group."""
    return np.repeat(a.astype(dtype, copy=False), query_heads // max(a.shape[1], 1), axis=1)


def joined(past: np.ndarray | None, new: np.ndarray) -> np.ndarray:
    """Keys or values of a cache with the new ones behind them."""
    return new if past is None else np.concatenate([past, new], axis=2)


def visible(
    past: int | np.ndarray, i: np.ndarray, j: np.ndarray,
    is_causal: bool, window: Any, query_lengths: np.ndarray | None, key_lengths: np.ndarray | None,
) -> np.ndarray:  # fmt: skip
    """Bool [B or 1, 1, len(i), len(j)]: where causality, window and lengths allow attention. Query i stands at past + i.

    `past` is one number, or [B, 1, 1, 1] where entries count from places of their own.
    """
    i = i[:, None]
    ahead, (left, right) = j - i - past, window or (None, None)
    seen = np.ones((1, 1, i.size, j.size), bool)
    if is_causal:
        seen = seen & (ahead <= 0)
    if left is not None:
        seen = seen & (ahead >= -left)
    if right is not None:
        seen = seen & (ahead <= right)
    if query_lengths is not None:
        seen = seen & (i < query_lengths[:, None, None, None])
    if key_lengths is not None:
        seen = seen & (j < key_lengths[:, None, None, None])
    return seen


@np.errstate(invalid="ignore", over="ignore")
def masked_scores(
    q: np.ndarray, k: np.ndarray, seen: np.ndarray, bias: np.ndarray | None, scale: float | None, softcap: float | None,
    product: Product = np.matmul,
) -> np.ndarray:  # fmt: skip
    """softcap(scale * q k^T) + bias where seen, else -inf, whatever stands there, NaN included. [B, H, queries, keys]."""
    scores = (max(q.shape[-1], 1) ** -0.5 if scale is None else float(scale)) * product(q, k.swapaxes(-1, -2))
    if softcap is not None:
        scores = softcap * np.tanh(scores / softcap)
    if bias is not None:
        scores, seen = scores + bias.astype(q.dtype), seen & (bias != -np.inf)
    return np.where(seen, scores, -np.inf)


def seen_values(v: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The values, and 0 at keys that no query of these scores sees: 0 * NaN would be NaN."""
    seen = scores.max(-2, initial=-np.inf) != -np.inf
    return v if seen.all() else np.where(seen[..., None], v, 0)


def finite(top: np.ndarray) -> np.ndarray:
    """The maximum to subtract before exp, and 0 where there is none, since -inf - -inf is NaN."""
    return np.where(top == -np.inf, 0, top)


def answer(out: np.ndarray, *extras: np.ndarray | None) -> Result:
    """The output alone, or a tuple of it and the extras that are there."""
    given = [extra for extra in extras if extra is not None]
    return (out, *given) if given else out
