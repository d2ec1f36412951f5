"""NaN and infinity where they must not spread, and where they must not vanish (C15)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, given, identity, invisible, softmax, staged
from attention_specs.contract import declares

Array = np.ndarray
SAFE = {"masked_nan_safe": True}


def _plain_product(weights: Array, v: Array) -> Array:
    return weights @ v


@fault("C15", "vllm-project/vllm#30887")
@declares(conventions=SAFE)
def nan_in_hidden_values_spreads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A weight of 0 times NaN is NaN."""
    return staged(q, k, v, product=_plain_product, **o)


@fault("C15", "pytorch/pytorch#101967")
@declares(conventions=SAFE)
def nan_in_hidden_keys_spreads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """-inf is added to the score instead of set, and NaN stays."""
    hidden = invisible(q, k, **o | {"bias": None})
    if not given(o, "mask") and not given(o, "is_causal"):
        return attention(q, k, v, **o)

    def scored(weights: Array, lse: Array) -> tuple[Array, Array]:
        return weights, lse

    poisoned = np.isnan(k.astype(np.float32)).any(-1)
    poisoned = np.repeat(poisoned, q.shape[1] // max(k.shape[1], 1), 1)[:, :, None]
    spoiled = (hidden & poisoned).any(-1, keepdims=True)
    return beside(attention(q, k, v, **o), lambda out: np.where(spoiled, np.nan, out).astype(out.dtype))


@fault("C15", "jax-ml/jax@11cf85deb0")
@declares(conventions=SAFE)
def nan_beyond_the_key_length_spreads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Values behind the valid length are multiplied by a weight of 0."""
    return staged(q, k, v, product=_plain_product, **o) if given(o, "key_lengths") else attention(q, k, v, **o)


@fault("C15")
@declares(conventions=SAFE)
def nan_outside_the_window_spreads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Tiles that a window touches are multiplied whole."""
    return staged(q, k, v, product=_plain_product, **o) if given(o, "window") else attention(q, k, v, **o)


@fault("C15", "pytorch/pytorch#141128")
def nan_becomes_zero(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """where(sum > 0, out / sum, 0) is 0 for a sum of NaN."""

    def guarded(s: Array, sink: Any) -> Any:
        weights, lse = softmax(s, sink)
        return np.nan_to_num(weights), lse

    return staged(q, k, v, normalise=guarded, **o)


@fault("C15")
def nan_values_become_zero(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The output is cleaned of NaN, which hides a broken model."""
    return beside(attention(q, k, v, **o), lambda out: np.where(np.isnan(out.astype(np.float32)), 0, out).astype(out.dtype))


@fault("C15")
def a_nan_score_loses_against_the_maximum(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """fmax ignores NaN, and a NaN weight is then taken for a hidden one."""
    return staged(q, k, v, scores=lambda s: np.where(np.isnan(s), -np.inf, s), raw=identity, **o)
