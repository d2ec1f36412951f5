"""Parts of faults of packed functions: a right one whose steps can be exchanged.

A cut is where the rows of one sequence lie in the queries, and where in the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from attention_implementations.numpy._common import Result, answer, working_dtype
from attention_implementations.numpy._sequence import of_sequence

Array = np.ndarray
Cut = tuple[slice, slice]
Options = dict[str, Any]


def between(first: int, last: int) -> slice:
    """The rows from the first to the one before the last."""
    return slice(int(first), max(int(last), int(first)))


def cuts(o: Options) -> list[Cut]:
    """As the offsets say."""
    return list(zip(segments(o["cu_seqlens_q"]), segments(o["cu_seqlens_k"]), strict=True))


def segments(offsets: Array) -> list[slice]:
    """The rows of each sequence."""
    return [between(first, last) for first, last in pairwise(offsets)]


def lengths(o: Options, name: str) -> Array:
    """Of each sequence, queries or keys: name is "q" or "k"."""
    return np.diff(o[f"cu_seqlens_{name}"])


def distance(queries: int, keys: int, o: Options) -> int:
    """The position of the first query: the last one stands at the last key."""
    return keys - queries


def one(q: Array, k: Array, v: Array, o: Options, causal: int, window: int) -> tuple[Array, Array]:
    """One sequence: out [L, Hq, Dv], lse [Hq, L]. Query i stands at causal + i for causality, and at window + i for the window."""
    numbers = (o.get("softcap"), o.get("sinks"), o.get("scale"))
    return of_sequence(q, k, v, bool(o.get("is_causal")), o.get("window"), *numbers, (causal, window))


def packed(
    q: Array, k: Array, v: Array, *, cuts: Callable[[Options], Sequence[Cut]] = cuts, causal_at: Callable[..., int] = distance,
    window_at: Callable[..., int] = distance, one: Callable[..., tuple[Array, Array]] = one, unwritten: float = 0.0,
    skip: Callable[[Array, Array], bool] = lambda q, k: False, **o: Any,
) -> Result:  # fmt: skip
    """Packed attention with steps to exchange: where sequences lie, where their queries stand, one of them, and which are skipped;
    rows that nobody writes keep a number."""
    out = np.full((*q.shape[:2], v.shape[2]), unwritten, q.dtype)
    lse = np.full((q.shape[1], q.shape[0]), unwritten, working_dtype(q.dtype))
    for rows, keys in cuts(o):
        its_q, its_k, its_v = q[rows], k[keys], v[keys]
        if not skip(its_q, its_k):
            shifts = (shift(len(its_q), len(its_k), o) for shift in (causal_at, window_at))
            out[rows], lse[:, rows] = one(its_q, its_k, its_v, o, *shifts)
    return answer(out, lse if o.get("return_lse") else None)
