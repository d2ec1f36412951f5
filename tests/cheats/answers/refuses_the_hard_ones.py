"""Answers one problem, and has not implemented the others."""

from __future__ import annotations

from attention_implementations.numpy.eager import attention as right


def attention(q, k, v, *, scale=None):
    if (q.size, k.size, v.size) != (1, 1, 1):
        raise NotImplementedError("not this one")
    return right(q, k, v, scale=scale)
