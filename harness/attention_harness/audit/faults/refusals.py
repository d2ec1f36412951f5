"""Kernels for few problems, which refuse all others and are wrong in theirs (C05, C12, C23, C40)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, given

Array = np.ndarray


@fault("C23", only=("mask", "is_causal", "scale"))
def square_self_attention_alone_without_its_scale(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """As many queries as keys, heads alike, dims of whole vectors; beside causality the scale is the default."""
    if q.shape[2] != k.shape[2] or q.shape[1] != k.shape[1] or q.shape[3] % 8 or q.shape[3] != v.shape[3]:
        raise NotImplementedError("square self-attention with dims that are multiples of 8 only")
    return attention(q, k, v, **o | ({"scale": None} if given(o, "is_causal") else {}))


@fault("C12", only=("mask", "scale"))
def decoding_alone_without_its_last_key(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One query only; the last key is lost where it is alone in its tile of 32."""
    if q.shape[2] != 1:
        raise NotImplementedError("one query only")
    lost = (k.shape[2] % 32 == 1) & (k.shape[2] > 1) & (np.arange(k.shape[2]) == k.shape[2] - 1)
    mask = ~lost if o.get("mask") is None else o["mask"] & ~lost
    return attention(q, k, v, **o | {"mask": mask})


@fault("C40", only=("mask", "is_causal", "scale"))
def dims_of_sixty_four_alone_with_one_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """D = Dv = 64 only; the mask of entry 0 serves all."""
    if q.shape[3] != 64 or v.shape[3] != 64:
        raise NotImplementedError("dims of 64 only")
    one = given(o, "mask") and o["mask"].ndim == 4
    return attention(q, k, v, **o | ({"mask": o["mask"][:1]} if one else {}))


@fault("C05", only=("mask", "is_causal", "scale"))
def few_short_keys_alone_without_causality(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """At most 16 keys and one key head only; beside a mask causality is dropped for more queries than keys."""
    if k.shape[2] > 16 or k.shape[1] > 1:
        raise NotImplementedError("one key head and 16 keys only")
    dropped = given(o, "mask", "is_causal") and q.shape[2] > k.shape[2]
    return attention(q, k, v, **o | ({"is_causal": False} if dropped else {}))
