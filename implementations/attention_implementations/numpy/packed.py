"""Attention over packed sequences, one after the other: the call of flash-attention's varlen functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_implementations.numpy._common import Result, answer, working_dtype
from attention_implementations.numpy._sequence import heads_first, of_sequence
from attention_specs.contract import declares
from attention_specs.sizes import require_fitting, require_offsets


@declares(
    framework="numpy",
    form="packed",
    conventions={
        "causal_alignment": "bottom-right",
        "window_alignment": "bottom-right",
        "masked_nan_safe": True,
        "checks_shapes": True,
    },
    precision={"bfloat16": "exact", "float16": "exact"},
)
def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, cu_seqlens_q: np.ndarray, cu_seqlens_k: np.ndarray,
    seqused_k: np.ndarray | None = None, is_causal: bool = False, window: Any = None, softcap: float | None = None,
    sinks: np.ndarray | None = None, scale: float | None = None, return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [Tq, Hq, D], k [Tk, Hkv, D], v [Tk, Hkv, Dv] -> out [Tq, Hq, Dv], lse [Hq, Tq]. Each sequence has offsets of its own.

    16-bit inputs are computed in float32, and lse is returned in it.
    """
    require_fitting(*map(heads_first, (q, k, v)))
    require_sequences(cu_seqlens_q, cu_seqlens_k, len(q), len(k), seqused_k)
    out, lse = np.zeros((*q.shape[:2], v.shape[2]), q.dtype), np.zeros((q.shape[1], q.shape[0]), working_dtype(q.dtype))
    used = np.diff(cu_seqlens_k) if seqused_k is None else seqused_k
    for first, last, start, length in zip(cu_seqlens_q[:-1], cu_seqlens_q[1:], cu_seqlens_k[:-1], used, strict=True):
        keys = slice(start, start + length)
        out[first:last], lse[:, first:last] = of_sequence(
            q[first:last], k[keys], v[keys], is_causal, window, softcap, sinks, scale
        )
    return answer(out, lse if return_lse else None)


def require_sequences(of_queries: np.ndarray, of_keys: np.ndarray, queries: int, keys: int, used: np.ndarray | None) -> None:
    """ValueError unless the offsets cut all rows into as many sequences, and no more keys are used than there are."""
    require_offsets("cu_seqlens_q", of_queries.tolist(), queries)
    require_offsets("cu_seqlens_k", of_keys.tolist(), keys)
    if len(of_queries) != len(of_keys) or (used is not None and len(used) != len(of_keys) - 1):
        raise ValueError(f"offsets={len(of_queries)} and {len(of_keys)}, but should be as many, one more than lengths")
    if used is not None and not ((used >= 0) & (used <= np.diff(of_keys))).all():
        raise ValueError(f"seqused_k={used.tolist()}, but should be from 0 to {np.diff(of_keys).tolist()}")
