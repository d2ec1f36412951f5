"""Allocates and frees much more than it needs."""

from __future__ import annotations

import numpy as np

from attention_implementations.numpy.eager import attention as right


def attention(q, k, v, *, scale=None):
    spare = [np.ones(2**16) for _ in range(10)]
    return right(q, k, v, scale=scale) + q.dtype.type(0 * spare[0][0])
