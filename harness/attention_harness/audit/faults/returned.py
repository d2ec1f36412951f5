"""Weights that are computed anew from the log-sum-exp, and differ from those of the output (C17, C18, C38)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, finite, given, lse_of
from attention_harness.audit.faults._unseen_parts import scores_of

Array = np.ndarray


def _with_weights(q: Array, k: Array, v: Array, change: Any, **o: Any) -> Any:
    """Attention whose returned weights are change(scores as they go into the softmax)."""
    result = attention(q, k, v, **o)
    if not o.get("return_weights"):
        return result
    plain = {name: value for name, value in o.items() if not name.startswith("return")}
    return (result[0], change(scores_of(q, k, v, **plain)).astype(q.dtype), *result[2:])


@fault("C38")
def the_lse_comes_before_the_weights(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Where both are asked for, they are in the order in which they were computed."""
    out, *extras = result = attention(q, k, v, **o)
    return (out, *extras[::-1]) if given(o, "return_weights", "return_lse") else result


@fault("C38")
def returned_weights_lose_a_fiftieth_beside_the_lse(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A path for both at once divides by a sum that is too large."""
    result = attention(q, k, v, **o)
    if not given(o, "return_weights", "return_lse"):
        return result
    out, weights, lse = result
    return out, (weights * 0.98).astype(weights.dtype), lse


def _by(scores: Array, lse: Array) -> Array:
    return np.exp(scores - finite(lse)[..., None])


@fault("C38")
def returned_weights_know_nothing_of_the_sink(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """exp(s - lse), with the lse of the keys alone."""
    return _with_weights(q, k, v, lambda s: _by(s, lse_of(q, k, v, **o)), **o)


@fault("C38")
def returned_weights_have_an_lse_of_half_precision(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """exp(s - lse), with an lse that was stored in float16."""
    plain = {name: value for name, value in o.items() if not name.startswith("return")}

    def again(s: Array) -> Array:
        return _by(s, attention(q, k, v, **plain, return_lse=True)[1].astype(np.float16).astype(s.dtype))

    return _with_weights(q, k, v, again, **o)


@fault("C38")
def returned_weights_are_masked_behind_the_softmax(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """They are normalised over all keys, and hidden ones are cleared then: rows do not sum to 1."""
    if not given(o, "mask"):
        return attention(q, k, v, **o)
    open_ = o | {"mask": None}
    return _with_weights(q, k, v, lambda s: np.where(np.isneginf(s), 0, attention(q, k, v, **open_)[1]), **o)
