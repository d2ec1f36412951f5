"""Attention over keys in pages, to which the call itself appends new ones: decoding and prefill of serving engines in one call."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from attention_implementations.numpy._common import Result
from attention_implementations.numpy.paged import attention as paged
from attention_specs.contract import declares
from attention_specs.sizes import require_offsets, require_table


@declares(
    framework="numpy",
    form="cache_append",
    conventions={
        "causal_alignment": "bottom-right",
        "window_alignment": "bottom-right",
        "masked_nan_safe": True,
        "checks_shapes": True,
    },
    precision={"bfloat16": "exact", "float16": "exact"},
)
def attention(
    q: np.ndarray, k_pages: np.ndarray, v_pages: np.ndarray, *, block_table: np.ndarray, seqused_k: np.ndarray,
    k_new: np.ndarray, v_new: np.ndarray, cu_seqlens_k_new: np.ndarray, cu_seqlens_q: np.ndarray, is_causal: bool = False,
    window: Any = None, softcap: float | None = None, sinks: np.ndarray | None = None, scale: float | None = None,
    return_lse: bool = False,
) -> Result:  # fmt: skip
    """As `numpy-paged`, behind the new keys k_new [T, Hkv, D] and values v_new [T, Hkv, Dv], which are written to the pages first.

    Those of entry b are the rows cu_seqlens_k_new[b] to cu_seqlens_k_new[b + 1], and they stand behind its seqused_k[b] older keys.
    """
    require_new(k_new, v_new, cu_seqlens_k_new, k_pages, v_pages, seqused_k)
    lengths = seqused_k + np.diff(cu_seqlens_k_new)
    require_table(block_table.tolist(), lengths.tolist(), *k_pages.shape[:2])
    append((k_pages, v_pages), (k_new, v_new), block_table, seqused_k, cu_seqlens_k_new)
    return paged(
        q, k_pages, v_pages, block_table=block_table, seqused_k=lengths, cu_seqlens_q=cu_seqlens_q, is_causal=is_causal,
        window=window, softcap=softcap, sinks=sinks, scale=scale, return_lse=return_lse,
    )  # fmt: skip


def append(
    caches: tuple[np.ndarray, ...], new: tuple[np.ndarray, ...], table: np.ndarray, before: np.ndarray, offsets: np.ndarray
) -> None:
    """Writes the new rows of each entry to its slots, behind those that it has."""
    size = caches[0].shape[1]
    for entry, (first, last) in enumerate(pairwise(offsets)):
        slots = before[entry] + np.arange(last - first)
        for pages, rows in zip(caches, new, strict=True):
            pages[table[entry, slots // size], slots % size] = rows[first:last]


def require_new(
    k: np.ndarray, v: np.ndarray, offsets: np.ndarray, k_pages: np.ndarray, v_pages: np.ndarray, before: np.ndarray
) -> None:
    """ValueError unless the new rows fit the pages, and the offsets cut them into one part for each entry."""
    for name, rows, pages in (("k_new", k, k_pages), ("v_new", v, v_pages)):
        if rows.shape != (len(k), *pages.shape[2:]):
            raise ValueError(f"{name}={rows.shape}, but should be {(len(k), *pages.shape[2:])}")
    require_offsets("cu_seqlens_k_new", offsets.tolist(), len(k))
    if len(offsets) != len(before) + 1 or (before < 0).any():
        raise ValueError(f"seqused_k={before.tolist()}, but should be {len(offsets) - 1} lengths from 0 on")
