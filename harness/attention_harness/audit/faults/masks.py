"""Masks read with the wrong polarity, type, shape or strides (C07, C08, C09)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, broadcast, given

Array = np.ndarray


def _remasked(q: Array, k: Array, v: Array, change: Any, *, name: str = "mask", when: Any = lambda m: True, **o: Any) -> Any:
    """Attention with the mask, or another array, changed where it is given, has four axes and fits."""
    old = o.get(name)
    if old is None or old.ndim < 4 or not old.size or not when(old):
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {name: change(old)})


@fault("C07", "openvinotoolkit/openvino#31630")
def the_mask_is_inverted(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """True hides."""
    return _remasked(q, k, v, np.logical_not, **o)


@fault("C07", "InseeFrLab/torchTextClassifiers#92")
def a_padding_mask_is_inverted(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Masks along batch and keys alone are taken for padding, of which True is what is padded."""
    return _remasked(q, k, v, np.logical_not, when=lambda m: m.shape[1:3] == (1, 1), **o)


@fault("C07")
def a_mask_per_head_is_inverted(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The path for one mask per head has the other polarity."""
    return _remasked(q, k, v, np.logical_not, when=lambda m: m.shape[1] > 1, **o)


@fault("C08", "pytorch/pytorch#107084")
def a_bias_is_read_as_a_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Every number but 0 hides."""
    if not given(o, "bias"):
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"bias": np.where(o["bias"] != 0, -np.inf, 0.0)})


@fault("C08", "huggingface/transformers#48363")
def a_mask_is_added_as_zeros_and_ones(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """True adds 1 to a score, False adds 0."""
    if not given(o, "mask"):
        return attention(q, k, v, **o)
    ones = o["mask"].astype(np.float32)
    return attention(
        q, k, v, **o | {"mask": None, "bias": ones if o.get("bias") is None else ones + o["bias"].astype(np.float64)}
    )


@fault("C08", "ml-explore/mlx#2096")
def a_bias_is_read_as_a_mask_for_one_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The decode kernel knows boolean masks only."""
    return (a_bias_is_read_as_a_mask if q.shape[2] == 1 else attention)(q, k, v, **o)


@fault("C08", "mlverse/torch#1208")
def a_bias_of_zero_hides(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A float mask with nothing but 0 and a large negative number is cast to bool."""
    binary = given(o, "bias") and np.unique(o["bias"]).size == 2 and 0 in o["bias"]
    return attention(q, k, v, **o | ({"bias": np.where(o["bias"] == 0, -np.inf, 0.0)} if binary else {}))


@fault("C08", "keras-team/keras#20511")
def a_bias_of_infinities_loses_its_finite_part(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A bias with -inf in it is taken for a mask in additive form."""
    hides = given(o, "bias") and np.isneginf(o["bias"]).any()
    return attention(q, k, v, **o | ({"bias": np.where(np.isneginf(o["bias"]), -np.inf, 0.0)} if hides else {}))


@fault("C09", "pytorch/pytorch#108503")
def mask_rows_are_read_with_a_padded_stride(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Rows of a full mask are taken to start every ceil8(Lk) cells."""

    def skewed(mask: Array) -> Array:
        flat, n = mask.reshape(-1), mask.shape[-1]
        starts = np.arange(flat.size // n)[:, None] * (-(-n // 8) * 8)
        return np.take(flat, starts + np.arange(n), mode="clip").reshape(mask.shape)

    return _remasked(q, k, v, skewed, when=lambda m: m.shape[-2] > 1, **o)


@fault("C09", "pytorch/pytorch#184180")
def the_first_mask_serves_all_entries_without_a_head_axis(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """[B, 1, Lq, Lk] is read with batch stride 0."""
    return _remasked(q, k, v, lambda m: m[:1], when=lambda m: m.shape[1] == 1, **o)


@fault("C09", "ml-explore/mlx#1574")
def the_first_mask_serves_all_entries(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The mask of batch entry 0 is used for all."""
    return _remasked(q, k, v, lambda m: m[:1], **o)


@fault("C09")
def the_first_head_masks_all(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The head stride of the mask is 0."""
    return _remasked(q, k, v, lambda m: m[:, :1], **o)


@fault("C09", "tenstorrent/tt-metal#39946")
def a_mask_without_a_head_axis_is_read_per_head_for_one_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Head h starts h rows further, which wraps around."""

    def wrapped(mask: Array) -> Array:
        shape = (*q.shape[:3], k.shape[2])
        return np.resize(mask, shape) if mask.shape[3] == k.shape[2] else mask

    return _remasked(q, k, v, wrapped, when=lambda m: m.shape[1] == 1 and q.shape[2] == 1, **o)


@fault("C09", "Tencent/ncnn#6869")
def a_mask_without_a_head_axis_hides_nothing_behind_the_first(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One channel is read as if there were one per head: zeros come behind."""
    others = (np.arange(q.shape[1]) > 0)[:, None, None]
    return _remasked(q, k, v, lambda m: m | others, when=lambda m: m.shape[1] == 1, **o)


@fault("C09", "openvinotoolkit/openvino#30698")
def a_mask_for_all_queries_serves_the_first_tile(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A mask with one row is loaded as a tile of sixteen, and not again."""
    others = (np.arange(q.shape[2]) >= 16)[:, None]
    return _remasked(q, k, v, lambda m: m | others, when=lambda m: m.shape[2] == 1, **o)


@fault("C09", "hyunwoongko/transformer#40")
def a_square_padding_mask_lies_on_the_query_axis(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """[B, 1, 1, L] is put on the axis of the queries, where the lengths let it."""
    square = q.shape[2] == k.shape[2]
    return _remasked(q, k, v, lambda m: m.swapaxes(2, 3), when=lambda m: square and m.shape[2] == 1, **o)


@fault("C09")
def a_square_mask_is_transposed(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Rows and columns of the mask are exchanged, where the lengths let it."""
    return _remasked(q, k, v, lambda m: m.swapaxes(2, 3), when=lambda m: m.shape[2] == m.shape[3], **o)


@fault("C09")
def masks_per_head_are_read_by_key_head(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Under grouping the mask of the key head serves its whole group."""
    group = q.shape[1] // max(k.shape[1], 1)
    return _remasked(q, k, v, lambda m: m[:, np.arange(q.shape[1]) // group], when=lambda m: m.shape[1] > 1, **o)


@fault("C09")
def a_bias_per_head_is_read_by_key_head(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """As for masks: head h // group."""
    group = q.shape[1] // max(k.shape[1], 1)
    return _remasked(q, k, v, lambda b: b[:, np.arange(q.shape[1]) // group], name="bias", when=lambda b: b.shape[1] > 1, **o)


@fault("C09")
def batch_and_head_of_a_mask_are_exchanged(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """[B, H] is read as [H, B] from a full mask."""

    def exchanged(mask: Array) -> Array:
        b, h, *rest = mask.shape
        return mask.reshape(h, b, *rest).swapaxes(0, 1)

    return _remasked(q, k, v, exchanged, when=lambda m: m.shape[0] > 1 and m.shape[1] > 1, **o)


@fault("C09", "keras-team/keras#20488")
def a_batch_of_masks_is_read_as_heads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """[B, 1, ...] is expanded at the front, where there are as many heads as entries."""
    square = q.shape[0] == q.shape[1] > 1
    return _remasked(q, k, v, lambda m: m.swapaxes(0, 1), when=lambda m: square and m.shape[1] == 1, **o)


@fault("C09")
def a_mask_for_all_keys_hides_the_first_only(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A mask of size 1 along the keys is not broadcast but padded with True."""
    others = np.arange(k.shape[2]) > 0
    return _remasked(q, k, v, lambda m: m | others, when=lambda m: m.shape[3] == 1, **o)


@fault("C09")
def the_bias_takes_the_strides_of_the_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Where the mask has one head, the bias of head 0 serves all."""
    shared = given(o, "mask") and o["mask"].ndim == 4 and o["mask"].shape[1] == 1
    return _remasked(q, k, v, lambda b: b[:, :1], name="bias", when=lambda b: shared, **o)


@fault("C09")
def the_first_bias_serves_all_entries(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The batch stride of the bias is 0."""
    return _remasked(q, k, v, lambda b: b[:1], name="bias", **o)


@fault("C09")
def a_bias_without_a_query_axis_serves_the_first_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """[.., 1, Lk] is padded with zeros to Lq rows."""
    first = (np.arange(q.shape[2]) == 0)[:, None]
    return _remasked(q, k, v, lambda b: np.where(first, b, b.dtype.type(0)), name="bias", when=lambda b: b.shape[2] == 1, **o)


@fault("C09", "jax-ml/jax#28974")
def a_bias_without_a_query_axis_raises(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The bias must have as many rows as there are queries."""
    assert not given(o, "bias") or o["bias"].shape[-2] == q.shape[2]
    return attention(q, k, v, **o)


@fault("C09", "ggml-org/llama.cpp#29220")
def mask_rows_of_the_last_tile_wrap_around(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Rows behind the last full tile of eight are read from the start."""
    n, whole = q.shape[2], q.shape[2] // 8 * 8
    rows = np.where(np.arange(n) < whole, np.arange(n), np.arange(n) - whole)
    return _remasked(q, k, v, lambda m: m[:, :, rows], when=lambda m: m.shape[2] > 8, **o)


@fault("C09", "pytorch/pytorch#97409")
def masks_of_three_axes_raise(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """[H, Lq, Lk] is refused although it broadcasts."""
    if any(given(o, name) and o[name].ndim == 3 for name in ("mask", "bias")):
        raise ValueError("expected a mask of 2 or 4 dimensions")
    return attention(q, k, v, **o)


@fault("C09", "keras-team/keras#21595")
def masks_of_three_axes_are_taken_per_batch_entry(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """[H, Lq, Lk] is read as [B, Lq, Lk]: entry 0 has the mask of head 0."""
    if not given(o, "mask") or o["mask"].ndim != 3:
        return attention(q, k, v, **o)
    entries = np.arange(q.shape[0]) % o["mask"].shape[0]
    return attention(q, k, v, **o | {"mask": o["mask"][entries][:, None]})


@fault("C09", "tensorflow/tensorflow#60626")
def masks_of_one_axis_raise(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """[Lk] is indexed with a row."""
    if given(o, "mask"):
        o["mask"].shape[-2]
    return attention(q, k, v, **o)


@fault("C09")
def masks_of_two_axes_are_taken_per_batch_entry(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """[Lq, Lk] is read as [B, Lk] where there are as many rows as entries."""
    mask = o.get("mask")
    if mask is None or mask.ndim != 2 or mask.shape[0] != q.shape[0]:
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"mask": mask[:, None, None]})


@fault("C09")
def full_masks_are_packed_in_bits_of_whole_bytes(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Rows are packed eight keys to a byte, and the last byte of a row is lost unless it is full."""
    tail = np.arange(k.shape[2]) >= k.shape[2] // 8 * 8
    return _remasked(q, k, v, lambda m: broadcast(m, q, k) | tail, when=lambda m: m.shape[-1] > 8, **o)


@fault("C09")
def masks_of_two_axes_are_taken_for_padding(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """[Lq, Lk] is read as [B, Lk], one row for all queries of an entry."""
    if not given(o, "mask") or o["mask"].ndim != 2:
        return attention(q, k, v, **o)
    entries = np.arange(q.shape[0]) % o["mask"].shape[0]
    return attention(q, k, v, **o | {"mask": o["mask"][entries][:, None, None]})
