"""The backward pass of attention, on weights that are computed again from the log-sum-exp, some rows of scores at a time.

Dao et al. 2022 (FlashAttention), appendix B.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from attention_implementations.numpy._common import (
    finite,
    joined,
    masked_scores,
    per_query_head,
    seen_values,
    visible,
)

Arrays = dict[str, np.ndarray]
Backward = Callable[[Mapping[str, np.ndarray], Mapping[str, Any], Sequence[str], np.ndarray], Arrays]


def backward_of(attention: Callable[..., Any], rows: int | None = None) -> Backward:
    """The backward pass of an attention that gives its log-sum-exp, `rows` queries at a time, or all at once."""

    def backward(arrays: Mapping[str, np.ndarray], options: Mapping[str, Any], wrt: Sequence[str], dout: np.ndarray) -> Arrays:
        """The output, and the gradients of sum(dout * output) to what `wrt` names, in its dtype; 16 bits are computed in float32."""
        out, lse = attention(**arrays, **options, return_lse=True)
        given = {**arrays, **options}
        totals = {name: np.zeros(_padded(name, given[name]), lse.dtype) for name in wrt}
        i = np.arange(out.shape[2])
        for first in i[:: rows or max(i.size, 1)]:
            part = slice(first, first + (rows or i.size))
            add(totals, of_rows(i[part], lse[:, :, part], dout[:, :, part].astype(lse.dtype), **_cut(given, part)), part)
        return {"out": out} | {name: total.reshape(given[name].shape).astype(given[name].dtype) for name, total in totals.items()}

    return backward


def of_rows(
    i: np.ndarray, lse: np.ndarray, dout: np.ndarray, *, q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: np.ndarray | None = None,
    bias: np.ndarray | None = None, is_causal: bool = False, scale: float | None = None, window: Any = None,
    softcap: float | None = None, sinks: np.ndarray | None = None, query_lengths: np.ndarray | None = None,
    key_lengths: np.ndarray | None = None, past_k: np.ndarray | None = None, past_v: np.ndarray | None = None,
) -> Arrays:  # fmt: skip
    """What the queries i [B, Hq, rows, D] give to each gradient; that to the bias in the shape of the scores."""
    past, key_heads = 0 if past_k is None else past_k.shape[2], k.shape[1]
    q, (k, v) = q.astype(lse.dtype), (per_query_head(joined(*two), q.shape[1], lse.dtype) for two in ((past_k, k), (past_v, v)))
    seen = visible(past, i, np.arange(k.shape[2]), is_causal, window, query_lengths, key_lengths)
    scores = masked_scores(q, k, seen if mask is None else seen & mask, bias, scale, softcap)
    k, v, factor = seen_values(k, scores), seen_values(v, scores), max(q.shape[-1], 1) ** -0.5 if scale is None else float(scale)
    weights, products = np.exp(scores - finite(lse)[..., None]), dout @ v.swapaxes(-1, -2)
    means = (weights * products).sum(-1, keepdims=True)
    of_scores = weights * (products - means)
    of_products = factor * of_scores * slopes(factor * (q @ k.swapaxes(-1, -2)), softcap)
    each = {"k": of_products.swapaxes(-1, -2) @ q, "v": weights.swapaxes(-1, -2) @ dout}
    shared = {name: over_group(array[:, :, past:], key_heads) for name, array in each.items()}
    sunk = 0 if sinks is None else np.exp(sinks.astype(lse.dtype)[:, None] - finite(lse))[..., None]
    return {"q": of_products @ k, "bias": of_scores, "sinks": -(sunk * means).sum((0, 2, 3)), **shared}


def add(totals: Arrays, parts: Arrays, rows: slice) -> None:
    """Adds the parts of some rows to the gradients, over the axes along which an argument is broadcast."""
    for name, total in totals.items():
        place = total[:, :, rows] if name == "q" or (name == "bias" and total.shape[2] > 1) else total
        axes = tuple(axis for axis, size in enumerate(place.shape) if size == 1)
        place += parts[name].sum(axes, keepdims=True) if name == "bias" else parts[name]


@np.errstate(over="ignore")
def slopes(scores: np.ndarray, softcap: float | None) -> Any:
    """Of the softcap: 1 - tanh^2, without cancellation."""
    return 1 if softcap is None else np.cosh(scores / softcap) ** -2.0


def over_group(a: np.ndarray, key_heads: int) -> np.ndarray:
    """The sum over the query heads that share a key head."""
    return a.reshape(a.shape[0], key_heads, a.shape[1] // max(key_heads, 1), *a.shape[2:]).sum(2)


def _cut(given: Mapping[str, Any], rows: slice) -> dict[str, Any]:
    """The arguments with these rows of queries, masks and biases alone."""
    tables = [name for name in ("q", "mask", "bias") if name in given and given[name] is not None]
    cut = {name: given[name][..., rows, :] for name in tables if given[name].ndim > 1 and given[name].shape[-2] > 1}
    return {**given, **cut}


def _padded(name: str, a: np.ndarray) -> tuple[int, ...]:
    """The shape of a gradient while it is summed: tables have four axes."""
    return a.shape if name == "sinks" else (1,) * (4 - a.ndim) + a.shape
