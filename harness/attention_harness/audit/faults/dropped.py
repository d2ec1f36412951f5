"""An option is accepted and then ignored on one path (C05)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, given

Array = np.ndarray


def _without(q: Array, k: Array, v: Array, name: str, when: bool, **o: Any) -> Any:
    absent = False if name == "is_causal" else None
    return attention(q, k, v, **o | ({name: absent} if when else {}))


@fault("C05", "pytorch/pytorch#99282")
def causality_is_dropped_beside_weights(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Asking for the weights takes a path without causality."""
    return _without(q, k, v, "is_causal", given(o, "return_weights"), **o)


@fault("C05", "huggingface/transformers#30652")
def causality_is_dropped_beside_weights_without_a_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The eager path gets its causality from the mask, and there is none."""
    return _without(q, k, v, "is_causal", given(o, "return_weights") and not given(o, "mask"), **o)


@fault("C05", "facebookresearch/xformers#103")
def causality_is_dropped_without_a_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Causality is joined with the mask where there is one."""
    return _without(q, k, v, "is_causal", not given(o, "mask"), **o)


@fault("C05", "jax-ml/jax#32300")
def the_window_is_dropped_without_a_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """An early return for "no mask and not causal" comes before the window."""
    return _without(q, k, v, "window", not given(o, "mask") and not given(o, "is_causal"), **o)


@fault("C05", "jax-ml/jax#19237")
def causality_is_dropped_for_wide_heads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Head dims of 256 take a kernel without causality."""
    return _without(q, k, v, "is_causal", q.shape[-1] >= 256, **o)


@fault("C05", "flashinfer-ai/flashinfer#1193")
def the_softcap_is_dropped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The softcap is accepted and never used."""
    return _without(q, k, v, "softcap", True, **o)


@fault("C05", "vllm-project/vllm#7425")
def the_softcap_is_dropped_for_one_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The decode call does not pass it on."""
    return _without(q, k, v, "softcap", q.shape[2] == 1, **o)


@fault("C05", "sgl-project/sglang#33915")
def the_softcap_is_dropped_beside_sinks(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The kernel with sinks has no softcap."""
    return _without(q, k, v, "softcap", given(o, "sinks"), **o)


@fault("C05", "google/flax@aa3b9ae9")
def key_lengths_are_dropped_without_query_lengths(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Key padding is applied if query padding is given as well."""
    return _without(q, k, v, "key_lengths", not given(o, "query_lengths"), **o)


@fault("C05", "microsoft/onnxruntime#26770")
def the_bias_is_dropped_beside_a_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One slot for both, and the mask takes it."""
    return _without(q, k, v, "bias", given(o, "mask"), **o)


@fault("C05")
def the_bias_is_dropped_for_one_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The decode kernel has no bias."""
    return _without(q, k, v, "bias", q.shape[2] == 1, **o)


@fault("C05")
def the_bias_is_dropped_beside_a_softcap(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The score modification is either of the two."""
    return _without(q, k, v, "bias", given(o, "softcap"), **o)


@fault("C05")
def the_window_is_dropped_beside_causality(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Causality is its own mask type, and the window another."""
    return _without(q, k, v, "window", given(o, "is_causal"), **o)


@fault("C05", "vllm-project/vllm#4405")
def the_window_is_dropped_for_one_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The decode kernel reads the whole cache."""
    return _without(q, k, v, "window", q.shape[2] == 1, **o)


@fault("C05", "keras-team/keras#23038")
def causality_is_dropped_beside_the_lse(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The path that returns the log-sum-exp is another one."""
    return _without(q, k, v, "is_causal", given(o, "return_lse"), **o)


@fault("C05")
def the_mask_is_dropped_for_one_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One query is taken for a decoding step, which masks nothing."""
    return _without(q, k, v, "mask", q.shape[2] == 1, **o)


@fault("C05", "pytorch/pytorch#164702")
def a_mask_that_hides_little_is_dropped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Masks that hide less than a tenth of a tile are rounded to none."""
    return _without(q, k, v, "mask", given(o, "mask") and o["mask"].size > 0 and o["mask"].mean() > 0.9, **o)


@fault("C05")
def query_lengths_are_dropped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Rows beyond the query length are computed like the others."""
    return _without(q, k, v, "query_lengths", True, **o)
