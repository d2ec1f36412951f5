"""Attention of one sequence out of a batch without padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_implementations.numpy._common import visible, working_dtype
from attention_implementations.numpy.eager import at_once


def of_sequence(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, is_causal: bool, window: Any, softcap: float | None, sinks: np.ndarray | None,
    scale: float | None, shifts: tuple[int, int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """q [Lq, Hq, D], k [Lk, Hkv, D], v [Lk, Hkv, Dv] -> out [Lq, Hq, Dv], lse [Hq, Lq], in the working dtype.

    Query i stands at the position shifts[0] + i for causality, and at shifts[1] + i for the window: if none are given, the last
    query stands at the last key.
    """
    causal, beside = shifts or (len(k) - len(q),) * 2
    i, j = np.arange(len(q)), np.arange(len(k))
    seen = visible(causal, i, j, is_causal, None, None, None) & visible(beside, i, j, False, window, None, None)
    q, k, v = (a.swapaxes(0, 1)[None] for a in (q, k, v))
    out, _, lse = at_once(q, k, v, seen, None, scale, softcap, sinks, working_dtype(q.dtype))
    return out[0].swapaxes(0, 1), lse[0]


def heads_first(a: np.ndarray) -> np.ndarray:
    """[..., L, H, D] -> [1, H, all L, D]: sequences or pages as one batch entry."""
    length = int(np.prod(a.shape[:-2]))
    return a.reshape(1, length, *a.shape[-2:]).swapaxes(1, 2)
