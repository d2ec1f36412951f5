"""Keeps an answer, and hands out the same memory again."""

from __future__ import annotations

import numpy as np

from attention_implementations.numpy.eager import attention as right

BUFFER = np.empty(10**6, np.float32)


def attention(q, k, v, *, scale=None):
    q[...] = np.abs(q)
    return right(q, k, v, scale=scale)
