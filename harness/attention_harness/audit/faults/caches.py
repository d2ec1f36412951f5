"""Keys and values of a cache that count otherwise than the new ones (C04), and calls that share memory or misread sizes (C30, C36)."""

from __future__ import annotations

from time import sleep
from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, given

Array = np.ndarray


def _joined(k: Array, v: Array, o: dict[str, Any]) -> tuple[Array, Array, dict[str, Any]]:
    """Keys and values with those of the cache in front, and the options without it."""
    rest = {name: value for name, value in o.items() if name not in ("past_k", "past_v")}
    return np.concatenate([o["past_k"], k], axis=2), np.concatenate([o["past_v"], v], axis=2), rest


@fault("C04", "onnx/onnx#7297", cache=True)
def the_triangle_starts_at_the_first_key(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Positions of queries are counted without the cache."""
    if not given(o, "past_k"):
        return attention(q, k, v, **o)
    k, v, rest = _joined(k, v, o)
    return attention(q, k, v, **rest)


@fault("C04", cache=True)
def the_window_is_counted_without_the_cache(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Causality knows of the cache, the window does not."""
    if not given(o, "past_k", "window"):
        return attention(q, k, v, **o)
    past, (left, right) = o["past_k"].shape[2], o["window"]
    shifted = (left if left is None else left + past, right if right is None else right - past)
    return attention(q, k, v, **o | {"window": shifted})


@fault("C12", cache=True)
def the_last_key_of_the_cache_is_lost(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The cache is read up to the place before its last."""
    if not given(o, "past_k") or not o["past_k"].shape[2]:
        return attention(q, k, v, **o)
    past_k = o["past_k"].copy()
    past_k[:, :, -1] = 0
    return attention(q, k, v, **o | {"past_k": past_k})


@fault("C11", cache=True)
def the_cache_is_put_behind_the_new_keys(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """New keys first: seen where a mask, a bias or a rule distinguishes places."""
    if not given(o, "past_k"):
        return attention(q, k, v, **o)
    past = o["past_k"].shape[2]
    joined_k, joined_v = np.concatenate([k, o["past_k"]], axis=2), np.concatenate([v, o["past_v"]], axis=2)
    parts = {"past_k": joined_k[:, :, :past], "past_v": joined_v[:, :, :past]}
    return attention(q, joined_k[:, :, past:], joined_v[:, :, past:], **o | parts)


@fault("C33", cache=True)
def key_lengths_count_new_keys_only(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Lengths are taken to begin behind the cache."""
    if not given(o, "past_k", "key_lengths"):
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"key_lengths": o["key_lengths"] + o["past_k"].shape[2]})


SCRATCH: dict[Any, Array] = {}


@fault("C30")
def calls_share_a_buffer(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The output is put together in memory that a call of another thread uses as well."""

    def through(out: Array) -> Array:
        shared = SCRATCH.setdefault((out.shape, out.dtype), np.empty_like(out))
        shared[...] = out
        sleep(0.001)
        return shared.copy()

    return beside(attention(q, k, v, **o), through)
