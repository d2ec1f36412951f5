"""Parts that the second set of untuned faults shares."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults._parts import finite, staged

Array = np.ndarray


def scores_of(q: Array, k: Array, v: Array, **o: Any) -> Array:
    """The scores that go into the softmax, [B, Hq, Lq, Lk]."""
    kept: list[Array] = []
    staged(q, k, v, **o, scores=lambda s: kept.append(s) or s)  # type: ignore[func-returns-value]
    return kept[0]


def added(state: Any, s: Array, v: Array, decay: Any) -> Any:
    """One more block of an online softmax, whose decay is a function of old and new maximum."""
    old, total, weighted = state
    top = np.maximum(old, s.max(-1, initial=-np.inf))
    powers, shrunk = np.exp(s - finite(top)[..., None]), decay(old, top)
    return top, shrunk * total + powers.sum(-1), shrunk[..., None] * weighted + powers @ v


def decay_of(old: Array, top: Array) -> Array:
    return np.exp(old - finite(top))
