"""Causal masks that are aligned or applied wrongly (C04, C06)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, given, hide

Array = np.ndarray


def _triangle(q: Array, k: Array, shift: Any) -> Array:
    return np.arange(k.shape[2]) <= np.arange(q.shape[2])[:, None] + shift


def _shifted(q: Array, k: Array, v: Array, shift: Any, **o: Any) -> Any:
    """Causality with the diagonal moved by `shift`."""
    if not given(o, "is_causal"):
        return attention(q, k, v, **o)
    return attention(q, k, v, **hide(o, _triangle(q, k, shift)) | {"is_causal": False})


@fault("C04", "microsoft/onnxruntime#29020")
def causality_is_skipped_for_one_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One query is taken for the newest, which sees everything."""
    return attention(q, k, v, **o | ({"is_causal": False} if q.shape[2] == 1 else {}))


@fault("C04", "ml-explore/mlx#2967")
def causality_is_bottom_right(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The last query sees the last key."""
    return _shifted(q, k, v, k.shape[2] - q.shape[2], **o)


@fault("C04", "ml-explore/mlx#2835")
def causality_is_bottom_right_for_more_keys(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The offset Lk - Lq is used where it is positive."""
    return _shifted(q, k, v, max(k.shape[2] - q.shape[2], 0), **o)


@fault("C04")
def causality_is_bottom_right_for_more_queries(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The offset Lk - Lq is used where it is negative."""
    return _shifted(q, k, v, min(k.shape[2] - q.shape[2], 0), **o)


@fault("C04", "onnx/onnx#8068")
def causality_is_shifted_by_the_key_length(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """With key lengths the triangle ends at the last valid key."""
    if not given(o, "key_lengths"):
        return attention(q, k, v, **o)
    return _shifted(q, k, v, np.maximum(o["key_lengths"] - q.shape[2], 0)[:, None, None, None], **o)


@fault("C04", "Dao-AILab/flash-attention#2463")
def causality_is_rounded_to_tiles_of_eight(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """For unequal lengths the diagonal is moved up to the next tile."""
    return _shifted(q, k, v, 0 if q.shape[2] == k.shape[2] else -q.shape[2] % 8, **o)


@fault("C04")
def causality_hides_the_diagonal_for_unequal_lengths(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """j < i instead of j <= i, in the cross-attention kernel."""
    return _shifted(q, k, v, 0 if q.shape[2] == k.shape[2] else -1, **o)


@fault("C04")
def the_last_query_sees_one_key_too_many(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The causal limit of the last row is the padded length."""
    last = (np.arange(q.shape[2]) == q.shape[2] - 1)[:, None]
    return _shifted(q, k, v, last.astype(int), **o)


@fault("C06", "tinygrad/tinygrad#8675")
def causality_replaces_the_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """With both given, the mask is dropped."""
    return attention(q, k, v, **o | ({"mask": None} if given(o, "is_causal") else {}))


@fault("C06", "keras-team/keras#23040")
def the_mask_replaces_causality(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """With both given, causality is dropped."""
    return attention(q, k, v, **o | ({"is_causal": False} if given(o, "mask") else {}))


@fault("C06", "huggingface/transformers#41966")
def key_lengths_switch_causality_off(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Padding takes a path without causality."""
    return attention(q, k, v, **o | ({"is_causal": False} if given(o, "key_lengths") else {}))


@fault("C06")
def mask_and_causality_are_joined_by_or(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A key is visible if one of the two lets it be."""
    if not given(o, "mask", "is_causal"):
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"mask": o["mask"] | _triangle(q, k, 0), "is_causal": False})


@fault("C06")
def a_bias_replaces_causality(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The bias is taken for a causal mask in additive form."""
    return attention(q, k, v, **o | ({"is_causal": False} if given(o, "bias") else {}))


@fault("C06")
def a_window_replaces_causality(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """With a window the right side is left as the window says."""
    return attention(q, k, v, **o | ({"is_causal": False} if given(o, "window") else {}))


@fault("C06")
def the_mask_replaces_the_key_lengths(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """With a mask, key lengths are taken to be in it already."""
    return attention(q, k, v, **o | ({"key_lengths": None} if given(o, "mask") else {}))


@fault("C06", "pytorch/pytorch#100709")
def mask_and_causality_raise(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Both options together are an assertion error."""
    assert not given(o, "mask", "is_causal")
    return attention(q, k, v, **o)


@fault("C06", "keras-team/keras#19093")
def causality_with_key_lengths_raises(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Combining the two masks assumes that both have a head axis."""
    if given(o, "is_causal", "key_lengths"):
        raise IndexError("tuple index out of range")
    return attention(q, k, v, **o)


@fault("C06")
def mask_and_causality_meet_in_the_first_batch_entry_only(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The joined mask is written for entry 0; the others have the mask alone."""
    if not given(o, "mask", "is_causal"):
        return attention(q, k, v, **o)
    first = (np.arange(q.shape[0]) == 0)[:, None, None, None]
    return attention(q, k, v, **hide(o, _triangle(q, k, 0) | ~first) | {"is_causal": False})
