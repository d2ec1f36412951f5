"""Argument names, defaults and layout of a flash-attention library: (out, lse) always, causality from the last query."""

import numpy as np


def flash_attn(q, k, v, dropout_p=0.0, softmax_scale=None, causal=False, window_size=(-1, -1)):
    """q, k, v [B, L, H, D] -> out [B, L, H, D] and lse [B, H, L]."""
    return _attend(q, k, v, softmax_scale, causal, window_size)


def flash_attn_reads_a_side_of_minus_one_as_zero(q, k, v, dropout_p=0.0, softmax_scale=None, causal=False, window_size=(-1, -1)):
    """The open side of a window is closed where the other one is given."""
    left, right = window_size
    closed = (left, max(right, 0)) if left >= 0 else window_size
    return _attend(q, k, v, softmax_scale, causal, closed)


def _attend(q, k, v, scale, causal, window_size):
    work = np.promote_types(q.dtype, np.float32)
    queries, keys, values = (a.swapaxes(1, 2).astype(work) for a in (q, k, v))
    keys, values = (np.repeat(a, queries.shape[1] // max(keys.shape[1], 1), 1) for a in (keys, values))
    scores = (max(q.shape[-1], 1) ** -0.5 if scale is None else scale) * (queries @ keys.swapaxes(-1, -2))
    lq, lk = scores.shape[-2:]
    ahead = np.arange(lk) - np.arange(lq)[:, None] - (lk - lq)
    left, right = window_size
    seen = (ahead <= 0) if causal else np.ones((lq, lk), bool)
    seen &= (left < 0) | (ahead >= -left)
    seen &= (right < 0) | (ahead <= right)
    scores = np.where(seen, scores, -np.inf)
    top = scores.max(-1, keepdims=True, initial=-np.inf)
    powers = np.exp(scores - np.where(np.isneginf(top), 0, top))
    total = powers.sum(-1, keepdims=True)
    out = powers / np.where(total == 0, 1, total) @ values
    with np.errstate(divide="ignore"):
        lse = (np.log(total) + np.where(np.isneginf(top), 0, top))[..., 0]
    return out.swapaxes(1, 2).astype(q.dtype), lse
