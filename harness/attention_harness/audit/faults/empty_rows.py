"""Rows that may attend to nothing (C02)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import _parts as parts
from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, empty_rows, given, staged

Array = np.ndarray


def _filled(q: Array, k: Array, v: Array, what: Any, where: Any, **o: Any) -> Any:
    return beside(attention(q, k, v, **o), lambda out: np.where(where, what, out).astype(out.dtype))


@fault("C02", "pytorch/pytorch#103749")
def empty_rows_give_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The softmax has no guard for a maximum of -inf."""
    return _filled(q, k, v, np.nan, empty_rows(q, k, v, **o), **o)


@fault("C02", "microsoft/onnxruntime#28904")
def empty_rows_give_the_mean(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The most negative finite number stands for -inf, so all keys count alike where all are hidden."""
    return staged(q, k, v, hidden=float(np.finfo(np.float32).min), **o)


@fault("C02", "pytorch/pytorch#103963")
def empty_rows_give_nan_by_bias_only(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Rows of -inf in the bias are not guarded, rows of False in the mask are."""
    return empty_rows_give_nan(q, k, v, **o) if given(o, "bias") else attention(q, k, v, **o)


@fault("C02", "tracel-ai/burn#4697")
def rows_emptied_by_mask_and_causality_give_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Each alone is guarded; both together empty rows that neither empties."""
    return empty_rows_give_nan(q, k, v, **o) if given(o, "mask", "is_causal") else attention(q, k, v, **o)


@fault("C02", "microsoft/onnxruntime#28958")
def rows_emptied_by_mask_and_causality_give_the_mean(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The two masks together use a finite filler."""
    return (empty_rows_give_the_mean if given(o, "mask", "is_causal") else attention)(q, k, v, **o)


@fault("C02", "microsoft/onnxruntime#4129")
def an_empty_batch_entry_divides_by_zero(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A whole batch entry without keys gives NaN, single empty rows do not."""
    return _filled(q, k, v, np.nan, empty_rows(q, k, v, **o).all((1, 2), keepdims=True), **o)


@fault("C02", "robertknight/rten#1321")
def key_length_zero_gives_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A batch entry whose key length is 0 is not guarded."""
    if not given(o, "key_lengths"):
        return attention(q, k, v, **o)
    return _filled(q, k, v, np.nan, (o["key_lengths"] == 0)[:, None, None, None], **o)


@fault("C02", "NVIDIA/TransformerEngine#1268")
def empty_rows_beside_sinks_give_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The maximum leaves out the sink, so it is -inf in an empty row."""
    return (empty_rows_give_nan if given(o, "sinks") else attention)(q, k, v, **o)


@fault("C02", "huggingface/transformers#38690")
def an_empty_row_spoils_its_tile(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """NaN of one row spreads to the sixteen rows that are computed with it."""
    empty = empty_rows(q, k, v, **o)
    tile = np.zeros_like(empty)
    for i in parts.tiles(q.shape[2], 16):
        tile[:, :, i] = empty[:, :, i].any(2, keepdims=True)
    return _filled(q, k, v, np.nan, tile, **o)


@fault("C02")
def an_empty_row_keeps_the_row_before(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The accumulator is not cleared when a row has nothing to add."""
    empty = empty_rows(q, k, v, **o)
    return beside(attention(q, k, v, **o), lambda out: np.where(empty, np.roll(out, 1, 2), out))


@fault("C02", "ml-explore/mlx#2608")
def empty_rows_give_the_mean_above_one_block(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The fused path for more than 32 keys has another convention than the fallback."""
    return (empty_rows_give_the_mean if k.shape[2] > 32 else attention)(q, k, v, **o)


@fault("C02")
def empty_rows_give_a_tiny_number(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Division by the sum plus epsilon leaves what the filler let through."""
    return _filled(q, k, v, 1e-6, empty_rows(q, k, v, **o), **o)


@fault("C02", "mindspore-lab/mindone#1229")
def rows_emptied_by_the_window_give_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A window that lies behind the last key leaves rows with nothing, and these are not guarded."""
    return (empty_rows_give_nan if given(o, "window") else attention)(q, k, v, **o)
