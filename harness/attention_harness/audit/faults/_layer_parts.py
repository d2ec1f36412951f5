"""Parts of faults of the multi-head layer: a right layer whose steps can be exchanged one by one.

Inside, arrays are [B, heads, L, d/heads], in float64 for float64 inputs and in float32 for narrower ones, as in `implementations`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from attention_harness.audit.faults import Attention, fault
from attention_harness.audit.faults._parts import Step, identity
from attention_harness.audit.faults._parts import softmax as with_sinks
from attention_implementations.numpy._common import working_dtype
from attention_specs.multi_head.inputs import ARRAYS

Array = np.ndarray
Given = dict[str, Array]
Result = Array | tuple[Array, Array]

layer_fault: Callable[..., Callable[[Attention], Attention]] = partial(fault, spec="multi-head")
"""As `fault`, for a function with the signature of the layer."""


def nothing(given: Given) -> Given:
    """The arguments as they came."""
    return given


def split(a: Array, heads: int) -> Array:
    """[B, L, d] to [B, heads, L, d/heads]."""
    return a.reshape(*a.shape[:2], heads, a.shape[2] // heads).swapaxes(1, 2)


def join(a: Array) -> Array:
    """The inverse of `split`."""
    return a.swapaxes(1, 2).reshape(a.shape[0], a.shape[2], a.shape[1] * a.shape[3])


def head_scale(q: Array) -> float:
    """1/sqrt(d/heads)."""
    return float(max(q.shape[-1], 1) ** -0.5)


def hidden(scores: Array, mask: Array | None) -> Array:
    """-inf where the mask is False or 0."""
    return scores if mask is None else np.where(mask, scores, scores.dtype.type(-np.inf))


def softmax(scores: Array) -> Array:
    """Over the last axis; zeros in rows of -inf."""
    weights: Array = with_sinks(scores, scores.dtype.type(-np.inf))[0]
    return weights


def leave(out: Array, w: Array, b: Array) -> Array:
    """The output projection."""
    return out @ w + b


def layer(
    *arrays: Array, heads: int, mask: Array | None = None, return_weights: bool = False, prepare: Callable[[Given], Given] = nothing,
    divide: Callable[[Array, int], Array] = split, scale: Callable[[Array], float] = head_scale, mask_scores: Any = hidden,
    normalise: Step = softmax, weigh: Step = identity, unite: Step = join, finish: Any = leave, returned: Step = identity,
) -> Result:  # fmt: skip
    """The layer as defined, with steps to exchange.

    `prepare` gets the arguments by name, `divide` a projection and the number of heads, `mask_scores` scores and mask, `weigh`
    the weights that the values are multiplied with, `finish` the joined heads with w_o and b_o, `returned` the returned weights.
    """
    given = prepare(dict(zip(ARRAYS, arrays, strict=True)))
    dtype = arrays[0].dtype
    a = {name: array.astype(working_dtype(dtype)) for name, array in given.items()}
    q, k, v = (divide(a[n] @ a[f"w_{n[0]}"] + a[f"b_{n[0]}"], heads) for n in ARRAYS[:3])
    weights = normalise(mask_scores(scale(q) * (q @ k.swapaxes(-1, -2)), mask))
    out = finish(unite(weigh(weights) @ v), a["w_o"], a["b_o"]).astype(dtype)
    return (out, returned(weights).astype(dtype)) if return_weights else out


def full(mask: Array, scores: Array) -> Array:
    """The mask at the shape of the scores."""
    return np.broadcast_to(mask, scores.shape)


def four_axes(mask: Array) -> Array:
    """The mask with leading axes of size 1."""
    return mask.reshape((1,) * (4 - mask.ndim) + mask.shape)
