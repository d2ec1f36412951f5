"""Slots that nobody may read, pages that are split, and tables that mean nothing (C15, C16, C34, C36)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._packed_parts import one
from attention_harness.audit.faults._paged_parts import Options, in_table, paged, read
from attention_harness.audit.faults.packed import checking

Array = np.ndarray

of_pages = partial(fault, form="paged")


def _whole_pages(o: Options, k: Array, v: Array, entry: int) -> tuple[Array, Array]:
    """The keys and values of an entry with what stands behind them in its last page."""
    size = k.shape[1]
    whole = in_table(o["block_table"], entry, int(-(-o["seqused_k"][entry] // size) * size), size)
    return read(k, whole), read(v, whole)


def nan_safe(function: Any) -> Any:
    """Declares that NaN in slots that nobody may read does no harm."""
    function.conventions = {"masked_nan_safe": True}
    return function


@of_pages("C15", "jax-ml/jax@11cf85deb0")
@nan_safe
def nan_behind_the_length_reaches_the_output(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Weights of 0 are multiplied with the values that stand there."""
    numbers = iter(range(len(q)))

    def reached(its_q: Array, its_k: Array, its_v: Array, o: Options, *shifts: int) -> tuple[Array, Array]:
        out, lse = one(its_q, its_k, its_v, o, *shifts)
        behind = _whole_pages(o, k, v, next(numbers))[1][len(its_k) :]
        return out + (0 * behind.astype(out.dtype)).sum(0)[np.arange(q.shape[2]) // max(q.shape[2] // max(k.shape[2], 1), 1)], lse

    return paged(q, k, v, one=reached, **o)


@of_pages("C15")
def slots_behind_the_length_count_in_the_sum(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Their scores are set to 0 and not to -inf."""

    def with_more(its_q: Array, its_k: Array, its_v: Array, o: Options, *shifts: int) -> tuple[Array, Array]:
        out, lse = one(its_q, its_k, its_v, o, *shifts)
        behind = -len(its_k) % k.shape[1]
        more = np.logaddexp(lse, np.log(behind)) if behind and len(its_k) else lse
        return out * np.where(np.isfinite(more), np.exp(lse - more), 1).T[..., None], more.astype(lse.dtype)

    return paged(q, k, v, one=with_more, **o)


@of_pages("C16", "Dao-AILab/flash-attention#1217")
def splits_of_pages_are_merged_without_their_sums(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The mean of what the pages give."""

    def mean(its_q: Array, its_k: Array, its_v: Array, o: Options, causal: int, window: int) -> tuple[Array, Array]:
        out, lse = one(its_q, its_k, its_v, o, causal, window)
        size = max(k.shape[1], 8)
        if len(its_k) <= size:
            return out, lse
        starts = range(0, len(its_k), size)
        parts = [one(its_q, its_k[s : s + size], its_v[s : s + size], o, causal - s, window - s)[0] for s in starts]
        return np.mean(parts, axis=0).astype(out.dtype), lse

    return paged(q, k, v, one=mean, **o)


@of_pages("C34", "pytorch/pytorch#194167")
def entries_behind_the_first_are_not_written_where_keys_are_split(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The address of the output of a split is that of a batch with other strides."""
    entries = iter(range(len(q)))

    def written(its_q: Array, its_k: Array, *rest: Any) -> tuple[Array, Array]:
        out, lse = one(its_q, its_k, *rest)
        return (out * 0, lse) if next(entries) and len(its_k) > 64 else (out, lse)

    return paged(q, k, v, one=written, **o)


@of_pages("C36", "microsoft/onnxruntime#32391")
@checking
def a_page_that_is_not_there_is_another(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Numbers of pages are kept in range, and lengths within the table."""
    if k.shape[:3] != v.shape[:3] or q.shape[3] != k.shape[3] or q.shape[2] % max(k.shape[2], 1) or q.shape[2] < k.shape[2]:
        raise ValueError("sizes that do not fit")
    return paged(q, k, v, **o | {"seqused_k": np.clip(o["seqused_k"], 0, o["block_table"].shape[1] * k.shape[1])})
