"""The multi-head layer in NumPy: 16-bit inputs are computed in float32 and rounded once, at the end."""

from __future__ import annotations

import numpy as np

from attention_specs.contract import declares


@declares(framework="numpy", precision="exact")
def multi_head(
    query: np.ndarray, key: np.ndarray, value: np.ndarray,
    w_q: np.ndarray, w_k: np.ndarray, w_v: np.ndarray, w_o: np.ndarray,
    b_q: np.ndarray, b_k: np.ndarray, b_v: np.ndarray, b_o: np.ndarray,
    *, heads: int, mask: np.ndarray | None = None, return_weights: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Plain NumPy: project, split, softmax(q k^T / sqrt(d/heads)) v, join, project."""
    dtype, work = query.dtype, np.promote_types(query.dtype, np.float32)
    query, key, value, w_q, w_k, w_v, w_o, b_q, b_k, b_v, b_o = (
        a.astype(work) for a in (query, key, value, w_q, w_k, w_v, w_o, b_q, b_k, b_v, b_o)
    )
    q, k, v = (_split(a @ w + b, heads) for a, w, b in ((query, w_q, b_q), (key, w_k, b_k), (value, w_v, b_v)))
    weights = _softmax(q @ k.swapaxes(-1, -2) / np.sqrt(work.type(q.shape[-1])), mask)
    out = ((weights @ v).swapaxes(1, 2).reshape(query.shape) @ w_o + b_o).astype(dtype)
    return (out, weights.astype(dtype)) if return_weights else out


def _split(a: np.ndarray, heads: int) -> np.ndarray:
    return a.reshape(*a.shape[:2], heads, a.shape[2] // heads).swapaxes(1, 2)


def _softmax(scores: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Over the last axis; zeros in rows where the mask leaves no key."""
    scores = scores if mask is None else np.where(mask, scores, -np.inf)
    top = scores.max(-1, keepdims=True, initial=-np.inf)
    powers = np.exp(scores - np.where(np.isneginf(top), 0, top))
    total = powers.sum(-1, keepdims=True)
    weights: np.ndarray = powers / np.where(total == 0, 1, total)
    return weights
