"""Another part."""

import numpy as np

from .inner import softmax


def attention(q, k, v):
    """q [B, H, L, D]"""
    work = np.promote_types(q.dtype, np.float32)
    wide = [np.repeat(a.astype(work), q.shape[1] // max(a.shape[1], 1), 1) for a in (q, k, v)]
    return (softmax(max(q.shape[-1], 1) ** -0.5 * (wide[0] @ wide[1].swapaxes(-1, -2))) @ wide[2]).astype(q.dtype)
