"""Attention over packed sequences, one after the other: the call of flash-attention's varlen functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_implementations.numpy._common import Result, aligned, answer, working_dtype
from attention_implementations.numpy.eager import at_once
from attention_specs.contract import declares


@declares(
    framework="numpy",
    form="packed",
    conventions={"causal_alignment": "bottom-right", "window_alignment": "bottom-right", "masked_nan_safe": True},
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
    dtype = working_dtype(q.dtype)
    out, lse = np.zeros((*q.shape[:2], v.shape[2]), q.dtype), np.zeros((q.shape[1], q.shape[0]), dtype)
    used = np.diff(cu_seqlens_k) if seqused_k is None else seqused_k
    for first, last, start, length in zip(cu_seqlens_q, cu_seqlens_q[1:], cu_seqlens_k, used, strict=False):
        keys = slice(start, start + length)
        seen = aligned(last - first, length, is_causal, window)
        one, _, its_lse = at_once(*map(heads_first, (q[first:last], k[keys], v[keys])), seen, None, scale, softcap, sinks, dtype)
        out[first:last], lse[:, first:last] = one[0].swapaxes(0, 1), its_lse[0]
    return answer(out, lse if return_lse else None)


def heads_first(a: np.ndarray) -> np.ndarray:
    """[L, H, D] -> [1, H, L, D]."""
    return a.swapaxes(0, 1)[None]
