"""A check that the sizes of a call fit together, for arrays of any framework."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any


def require_fitting(q: Any, k: Any, v: Any, *broadcast: Any) -> None:
    """ValueError unless k and v have one length, batch and number of heads, q and k one dimension, and masks broadcast (A1, A3)."""
    wanted = (*k.shape[:3], v.shape[3])
    if tuple(v.shape) != wanted:
        raise ValueError(f"shape of v={tuple(v.shape)}, but should be {wanted} as for k")
    if q.shape[0] != k.shape[0] or q.shape[3] != k.shape[3]:
        raise ValueError(f"shape of q={tuple(q.shape)}, but should have batch and dimension of k, {tuple(k.shape)}")
    if q.shape[1] % max(k.shape[1], 1) or q.shape[1] < k.shape[1]:
        raise ValueError(f"query_heads={q.shape[1]}, but should be a multiple of key_heads={k.shape[1]}")
    scores = (*q.shape[:3], k.shape[2])
    for array in broadcast:
        if array is not None and not _broadcasts(array.shape, scores):
            raise ValueError(f"shape of mask or bias={tuple(array.shape)}, but should broadcast to {scores}")


def _broadcasts(shape: Any, scores: tuple[int, ...]) -> bool:
    pairs = zip(shape[::-1], scores[::-1], strict=False)
    return len(shape) <= len(scores) and all(n in (1, m) for n, m in pairs)


def require_offsets(name: str, offsets: Sequence[int], rows: int) -> None:
    """ValueError unless the offsets of sequences begin at 0, never fall, and end with the number of rows."""
    falls = any(after < before for before, after in pairwise(offsets))
    if not len(offsets) or offsets[0] != 0 or falls or offsets[-1] != rows:
        raise ValueError(f"{name}={list(offsets)}, but should rise from 0 to {rows}, the number of rows")


def require_table(table: Sequence[Sequence[int]], lengths: Sequence[int], pages: int, size: int) -> None:
    """ValueError unless each length is reached by the pages of its row, which are all there."""
    if len(table) != len(lengths):
        raise ValueError(f"rows of block_table={len(table)}, but should be {len(lengths)}, one for each length")
    for row, length in zip(table, lengths, strict=True):
        if not 0 <= length <= len(row) * size:
            raise ValueError(f"length={length}, but should be from 0 to {len(row) * size}, {len(row)} pages of {size}")
        used = row[: -(-length // size)]
        if missing := [page for page in used if not 0 <= page < pages]:
            raise ValueError(f"page={missing[0]}, but should be from 0 to {pages - 1}")
