"""Attention in tiles: one running maximum and one running sum per query, so that memory is linear in the lengths.

Milakov and Gimelshein 2018 (online softmax); Rabe and Staats 2021; Dao et al. 2022 (FlashAttention). Each step works in one
buffer that fits into a cache, and the sums are one more column of the values, so that a product of matrices adds them up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from attention_implementations.numpy._backward import backward_of
from attention_implementations.numpy._common import Result, answer, finite, joined, visible, working_dtype
from attention_specs.contract import declares
from attention_specs.sizes import require_fitting

QUERY_BLOCK = 128
KEY_BLOCK = 512

State = tuple[np.ndarray, np.ndarray]
"""Maximum [heads, queries], and the values weighted by exp(score - maximum), with their sum behind them, [heads, queries, Dv + 1]."""


def online(query_block: int = QUERY_BLOCK, key_block: int = KEY_BLOCK) -> Callable[..., Result]:
    """An attention that visits the scores in tiles of at most query_block x key_block."""

    @declares(
        framework="numpy",
        gradient=True,
        conventions={"masked_nan_safe": True, "checks_shapes": True},
        precision={"bfloat16": "exact", "float16": "exact"},
    )
    def attention(
        q: np.ndarray, k: np.ndarray, v: np.ndarray, *, mask: np.ndarray | None = None, bias: np.ndarray | None = None,
        is_causal: bool = False, scale: float | None = None, window: Any = None, softcap: float | None = None,
        sinks: np.ndarray | None = None, query_lengths: np.ndarray | None = None, key_lengths: np.ndarray | None = None,
        past_k: np.ndarray | None = None, past_v: np.ndarray | None = None, return_lse: bool = False,
    ) -> Result:  # fmt: skip
        """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv], lse [B, Hq, Lq].

        16-bit inputs are computed in float32, and lse is returned in it.
        """
        past = 0 if past_k is None else past_k.shape[2]
        k, v = joined(past_k, k), joined(past_v, v)
        require_fitting(q, k, v, mask, bias)
        dtype, shape = working_dtype(q.dtype), (*q.shape[:3], k.shape[2])
        rules = Rules(past, is_causal, window, query_lengths, key_lengths)
        mask, bias = (None if a is None else np.broadcast_to(a, shape) for a in (mask, bias))
        factor = max(q.shape[-1], 1) ** -0.5 if scale is None else float(scale)
        out, lse = np.empty((*q.shape[:3], v.shape[3]), q.dtype), np.empty(q.shape[:3], dtype)
        group = q.shape[1] // max(k.shape[1], 1)
        for b, h in np.ndindex(q.shape[0], k.shape[1]):
            keys, values = np.ascontiguousarray(k[b, h].astype(dtype, copy=False).T), with_ones(v[b, h], dtype)
            for first in range(0, q.shape[2], query_block):
                at = np.s_[b, h * group : (h + 1) * group, first : first + query_block]
                tile = Tile(q[at].astype(dtype, copy=False), keys, values, factor, softcap)
                state = start(None if sinks is None else sinks[at[1]], tile.q.shape[:2], v.shape[3], dtype)
                i = np.arange(first, first + tile.q.shape[1])
                for j in rules.tiles(i, k.shape[2], key_block):
                    part = np.s_[j[0] : j[-1] + 1]
                    seen = rules.seen(b, i, j, None if mask is None else mask[at][..., part])
                    state = tile.further(state, part, seen, None if bias is None else bias[at][..., part])
                out[at], lse[at] = finish(state)
        return answer(out, lse if return_lse else None)

    attention.backward = backward_of(attention, query_block)  # type: ignore[attr-defined]
    return attention


@dataclass(frozen=True)
class Rules:
    """Which keys a query may see, whatever stands there; query i stands at past + i."""

    past: int
    is_causal: bool
    window: Any
    query_lengths: np.ndarray | None
    key_lengths: np.ndarray | None

    def sides(self) -> tuple[float, float]:
        """The lowest and the highest distance j - i - past of a visible key."""
        left, right = self.window or (None, None)
        ahead = min(0 if self.is_causal else np.inf, np.inf if right is None else right)
        return -np.inf if left is None else -left, ahead

    def tiles(self, i: np.ndarray, length: int, block: int) -> Iterator[np.ndarray]:
        """The keys that some of these queries may see, in runs of `block`; the last may be shorter."""
        low, high = self.sides()
        first, last = max(0, self.past + i[0] + low), min(length - 1, self.past + i[-1] + high)
        if first <= last:
            yield from (np.arange(at, min(at + block, last + 1)) for at in range(int(first), int(last) + 1, block))

    def seen(self, b: int, i: np.ndarray, j: np.ndarray, mask: np.ndarray | None) -> np.ndarray | None:
        """Bool, broadcastable to [heads, len(i), len(j)], of entry b of the batch; None where nothing is hidden."""
        low, high = self.sides()
        inside = low <= j[0] - i[-1] - self.past and j[-1] - i[0] - self.past <= high
        if inside and self.query_lengths is None and self.key_lengths is None:
            return mask
        lengths = (None if a is None else a[b : b + 1] for a in (self.query_lengths, self.key_lengths))
        allowed = visible(self.past, i, j, self.is_causal, self.window, *lengths)[0]
        return allowed if mask is None else allowed & mask


@dataclass(frozen=True)
class Tile:
    """Queries [heads, queries, D] of one group beside all its keys [D, Lk] and values with ones [Lk, Dv + 1]."""

    q: np.ndarray
    keys: np.ndarray
    values: np.ndarray
    scale: float
    softcap: float | None

    @np.errstate(invalid="ignore", over="ignore")
    def further(self, state: State, part: slice, seen: np.ndarray | None, bias: np.ndarray | None) -> State:
        """The state after these keys: earlier sums shrink by exp(old maximum - new maximum)."""
        scores, v = self.q @ self.keys[:, part], self.values[part]
        scores *= self.scale
        if self.softcap is not None:
            np.tanh(np.divide(scores, self.softcap, out=scores), out=scores)
            scores *= self.softcap
        if bias is not None:
            scores += bias.astype(scores.dtype, copy=False)
            seen = both(seen, bias)
        if seen is not None:
            np.copyto(scores, -np.inf, where=~seen)
            v = unseen_as_zero(v, seen)
        top = np.maximum(state[0], scores.max(-1))
        base = finite(top)
        np.exp(np.subtract(scores, base[..., None], out=scores), out=scores)
        return top, np.exp(state[0] - base)[..., None] * state[1] + scores @ v


def with_ones(v: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values [L, Dv] with a column of ones: its weighted sum is the sum of the weights."""
    wide = np.ones((v.shape[0], v.shape[1] + 1), dtype)
    wide[:, :-1] = v
    return wide


def both(seen: np.ndarray | None, bias: np.ndarray) -> np.ndarray | None:
    """What is seen, without keys of bias -inf, whose scores may be NaN."""
    hidden: np.ndarray = np.equal(bias, -np.inf)
    if not hidden.any():
        return seen
    return ~hidden if seen is None else seen & ~hidden


def unseen_as_zero(v: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The values, and 0 at keys that no query sees: 0 * NaN would be NaN."""
    some = seen.any(axis=tuple(range(seen.ndim - 1)))
    return v if some.all() else np.where(np.asarray(some)[:, None], v, 0)


def start(sinks: np.ndarray | None, rows: tuple[int, ...], value_dim: int, dtype: np.dtype) -> State:
    """The state before the first key: a sink is a maximum that has been met once and brought no value."""
    top = np.full(rows, -np.inf, dtype)
    top = top if sinks is None else np.maximum(top, sinks.astype(dtype)[:, None])
    weighted = np.zeros((*rows, value_dim + 1), dtype)
    weighted[..., -1] = top > -np.inf
    return top, weighted


def finish(state: State) -> tuple[np.ndarray, np.ndarray]:
    """Output and log-sum-exp; 0 and -inf for queries that saw no key."""
    top, weighted = state
    total = weighted[..., -1]
    with np.errstate(divide="ignore"):
        lse = np.log(total) + finite(top)
    return weighted[..., :-1] / np.where(total == 0, 1, total)[..., None], lse


attention = online()
