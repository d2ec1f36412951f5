"""Attention over keys in pages, each sequence gathered by its table: decoding and prefill of serving engines."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_implementations.numpy._common import Result, answer, working_dtype
from attention_implementations.numpy._sequence import heads_first, of_sequence
from attention_specs.contract import declares
from attention_specs.sizes import require_fitting, require_offsets, require_table


@declares(
    framework="numpy",
    form="paged",
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
    cu_seqlens_q: np.ndarray, is_causal: bool = False, window: Any = None, softcap: float | None = None,
    sinks: np.ndarray | None = None, scale: float | None = None, return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [Tq, Hq, D], k_pages [P, page, Hkv, D], v_pages [P, page, Hkv, Dv] -> out [Tq, Hq, Dv], lse [Hq, Tq].

    Key j of entry b lies in the page block_table[b, j // page], in the slot j % page. 16-bit inputs are computed in float32.
    """
    require_fitting(*map(heads_first, (q, k_pages, v_pages)))
    require_offsets("cu_seqlens_q", cu_seqlens_q.tolist(), len(q))
    if len(cu_seqlens_q) != len(seqused_k) + 1:
        raise ValueError(f"cu_seqlens_q={len(cu_seqlens_q)} offsets, but should be {len(seqused_k) + 1}, for each length")
    require_table(block_table.tolist(), seqused_k.tolist(), *k_pages.shape[:2])
    out, lse = np.zeros((*q.shape[:2], v_pages.shape[3]), q.dtype), np.zeros((q.shape[1], q.shape[0]), working_dtype(q.dtype))
    for entry, (table, length) in enumerate(zip(block_table, seqused_k, strict=True)):
        rows = slice(cu_seqlens_q[entry], cu_seqlens_q[entry + 1])
        k, v = (gathered(pages, table, length) for pages in (k_pages, v_pages))
        out[rows], lse[:, rows] = of_sequence(q[rows], k, v, is_causal, window, softcap, sinks, scale)
    return answer(out, lse if return_lse else None)


def gathered(pages: np.ndarray, table: np.ndarray, length: int) -> np.ndarray:
    """[length, H, D]: the first slots of the pages that the table names."""
    blocks = -(-length // pages.shape[1])
    return pages[table[:blocks]].reshape(blocks * pages.shape[1], *pages.shape[2:])[:length]
