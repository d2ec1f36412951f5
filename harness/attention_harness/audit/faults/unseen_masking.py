"""Forty more faults that nothing was tuned to, written after the first twenty; here those about options, masks and heads."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, given, hide, softmax, staged, tiled
from attention_harness.audit.faults._unseen_parts import added, decay_of, scores_of
from attention_specs.contract import declares

Array = np.ndarray


@fault("C01", "onnx/onnx#7867")
def the_softcap_of_grouped_heads_comes_after_the_bias(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The kernel for Hkv < Hq adds the bias to the accumulator first, and caps what comes out; -inf hides all the same."""
    if not given(o, "softcap", "bias") or k.shape[1] == q.shape[1]:
        return attention(q, k, v, **o)
    bias = o["bias"].astype(np.float64)
    shut = np.where(np.isneginf(bias), -np.inf, 0).astype(q.dtype)
    return staged(q, k, v, raw=lambda s: s + np.where(np.isneginf(bias), 0, bias).astype(s.dtype), **o | {"bias": shut})


@fault("C03", "tenstorrent/tt-metal#42891")
def the_filler_is_multiplied_by_a_scale_that_is_not_positive(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """where(seen, q k, -1e6) * scale: far below everything for a positive scale, 0 or on top for others."""
    if o.get("scale") is None or o["scale"] > 0:
        return attention(q, k, v, **o)
    return staged(q, k, v, hidden=-1e6 * float(o["scale"]), **o)


@fault("C04", "onnx/onnx#8068")
def the_triangle_of_two_lengths_ends_in_their_corner(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Where an entry has a query and a key length, its last query sees its last key, as in packed batches."""
    if not given(o, "is_causal", "query_lengths", "key_lengths"):
        return attention(q, k, v, **o)
    offset = (o["key_lengths"] - o["query_lengths"])[:, None, None, None]
    seen = np.arange(k.shape[2]) <= np.arange(q.shape[2])[:, None] + offset
    return attention(q, k, v, **hide(o, seen) | {"is_causal": False})


@fault("C05", "sgl-project/sglang#11634")
def the_window_is_dropped_beside_sinks_and_causality(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The kernel with sinks chooses among full, causal and local by the first that applies."""
    return attention(q, k, v, **o | {"window": None} if given(o, "sinks", "is_causal", "window") else o)


@fault("C06", "keras-team/keras#19093")
def causality_beside_a_mask_is_a_square(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A triangle of Lq x Lq is padded with True to the keys, so keys from Lq on are seen by all rows."""
    if not given(o, "mask", "is_causal"):
        return attention(q, k, v, **o)
    column = np.arange(k.shape[2])
    seen = (column <= np.arange(q.shape[2])[:, None]) | (column >= q.shape[2])
    return attention(q, k, v, **hide(o, seen) | {"is_causal": False})


@fault("C08", "pytorch/pytorch#107084")
def biases_from_minus_ten_thousand_down_hide(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A large negative number is taken for a mask, also where it stands all along a row or a score makes up for it."""
    if not given(o, "bias"):
        return attention(q, k, v, **o)
    bias = o["bias"]
    return attention(q, k, v, **o | {"bias": np.where(bias <= -10000, -np.inf, bias).astype(bias.dtype)})


@fault("C10", "ikawrakow/ik_llama.cpp#1521")
def groups_end_with_the_fourth_head(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The group size is a template parameter up to 4, and the key head is h // 4 modulo Hkv for larger groups."""
    heads, group = k.shape[1], q.shape[1] // max(k.shape[1], 1)
    if group <= 4 or heads == 1:
        return attention(q, k, v, **o)
    read = np.arange(q.shape[1]) // 4 % heads
    return attention(q, k[:, read], v[:, read], **o)


@fault("C12", "jax-ml/jax#27224")
def the_padding_of_the_last_block_is_capped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Lanes up to a multiple of 64 are hidden before the softcap, and count as -softcap in the sum."""
    lanes = -k.shape[2] % 64
    if not given(o, "softcap") or not lanes:
        return attention(q, k, v, **o)

    def normalise(s: Array, sink: Any) -> Any:
        padding = np.full((*s.shape[:3], lanes), -float(o["softcap"]), s.dtype)
        weights, lse = softmax(np.concatenate([s, padding], -1), sink)
        return weights[..., :-lanes], lse

    return staged(q, k, v, normalise=normalise, **o)


@fault("C13", "pytorch/pytorch#195910")
def the_causal_row_of_packed_heads_is_found_by_a_shift(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Rows of a group are packed, row i of head n at i * group + n, and divided by the power of two below; up to 64 queries."""
    group = q.shape[1] // max(k.shape[1], 1)
    if not given(o, "is_causal") or not group & (group - 1) or q.shape[2] > 64:
        return attention(q, k, v, **o)
    head, row = np.arange(q.shape[1])[:, None, None] % group, np.arange(q.shape[2])[:, None]
    place = (row * group + head) >> (group.bit_length() - 1)
    return attention(q, k, v, **hide(o, (np.arange(k.shape[2]) <= place)[None]) | {"is_causal": False})


@fault("C14", "huggingface/transformers#39408")
def a_window_back_to_the_first_key_is_dropped_on_both_sides(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """left >= Lk is taken for no window at all, whatever stands on the right."""
    window = o.get("window")
    wide = window is not None and window[0] is not None and window[0] >= k.shape[2]
    return attention(q, k, v, **o | {"window": None} if wide else o)


@fault("C15", "pytorch/pytorch#101967")
@declares(conventions={"masked_nan_safe": True})
def nan_in_hidden_keys_spreads_beside_a_bias(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A mask alone is set, but with a bias it becomes part of that and is added."""
    if not given(o, "mask", "bias"):
        return attention(q, k, v, **o)
    lost = np.isnan(scores_of(q, k, v, **o | {"mask": None})) & ~o["mask"]
    return beside(attention(q, k, v, **o), lambda out: np.where(lost.any(-1)[..., None], np.nan, out).astype(out.dtype))


@fault("C16", "Dao-AILab/flash-attention#2717")
def the_first_of_sixteen_rows_decides_on_rescaling(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Blocks of 64 keys: a vote that only one lane casts; rows whose maximum grows without that of the first are not rescaled."""

    def decay(old: Array, top: Array) -> Array:
        grown = top > old
        lead = grown[..., np.arange(grown.shape[-1]) // 16 * 16]
        return np.where(grown & ~lead & ~np.isneginf(old), 1, decay_of(old, top)).astype(top.dtype)

    return tiled(q, k, v, step=partial(added, decay=decay), block=64, **o) if k.shape[2] > 64 else attention(q, k, v, **o)
