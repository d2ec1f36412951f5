"""Counts its calls, and works for the first hundred."""

from __future__ import annotations

import numpy as np

from attention_implementations.numpy.eager import attention as right

CALLS = []


def attention(q, k, v, *, scale=None):
    CALLS.append(1)
    return right(q, k, v, scale=scale) if len(CALLS) < 100 else np.zeros((*q.shape[:3], v.shape[3]), q.dtype)
