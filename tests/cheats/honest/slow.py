"""Takes a millisecond more than it needs."""

from __future__ import annotations

import time

from attention_implementations.numpy.eager import attention as right


def attention(q, k, v, *, mask=None, is_causal=False, scale=None):
    time.sleep(0.001)
    return right(q, k, v, mask=mask, is_causal=is_causal, scale=scale)
