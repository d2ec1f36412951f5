"""Returns its input."""

from __future__ import annotations


def attention(q, k, v):
    return v if v.shape == q.shape else q
