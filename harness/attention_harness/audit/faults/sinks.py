"""Attention sinks (C18)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, finite, given, staged

Array = np.ndarray


def _with_sinks(q: Array, k: Array, v: Array, change: Any, when: bool = True, **o: Any) -> Any:
    """Attention with other sinks."""
    return attention(q, k, v, **o | ({"sinks": change(o["sinks"])} if given(o, "sinks") and when else {}))


def _divided(total: Any) -> Any:
    """A softmax whose denominator is total(sum of powers, sink, maximum)."""

    def normalise(s: Array, sink: Any) -> tuple[Array, Array]:
        top = np.maximum(s.max(-1, initial=-np.inf), sink)
        powers = np.exp(s - finite(top)[..., None])
        whole = total(powers.sum(-1), sink, finite(top))
        return powers / np.where(whole == 0, 1, whole)[..., None], np.log(whole) + finite(top)

    return normalise


@fault("C18", "Dao-AILab/flash-attention@e81c237e")
def the_sink_is_added_without_exp(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """sum + sink."""
    return staged(q, k, v, normalise=_divided(lambda total, sink, top: total + np.maximum(sink, 0)), **o)


@fault("C18", "Dao-AILab/flash-attention@2f78d484")
def the_sink_is_added_without_the_maximum(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """sum + exp(sink), though the sum is relative to the maximum."""
    return staged(q, k, v, normalise=_divided(lambda total, sink, top: total + np.exp(sink)), **o)


@fault("C18", "ml-explore/mlx#3452")
def the_sink_counts_twice_for_one_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Both splits of the decode kernel have it."""
    return _with_sinks(q, k, v, lambda sinks: sinks + sinks.dtype.type(np.log(2)), q.shape[2] == 1, **o)


@fault("C18")
def the_sink_counts_once_per_block(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Each block of 64 keys starts with it."""
    blocks = max(-(-k.shape[2] // 64), 1)
    return _with_sinks(q, k, v, lambda sinks: (sinks + np.log(blocks)).astype(sinks.dtype), **o)


@fault("C18", "sgl-project/sglang#11634")
def the_sink_is_dropped_beside_a_window(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Windows take a kernel without sinks."""
    return attention(q, k, v, **o | ({"sinks": None} if given(o, "window") else {}))


@fault("C18")
def the_sink_is_dropped_beside_a_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Masks take a kernel without sinks."""
    return attention(q, k, v, **o | ({"sinks": None} if given(o, "mask") else {}))


@fault("C18")
def sinks_are_read_by_key_head(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """sinks[h // group]."""
    group = max(q.shape[1] // max(k.shape[1], 1), 1)
    return _with_sinks(q, k, v, lambda sinks: sinks[np.arange(sinks.size) // group], **o)


@fault("C18")
def the_first_sink_serves_all_heads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """sinks[0]."""
    return _with_sinks(q, k, v, lambda sinks: np.broadcast_to(sinks[:1], sinks.shape), **o)


@fault("C18")
def the_sink_is_scaled(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """It is put beside the raw products and multiplied with them."""
    scale = float(o["scale"]) if o.get("scale") is not None else max(q.shape[-1], 1) ** -0.5
    return _with_sinks(q, k, v, lambda sinks: (sinks * scale).astype(sinks.dtype), **o)


@fault("C18")
def the_sink_is_capped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The softcap is applied to the sink as well."""
    cap = o.get("softcap") or 1.0
    change = given(o, "softcap")
    return _with_sinks(q, k, v, lambda s: (cap * np.tanh(s.astype(np.float32) / cap)).astype(s.dtype), change, **o)


@fault("C18")
def a_sink_below_the_scores_is_dropped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Negative sinks are taken for absent ones."""
    return _with_sinks(q, k, v, lambda s: np.where(s < 0, -np.inf, s.astype(np.float64)), **o)


@fault("C18")
def the_sink_has_a_value(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """It is put in as one more key, and the values are padded with the last one."""
    if not given(o, "sinks") or not k.shape[2]:
        return attention(q, k, v, **o)

    def product(weights: Array, values: Array) -> Array:
        left = np.where((weights > 0).any(-1, keepdims=True), 1 - weights.sum(-1, keepdims=True), 0)
        return weights @ values + left * values[:, :, -1:]

    return staged(q, k, v, product=product, **o)
