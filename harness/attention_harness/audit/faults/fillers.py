"""Finite numbers that stand for minus infinity: they leak or overflow (C03)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, empty_rows, given, invisible, staged

Array = np.ndarray
OPEN = {"mask": None, "is_causal": False, "window": None, "query_lengths": None, "key_lengths": None}


def _added(q: Array, k: Array, v: Array, amounts: Any, **o: Any) -> Any:
    """The hidden keys get `amounts` added, and nothing is hidden but the rows that see nothing."""
    out = staged(q, k, v, raw=lambda s: s + amounts.astype(s.dtype), **o | OPEN)
    empty = empty_rows(q, k, v, **o)
    return beside(out, lambda a: np.where(empty, 0, a).astype(a.dtype))


@fault("C03", "NVIDIA/TransformerEngine#1268")
def filler_is_minus_ten_thousand(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Scores of hidden keys are set to -10000, which a large score elsewhere or a bias can undercut."""
    empty = empty_rows(q, k, v, **o)
    return beside(staged(q, k, v, hidden=-1e4, **o), lambda out: np.where(empty, 0, out).astype(out.dtype))


@fault("C03", "microsoft/onnxruntime#8549")
def filler_is_added_not_set(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """-10000 is added to the scores of hidden keys."""
    return _added(q, k, v, np.where(invisible(q, k, **o | {"bias": None}), -1e4, 0), **o)


@fault("C03", "microsoft/onnxruntime#14363")
def fillers_of_mask_and_causality_compete(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Hidden once is -10000 and hidden twice -20000, so that keys hidden once win."""
    if not given(o, "mask", "is_causal"):
        return attention(q, k, v, **o)
    times = invisible(q, k, mask=o["mask"]) * 1.0 + invisible(q, k, **o | {"mask": None, "bias": None})
    return staged(q, k, v, raw=lambda s: s + (-1e4 * times).astype(s.dtype), **o | OPEN)


@fault("C03", "google/flax#982")
def filler_overflows_in_float16(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """-1e10 is -inf in float16, and a row of it NaN; other dtypes are right."""
    if q.dtype != np.float16:
        return attention(q, k, v, **o)
    return beside(attention(q, k, v, **o), lambda out: np.where(empty_rows(q, k, v, **o), np.nan, out).astype(out.dtype))


@fault("C03", "tensorflow/tensorflow#59657")
def filler_near_the_end_of_float16_is_added(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """-65504 added to a negative float16 score is -inf, to a positive one it is not."""
    if q.dtype != np.float16 or not given(o, "mask"):
        return attention(q, k, v, **o)
    filler = np.where(o["mask"], 0, -65504).astype(np.float32)
    return staged(q, k, v, raw=lambda s: (s + filler).astype(np.float16).astype(np.float32), **o | {"mask": None})


@fault("C03", "pytorch/pytorch#109517")
def a_row_of_the_lowest_number_gives_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Scores are turned to base 2 before the maximum is taken off, which overflows for the lowest finite bias."""

    def base_two(s: Array) -> Array:
        turned = s.astype(np.float32) * np.float32(np.log2(np.e))
        return np.where(np.isneginf(turned).all(-1, keepdims=True) & np.isfinite(s).any(-1, keepdims=True), np.nan, s)

    return staged(q, k, v, scores=base_two, **o)


@fault("C03", "ml-explore/mlx#1725")
def zero_times_infinity_in_the_causal_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """(1 - tril) * float16(-1e9) is 0 * -inf = NaN in the kept triangle."""
    broken = q.dtype == np.float16 and given(o, "is_causal")
    return beside(attention(q, k, v, **o), lambda out: out * np.float16(np.nan) if broken else out)


@fault("C03")
def filler_is_minus_one_hundred(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """-100 is added to hidden scores: enough for one exp in float32, not for rows that all lie low."""
    return _added(q, k, v, np.where(invisible(q, k, **o | {"bias": None}), -100, 0), **o)


@fault("C03")
def filler_in_the_key_padding_only(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Keys beyond the key length get -10000, everything else is hidden for good."""
    if not given(o, "key_lengths"):
        return attention(q, k, v, **o)
    padding = np.arange(k.shape[2]) >= o["key_lengths"][:, None, None, None]
    shut = empty_rows(q, k, v, **o)
    out = staged(q, k, v, raw=lambda s: s - padding.astype(s.dtype) * s.dtype.type(1e4), **o | {"key_lengths": None})
    return beside(out, lambda a: np.where(shut, 0, a).astype(a.dtype))


@fault("C03")
def bias_of_minus_infinity_is_clipped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The bias is clipped at -10000 to keep infinities out."""
    if not given(o, "bias"):
        return attention(q, k, v, **o)
    out = attention(q, k, v, **o | {"bias": np.maximum(o["bias"], o["bias"].dtype.type(-1e4))})
    return beside(out, lambda a: np.where(empty_rows(q, k, v, **o), 0, a).astype(a.dtype))


@fault("C03", "flashinfer-ai/flashinfer#4450")
def the_running_maximum_starts_at_minus_fifty_thousand(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Rows whose scores all lie lower underflow, and their sum of 0 is taken for an empty row."""
    return staged(q, k, v, scores=lambda s: np.where(s.max(-1, keepdims=True, initial=-np.inf) < -50104, -np.inf, s), **o)
