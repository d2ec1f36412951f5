"""The order of the pipeline: scale, softcap, bias, mask, softmax (C01)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, given, invisible, staged

Array = np.ndarray


@fault("C01", "onnx/onnx#7867")
def softcap_comes_after_the_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Minus infinity becomes -softcap, so hidden keys get weight."""
    cap = o.get("softcap")
    return staged(q, k, v, scores=lambda s: s if cap is None else cap * np.tanh(s / cap), **o | {"softcap": None})


@fault("C01", "flashinfer-ai/flashinfer#350")
def softcap_comes_after_the_mask_for_one_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The decode kernel has the order wrong, prefill has it right."""
    return softcap_comes_after_the_mask(q, k, v, **o) if q.shape[2] == 1 else attention(q, k, v, **o)


@fault("C01", "microsoft/onnxruntime#28379")
def softcap_comes_after_the_bias(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Finite biases are capped, hidden keys stay hidden."""
    cap = o.get("softcap")
    fixed: dict[str, Any] = {"scores": lambda s: np.where(np.isneginf(s), s, cap * np.tanh(s / cap))} if cap else {}
    return staged(q, k, v, **fixed, **o | {"softcap": None})


@fault("C01")
def scale_comes_after_the_softcap(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The cap is put on raw products and then scaled."""
    if not given(o, "softcap"):
        return attention(q, k, v, **o)
    scale = o["scale"] if o.get("scale") is not None else max(q.shape[-1], 1) ** -0.5
    return staged(q, k, v, cap=lambda s, cap: scale * cap * np.tanh(s / cap), **o | {"scale": 1.0})


@fault("C01")
def softcap_is_not_multiplied_back(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """tanh(s / cap) without the factor cap."""
    return staged(q, k, v, cap=lambda s, cap: np.tanh(s / cap), **o)


@fault("C01", "tenstorrent/tt-metal#42891")
def bias_is_scaled_too(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The scale is folded into the exponent and so multiplies the bias."""
    if not given(o, "bias"):
        return attention(q, k, v, **o)
    scale = o["scale"] if o.get("scale") is not None else max(q.shape[-1], 1) ** -0.5
    bias = np.where(o["bias"] == -np.inf, -np.inf, o["bias"].astype(np.float64) * scale)
    return attention(q, k, v, **o | {"bias": bias})


@fault("C01", "huggingface/pytorch-image-models#2236")
def mask_comes_after_the_softmax(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Hidden weights are zeroed and the rows do not sum to one again."""
    hidden = invisible(q, k, **o | {"bias": None})
    rules = {"mask": None, "is_causal": False, "window": None, "query_lengths": None, "key_lengths": None}
    return staged(q, k, v, product=lambda w, values: np.where(hidden, 0, w) @ values, **o | rules)


@fault("C01")
def mask_comes_after_the_softmax_beside_a_softcap(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Only the path with a softcap forgets to normalise again."""
    return (mask_comes_after_the_softmax if given(o, "softcap", "mask") else attention)(q, k, v, **o)


@fault("C01")
def bias_is_added_twice_beside_a_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Mask and bias are joined into one array, which is then added to the bias again."""
    return attention(q, k, v, **o | ({"bias": o["bias"] + o["bias"]} if given(o, "mask", "bias") else {}))


@fault("C01")
def output_is_scaled_by_what_the_mask_leaves(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Rows are divided by the visible share of keys, as if hidden keys had been averaged in."""
    share = 1 - invisible(q, k, **o | {"bias": None}).sum(-1, keepdims=True) / max(k.shape[2], 1)
    damped = np.where(share > 0, share, 1) ** 0.01
    return beside(attention(q, k, v, **o), lambda out: (out * damped).astype(out.dtype))
