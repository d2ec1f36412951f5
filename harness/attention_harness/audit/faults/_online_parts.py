"""The steps of an online softmax as functions of their own, for faults that exchange one of them (Milakov and Gimelshein 2018)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attention_implementations.numpy._common import finite

State = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Maximum and sum of exp(score - maximum), [B, Hq, queries], and the values weighted by it, [B, Hq, queries, Dv]."""


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
