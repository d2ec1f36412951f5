"""Computes each entry of the batch in a thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from attention_implementations.numpy.eager import attention as right

POOL = ThreadPoolExecutor(2)


def attention(q, k, v, *, scale=None):
    parts = POOL.map(lambda i: right(q[i : i + 1], k[i : i + 1], v[i : i + 1], scale=scale), range(q.shape[0]))
    return np.concatenate([np.empty((0, *q.shape[1:3], v.shape[3]), q.dtype), *parts])
