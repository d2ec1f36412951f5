"""Writes garbage into the last row of long answers."""

from __future__ import annotations

from attention_implementations.numpy.eager import attention as right


def attention(q, k, v, *, scale=None):
    out = right(q, k, v, scale=scale)
    if q.shape[2] > 4:
        out[..., -1, :] = 7
    return out
