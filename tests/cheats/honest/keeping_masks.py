"""Keeps masks by their shape, and no answers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from attention_implementations.numpy.eager import attention as right


@lru_cache
def lower(rows, columns):
    return np.tri(rows, columns, dtype=bool)[None, None]


def attention(q, k, v, *, is_causal=False, scale=None):
    return right(q, k, v, mask=lower(q.shape[2], k.shape[2]) if is_causal else None, scale=scale)
