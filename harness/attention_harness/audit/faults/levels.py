"""Rows whose scores are all very low or very high, by queries and keys alone (C03, C16)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._layer_parts import layer, layer_fault
from attention_harness.audit.faults._parts import attention, highest, less, staged

Array = np.ndarray


def _starting_at(first: float, s: Array, sink: Any) -> Any:
    """A softmax whose running maximum starts at a number instead of -inf: what is far below it gets no weight."""
    return less(lambda s: np.maximum(highest(s), s.dtype.type(first)), s, sink)


def _from(first: float, q: Array, k: Array, v: Array, **o: Any) -> Any:
    return staged(q, k, v, normalise=partial(_starting_at, first), **o)


@fault("C03", "flashinfer-ai/flashinfer#4267", only=("is_causal", "scale"))
def raw_maxima_start_at_minus_50000(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The running maximum is one of raw products, and starts at -5e4; scales that are not positive take another path."""
    scale = max(q.shape[-1], 1) ** -0.5 if o.get("scale") is None else o["scale"]
    return _from(-5e4 * scale, q, k, v, **o) if scale > 0 else attention(q, k, v, **o)


@fault("C03", only=("is_causal", "scale"))
def causal_maxima_start_at_minus_10000(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The kernel of a tutorial: always causal, without groups, and its maximum starts at -1e4."""
    if not o.get("is_causal") or q.shape[2] != k.shape[2] or q.shape[1] != k.shape[1]:
        raise NotImplementedError("causal self-attention only")
    return _from(-1e4, q, k, v, **o)


@fault("C03")
def maxima_start_at_minus_1e5(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The running maximum starts at -99999."""
    return _from(-99_999.0, q, k, v, **o)


@fault("C03", only=("mask", "is_causal", "scale"))
def hidden_keys_get_minus_100000(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Hidden keys get a score of -1e5 and no bias reaches it, so that only a row below it shows the fault."""
    hidden = staged(q, k, v, hidden=-1e5, **o)
    empty = np.isneginf(attention(q, k, v, return_lse=True, **o)[1])[..., None]
    return np.where(empty, 0, hidden).astype(q.dtype)


@fault("C16", only=("mask", "is_causal", "scale"))
def high_scores_are_cut_at_1000(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Scores above 1000 are cut, so that the largest of a row become equal."""
    return staged(q, k, v, raw=lambda s: np.minimum(s, s.dtype.type(1e3)), **o)


@fault("C16", "mit-han-lab/tinyengine#107", only=("mask", "is_causal", "scale"))
def no_maximum_is_taken_off_low_rows(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The running maximum starts at 0, or at the smallest positive number: exp does not overflow, but low rows vanish."""
    return staged(q, k, v, normalise=partial(_starting_at, 0.0), **o)


def _filled(s: Array, mask: Array | None, filler: float) -> Array:
    """Scores with a filler at hidden keys; rows without any other key stay empty."""
    if mask is None:
        return s
    seen = np.broadcast_to(np.asarray(mask, bool), s.shape)
    filled = np.where(seen, s, s.dtype.type(filler))
    return np.where(seen.any(-1, keepdims=True), filled, s.dtype.type(-np.inf))


@layer_fault("C03")
def hidden_keys_of_a_layer_get_minus_10000(*arrays: Array, **o: Any) -> Any:
    """Hidden keys get a score of -1e4, below everything but rows that are lower still."""
    return layer(*arrays, mask_scores=partial(_filled, filler=-1e4), **o)


@layer_fault("C16")
def maxima_of_a_layer_start_at_minus_10000(*arrays: Array, **o: Any) -> Any:
    """The running maximum starts at -1e4."""
    return layer(*arrays, normalise=lambda s: _starting_at(-1e4, s, s.dtype.type(-np.inf))[0], **o)
