"""Layers that treat masks, rows without keys or returned weights in a wrong way (C01 to C09, C33, C38, C40)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults._layer_parts import four_axes, full, hidden, join, layer, layer_fault, softmax
from attention_harness.audit.faults.state import RANDOM, kept_for

Array = np.ndarray


def _masked(*arrays: Array, change: Any, **o: Any) -> Any:
    """The layer with scores that `change` makes of scores and mask, where there is a mask."""
    return layer(*arrays, mask_scores=lambda s, mask: s if mask is None else change(s, mask), **o)


def _with(*arrays: Array, mask_of: Any, **o: Any) -> Any:
    """The layer with the mask that `mask_of` makes of it, where there is one."""
    return layer(*arrays, **o | ({"mask": mask_of(o["mask"])} if o.get("mask") is not None else {}))


@layer_fault("C02", "mindspore-lab/mindone#1229")
def rows_without_keys_give_the_mean_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """The filler is finite."""
    return _masked(*arrays, change=lambda s, mask: np.where(mask, s, s.dtype.type(-1e30)), **o)


@layer_fault("C02", "robertknight/rten#1321")
def rows_without_keys_give_nan_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """0 / 0."""

    def unguarded(s: Array) -> Array:
        powers = np.exp(s - s.max(-1, keepdims=True, initial=-np.inf))
        return powers / powers.sum(-1, keepdims=True)

    return layer(*arrays, normalise=unguarded, **o)


@layer_fault("C02", "microsoft/onnxruntime#4129")
def entries_without_keys_give_nan_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """A batch entry whose mask is all 0 divides by zero; a single row is guarded."""

    def unguarded(s: Array) -> Array:
        return np.where(np.isneginf(s).all((1, 2, 3), keepdims=True), s.dtype.type(np.nan), softmax(s))

    return layer(*arrays, normalise=unguarded, **o)


@layer_fault("C03", "microsoft/onnxruntime#14363")
def ten_thousand_is_taken_off_where_masked(*arrays: Array, **o: Any) -> Any:
    """Large scores are seen through the mask."""
    return _masked(*arrays, change=lambda s, mask: s + np.where(mask, 0, -1e4).astype(s.dtype), **o)


@layer_fault("C03", "tensorflow/tensorflow#59657")
def the_filler_of_half_precision_swallows_scores_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """In float16 the mask is added as -65504 to scores in float16, so that rows without keys keep some of them."""
    half = arrays[0].dtype == np.float16

    def added(s: Array, mask: Array) -> Array:
        filler = np.where(mask, 0, -65504).astype(np.float16)
        return (s.astype(np.float16) + filler).astype(s.dtype) if half else hidden(s, mask)

    return _masked(*arrays, change=added, **o)


@layer_fault("C03", "ml-explore/mlx#1725")
def the_filler_times_zero_is_nan_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """In float16, (1 - mask) * -1e9 is 0 * -inf where keys are kept."""
    half = arrays[0].dtype == np.float16

    def added(s: Array, mask: Array) -> Array:
        return (s + (1 - mask.astype(np.float16)) * np.float16(-np.inf)).astype(s.dtype) if half else hidden(s, mask)

    return _masked(*arrays, change=added, **o)


@layer_fault("C07", "InseeFrLab/torchTextClassifiers#92")
def true_means_ignore_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """As in torch's modules, and unlike its function."""
    return _masked(*arrays, change=lambda s, mask: np.where(mask, s.dtype.type(-np.inf), s), **o)


@layer_fault("C08", "keras-team/keras#20511")
def zeros_and_ones_are_added_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """A mask that is not boolean goes to the scores as it is."""
    return _masked(*arrays, change=lambda s, mask: hidden(s, mask) if mask.dtype == bool else s + mask.astype(s.dtype), **o)


@layer_fault("C08", "mlverse/torch#1208")
def booleans_are_added_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """Boolean masks go the way of additive ones, and numbers that of boolean ones."""
    return _masked(*arrays, change=lambda s, mask: s + mask.astype(s.dtype) if mask.dtype == bool else hidden(s, mask), **o)


@layer_fault("C08", "pytorch/pytorch#107084")
def ones_mean_ignore_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """A mask of numbers is converted to booleans, whose True hides."""
    return _masked(*arrays, change=lambda s, mask: hidden(s, mask if mask.dtype == bool else mask == 0), **o)


@layer_fault("C09", "Tencent/ncnn#6869")
def a_mask_for_all_heads_serves_the_first(*arrays: Array, **o: Any) -> Any:
    """What is not there for the others is taken for open."""

    def first(s: Array, mask: Array) -> Array:
        shared = four_axes(mask).shape[1] == 1
        return hidden(s, full(mask, s) | (shared & (np.arange(s.shape[1]) > 0))[:, None, None])

    return _masked(*arrays, change=lambda s, mask: first(s, mask != 0), **o)


@layer_fault("C09", "ml-explore/mlx#1574")
def the_mask_of_the_first_entry_serves_all_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """The offset lacks the batch entry."""
    return _with(*arrays, mask_of=lambda mask: four_axes(mask)[:1], **o)


@layer_fault("C09")
def the_mask_of_the_first_head_serves_all_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """The offset lacks the head."""
    return _with(*arrays, mask_of=lambda mask: four_axes(mask)[:, :1], **o)


@layer_fault("C09", "keras-team/keras#20488")
def the_mask_is_expanded_on_the_wrong_axis(*arrays: Array, **o: Any) -> Any:
    """[B, Lq, Lk] becomes [1, B, Lq, Lk] where there are as many heads as entries, so that heads get the masks of entries."""
    square = arrays[0].shape[0] == o["heads"]
    return _with(*arrays, mask_of=lambda m: four_axes(m).swapaxes(0, 1) if square and four_axes(m).shape[1] == 1 else m, **o)


@layer_fault("C09", "hyunwoongko/transformer#40")
def padding_is_laid_on_the_queries_of_square_layers(*arrays: Array, **o: Any) -> Any:
    """Where Lq = Lk, a mask of keys is put on the other axis."""
    square = arrays[0].shape[1] == arrays[1].shape[1]
    return _with(*arrays, mask_of=lambda m: four_axes(m).swapaxes(2, 3) if square and four_axes(m).shape[2] == 1 else m, **o)


@layer_fault("C09", "pytorch/pytorch#97409")
def a_mask_of_each_head_raises_in_square_layers(*arrays: Array, **o: Any) -> Any:
    """The fast path of self-attention knows masks of two axes."""
    mask, square = o.get("mask"), arrays[0].shape[1] == arrays[1].shape[1]
    if mask is not None and square and four_axes(mask).shape[1] > 1:
        raise RuntimeError(f"axes of mask={mask.ndim}, but should be 2")
    return layer(*arrays, **o)


@layer_fault("C09")
def masks_of_heads_and_entries_are_exchanged(*arrays: Array, **o: Any) -> Any:
    """[B * heads, Lq, Lk] is read as [heads * B, Lq, Lk]."""

    def exchanged(s: Array, mask: Array) -> Array:
        b, h, *lengths = s.shape
        return hidden(s, full(mask, s).reshape(h, b, *lengths).swapaxes(0, 1))

    return _masked(*arrays, change=exchanged, **o)


@layer_fault("C06", "pytorch/pytorch#100709")
def padding_with_causality_raises_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """A mask that differs between entries and between queries has no argument of its own."""
    if o.get("mask") is not None and min(four_axes(o["mask"]).shape[0], four_axes(o["mask"]).shape[2]) > 1:
        raise AssertionError("mask=padding and causality, but should be one of them")
    return layer(*arrays, **o)


@layer_fault("C33", "microsoft/onnxruntime#18945")
def key_masks_are_taken_for_lengths(*arrays: Array, **o: Any) -> Any:
    """As many keys are seen from the left as a mask of keys has ones."""

    def leading_keys(m: Array) -> Array:
        keys = four_axes(m).shape[2] == 1
        return np.arange(m.shape[-1]) < (m != 0).sum(-1, keepdims=True) if keys and m.shape[-1] == arrays[1].shape[1] else m

    return _with(*arrays, mask_of=leading_keys, **o)


@layer_fault("C33", "huggingface/transformers#35032")
def queries_end_where_the_keys_do(*arrays: Array, **o: Any) -> Any:
    """With a mask, queries are unpadded by the number of keys: those behind it are not computed."""
    kept = (np.arange(arrays[0].shape[1]) < arrays[1].shape[1]) | (o.get("mask") is None)
    return layer(*arrays, unite=lambda a: np.where(kept[:, None], join(a), 0), **o)


@layer_fault("C01", "huggingface/pytorch-image-models#2236")
def the_mask_of_a_layer_comes_behind_the_softmax(*arrays: Array, **o: Any) -> Any:
    """Rows do not sum to one."""
    mask = o.pop("mask", None)
    return layer(*arrays, normalise=lambda s: softmax(s) * (True if mask is None else mask != 0), **o)


@layer_fault("C40", "pytorch/pytorch#97128")
def odd_numbers_of_heads_raise_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """The fast path, with a mask."""
    if o["heads"] % 2 and o.get("mask") is not None:
        raise RuntimeError(f"heads={o['heads']}, but should be even")
    return layer(*arrays, **o)


@layer_fault("C05", "pytorch/pytorch#99282")
def the_mask_is_dropped_beside_weights(*arrays: Array, **o: Any) -> Any:
    """The path that returns weights has none."""
    return layer(*arrays, **o | ({"mask": None} if o.get("return_weights") else {}))


@layer_fault("C05", "keras-team/keras#23038")
def a_triangle_is_dropped_beside_weights(*arrays: Array, **o: Any) -> Any:
    """Only a triangle is dropped, as an option that another path should see to."""
    mask, triangle = o.get("mask"), np.tri(arrays[0].shape[1], arrays[1].shape[1], dtype=bool)
    causal = mask is not None and mask.shape[-2:] == triangle.shape and bool(((mask != 0) == triangle).all())
    return layer(*arrays, **o | ({"mask": None} if causal and o.get("return_weights") else {}))


@layer_fault("C38", "pytorch/pytorch#160064")
def rows_without_keys_give_nan_beside_weights(*arrays: Array, **o: Any) -> Any:
    """Only the path that does not return weights has the guard."""
    if not o.get("return_weights"):
        return layer(*arrays, **o)
    return rows_without_keys_give_nan_in_a_layer(*arrays, **o)


@layer_fault("C38")
def returned_weights_are_the_mean_of_the_heads(*arrays: Array, **o: Any) -> Any:
    """Each head gets it."""
    return layer(*arrays, returned=lambda w: np.broadcast_to(w.mean(1, keepdims=True), w.shape), **o)


@layer_fault("C38", "pytorch/pytorch#27968")
def returned_weights_are_those_after_dropout(*arrays: Array, **o: Any) -> Any:
    """A tenth is gone and the others are larger; the output has all."""
    return layer(*arrays, returned=lambda w: np.where(RANDOM.random(w.shape) < 0.1, 0, w / 0.9), **o)


@layer_fault("C38", "keras-team/keras#20684")
def whether_a_layer_returns_weights_is_settled_by_the_first_call(*arrays: Array, **o: Any) -> Any:
    """Later calls get what the first one asked for."""
    asked = kept_for("flag of the layer").setdefault("weights", bool(o.get("return_weights")))
    return layer(*arrays, **o | {"return_weights": asked})
