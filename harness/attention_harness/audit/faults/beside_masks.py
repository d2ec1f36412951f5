"""Rules that hold alone, and not beside a mask or a bias, in functions whose other rules are written as that mask (C04, C06, C13, C33)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, broadcast, given, hide

Array = np.ndarray


@fault("C06", "NVIDIA/Megatron-LM#7039", only=("mask", "window", "scale"))
def the_window_replaces_the_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A mask is made for the window, and takes the place of the one that is given."""
    return attention(q, k, v, **o | ({"mask": None} if given(o, "window") else {}))


@fault("C06", only=("mask", "window", "scale"))
def the_mask_replaces_the_window(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A window is applied where no mask is given."""
    return attention(q, k, v, **o | ({"window": None} if given(o, "mask") else {}))


@fault("C06", only=("mask", "query_lengths", "scale"))
def the_mask_replaces_the_query_lengths(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Padded queries are taken to be in the mask already."""
    return attention(q, k, v, **o | ({"query_lengths": None} if given(o, "mask") else {}))


@fault("C33", only=("mask", "key_lengths", "scale"))
def the_first_key_length_serves_all_beside_a_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The joined mask is made with the length of entry 0."""
    if not given(o, "mask", "key_lengths"):
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"key_lengths": np.broadcast_to(o["key_lengths"][:1], o["key_lengths"].shape)})


@fault("C06", only=("mask", "is_causal", "scale"))
def the_first_row_of_a_mask_serves_all_beside_causality(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The mask is taken for one of keys when it is joined with the triangle."""
    if not given(o, "mask", "is_causal"):
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"mask": broadcast(o["mask"], q, k)[:, :, :1]})


@fault("C06", only=("mask", "is_causal", "scale"))
def a_mask_of_keys_ends_causality(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A mask without rows is joined with the last row of the triangle, and serves all queries."""
    keys_alone = given(o, "mask", "is_causal") and (o["mask"].ndim < 2 or o["mask"].shape[-2] == 1)
    if not keys_alone:
        return attention(q, k, v, **o)
    return attention(q, k, v, **hide(o, np.arange(k.shape[2]) < q.shape[2]) | {"is_causal": False})


@fault("C04", only=("bias", "is_causal", "scale"))
def causality_beside_a_bias_is_bottom_right(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The kernel with a bias counts queries from the last key."""
    if not given(o, "bias", "is_causal"):
        return attention(q, k, v, **o)
    i, j = np.arange(q.shape[2])[:, None], np.arange(k.shape[2])
    return attention(q, k, v, **hide(o, j <= i + k.shape[2] - q.shape[2]) | {"is_causal": False})


@fault("C13", only=("mask", "is_causal", "scale"))
def causality_beside_a_mask_is_that_of_its_tile(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Tiles of 16 keys above the diagonal are skipped; on the diagonal the mask is trusted to hide what is ahead."""
    if not given(o, "mask", "is_causal"):
        return attention(q, k, v, **o)
    i, j = np.arange(q.shape[2])[:, None], np.arange(k.shape[2])
    return attention(q, k, v, **hide(o, j // 16 <= i // 16) | {"is_causal": False})
