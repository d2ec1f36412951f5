"""Packed sequences: their offsets, their lengths, and where their queries stand (C33, C32, C04)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._packed_parts import Options, between, cuts, distance, lengths, one, packed, segments

Array = np.ndarray

varlen = partial(fault, form="packed")


def _keys(change: Any) -> Any:
    """Cuts whose keys are changed: `change` gets the number of the sequence, its rows, its keys and the options."""
    return lambda o: [(rows, change(b, rows, keys, o)) for b, (rows, keys) in enumerate(cuts(o))]


@varlen("C33", "Dao-AILab/flash-attention#1795")
def every_sequence_has_as_many_keys_as_the_first(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A vector of lengths is read as a scalar."""
    return packed(q, k, v, cuts=_keys(lambda b, rows, keys, o: between(keys.start, keys.start + lengths(o, "k")[0])), **o)


@varlen("C33", "huggingface/transformers#35032")
def keys_are_as_many_as_queries(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Cross attention is unpadded with the lengths of the queries."""
    return packed(q, k, v, cuts=_keys(lambda b, rows, keys, o: between(keys.start, keys.start + lengths(o, "q")[b])), **o)


@varlen("C33", "flashinfer-ai/flashinfer#4018")
def keys_begin_where_queries_do(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One offset, that of the queries, serves both."""
    return packed(q, k, v, cuts=_keys(lambda b, rows, keys, o: between(rows.start, rows.start + lengths(o, "k")[b])), **o)


@varlen("C10", "jax-ml/jax#39521")
def offsets_of_keys_count_query_heads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The offset in memory is taken times the number of query heads, with that of key heads there."""
    group = q.shape[1] // max(k.shape[1], 1)
    moved = _keys(lambda b, rows, keys, o: between(keys.start * group, keys.start * group + lengths(o, "k")[b]))
    return packed(q, k, v, cuts=moved, **o)


@varlen("C33", "EricLBuehler/mistral.rs#1746")
def keys_reach_to_the_longest_length(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Lengths are those after padding, so that a sequence sees the next one."""
    return packed(q, k, v, cuts=_keys(lambda b, rows, keys, o: between(keys.start, keys.start + o["max_seqlen_k"])), **o)


@varlen("C33")
def sequences_see_each_other(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The offsets are not read."""
    return packed(q, k, v, cuts=lambda o: [(slice(0, len(q)), slice(0, len(k)))], **o)


@varlen("C33")
def the_keys_of_the_first_sequence_serve_all(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The pointer to the keys does not move on."""
    return packed(q, k, v, cuts=lambda o: [(rows, segments(o["cu_seqlens_k"])[0]) for rows, _ in cuts(o)], **o)


@varlen("C33")
def a_sequence_begins_one_key_early(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Offsets are inclusive at both ends."""
    return packed(q, k, v, cuts=_keys(lambda b, rows, keys, o: between(max(keys.start - 1, 0), keys.stop)), **o)


@varlen("C33")
def a_sequence_ends_one_key_late(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """j <= end."""
    return packed(q, k, v, cuts=_keys(lambda b, rows, keys, o: between(keys.start, keys.stop + 1)), **o)


@varlen("C04", "Dao-AILab/flash-attention#1455")
def causality_is_aligned_by_the_longest(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The difference of the longest lengths stands for that of each sequence."""
    return packed(q, k, v, causal_at=lambda queries, keys, o: o["max_seqlen_k"] - o["max_seqlen_q"], **o)


@varlen("C04", "Dao-AILab/flash-attention#436")
def causality_counts_from_the_first_key(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Top-left where bottom-right is declared."""
    return packed(q, k, v, causal_at=lambda queries, keys, o: 0, **o)


@varlen("C14", "pytorch/pytorch#172238")
def windows_count_from_the_first_key(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Causality is bottom-right, and the window is not."""
    return packed(q, k, v, window_at=lambda queries, keys, o: 0, **o)


@varlen("C14")
def windows_are_aligned_by_the_longest(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The difference of the longest lengths moves every window."""
    return packed(q, k, v, window_at=lambda queries, keys, o: o["max_seqlen_k"] - o["max_seqlen_q"], **o)


@varlen("C04")
def queries_stand_behind_the_keys_only_where_there_are_more_keys(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A negative distance becomes 0."""
    return packed(q, k, v, causal_at=lambda *a: max(distance(*a), 0), **o)


@varlen("C32", "Dao-AILab/flash-attention#1537")
def one_query_at_most_is_one_query_each(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Where no sequence has more than one query, row b is that of sequence b, and those without a query have one too."""
    if o["max_seqlen_q"] != 1:
        return packed(q, k, v, **o)
    return packed(q, k, v, cuts=lambda o: [(between(b, b + 1), keys) for b, (_, keys) in enumerate(cuts(o)) if b < len(q)], **o)


@varlen("C32", "Dao-AILab/flash-attention#1619")
def fewer_rows_than_sequences_are_an_error(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The batch is taken to have a query each."""
    if 0 < len(q) < len(o["cu_seqlens_q"]) - 1:
        raise RuntimeError(f"shape [{len(o['cu_seqlens_q']) - 1}, ...] is invalid for {len(q)} rows")
    return packed(q, k, v, **o)


def _without_empty(o: Options) -> list[tuple[slice, slice]]:
    rows = [segment for segment in segments(o["cu_seqlens_q"]) if segment.stop > segment.start]
    return list(zip(rows, segments(o["cu_seqlens_k"]), strict=False))


@varlen("C32", "Dao-AILab/flash-attention#2562")
def sequences_without_queries_are_left_out_of_the_count(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The next sequence gets the keys of the one that has no queries."""
    return packed(q, k, v, cuts=_without_empty, **o)


@varlen("C32", "Dao-AILab/flash-attention#2568")
def sequences_without_keys_are_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """0 / 0."""

    def divided(q: Array, k: Array, *rest: Any) -> tuple[Array, Array]:
        out, lse = one(q, k, *rest)
        return (out, lse) if len(k) else (out + np.nan, lse)

    return packed(q, k, v, one=divided, **o)


@varlen("C34", "pytorch/pytorch#194167")
def rows_of_sequences_without_keys_are_not_written(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The loop over keys writes the answer, and it does not run."""
    return packed(q, k, v, skip=lambda q, k: not len(k), unwritten=0.7, **o)


@varlen("C32", "Dao-AILab/flash-attention@a3a257c7")
def a_sequence_without_keys_clears_one_row_too_many(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Zeros are written one row past its end."""
    result = packed(q, k, v, **o)
    out = result[0] if isinstance(result, tuple) else result
    for rows, keys in cuts(o):
        if keys.stop == keys.start:
            out[rows.stop : rows.stop + 1] = 0
    return result


@varlen("C13", "Dao-AILab/flash-attention#2333")
def the_last_sequence_is_left_out(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The number of sequences is taken for that of offsets."""
    return packed(q, k, v, cuts=lambda o: cuts(o)[:-1], **o)


@varlen("C12", "OpenNLPLab/lightning-attention#28")
def rows_behind_the_last_whole_block_are_not_computed(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The grid has floor(longest / 4) blocks."""
    tall = o["max_seqlen_q"] // 4 * 4
    result = packed(q, k, v, **o)
    out = result[0] if isinstance(result, tuple) else result
    for rows, _ in cuts(o):
        out[rows.start + tall : rows.stop] = 0.7
    return result


@varlen("C33")
def a_block_of_rows_belongs_to_the_sequence_of_its_first(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Blocks of four rows are cut out of the whole pack."""
    owner = np.repeat(np.arange(len(o["cu_seqlens_q"]) - 1), lengths(o, "q"))
    keys = segments(o["cu_seqlens_k"])
    return packed(q, k, v, cuts=lambda o: [(between(n, min(n + 4, len(q))), keys[owner[n]]) for n in range(0, len(q), 4)], **o)


@varlen("C33")
def sequences_are_sorted_by_length_and_not_put_back(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The longest comes first, and its answer too."""
    order = np.argsort(-lengths(o, "q"), kind="stable")
    result = packed(q, k, v, **o)
    rows = [row for b in order for row in range(*o["cu_seqlens_q"][b : b + 2])]
    return (result[0][rows], result[1][:, rows]) if isinstance(result, tuple) else result[rows]


@varlen("C33")
def alike_key_lengths_are_taken_for_alike_query_lengths(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A batch with as many keys in each entry is reshaped as one without lengths."""
    batch = len(o["cu_seqlens_q"]) - 1
    if not batch or len(set(lengths(o, "k").tolist())) > 1 or len(q) % batch:
        return packed(q, k, v, **o)
    even = [between(b * (len(q) // batch), (b + 1) * (len(q) // batch)) for b in range(batch)]
    return packed(q, k, v, cuts=lambda o: list(zip(even, segments(o["cu_seqlens_k"]), strict=True)), **o)


@varlen("C16")
def the_sum_of_powers_goes_on_from_one_sequence_to_the_next(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The state of the online softmax is not reset."""
    kept = [-np.inf]

    def continued(q: Array, k: Array, v: Array, o: Options, *shifts: int) -> tuple[Array, Array]:
        before = kept[0]
        out, lse = one(q, k, v, o, *shifts)
        kept[0] = float(lse.max(initial=-np.inf))
        whole = np.logaddexp(lse, before)
        return out * np.where(np.isfinite(whole), np.exp(lse - whole), 1).T[..., None], whole.astype(lse.dtype)

    return packed(q, k, v, one=continued, **o)


@varlen("C17", "Dao-AILab/flash-attention#2333")
def lse_has_its_axes_exchanged(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """[Tq, Hq] is written where [Hq, Tq] is declared."""
    result = packed(q, k, v, **o)
    return (result[0], result[1].T.reshape(result[1].shape)) if isinstance(result, tuple) else result


@varlen("C05")
def sinks_count_in_the_first_sequence_alone(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The sink is added where the offset is 0."""

    def first(q: Array, k: Array, v: Array, o: Options, *shifts: int) -> tuple[Array, Array]:
        done.append(True)
        return one(q, k, v, o if len(done) == 1 else o | {"sinks": None}, *shifts)

    done: list[bool] = []
    return packed(q, k, v, one=first, **o)


@varlen("C05")
def softcap_is_dropped_with_unequal_lengths(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The kernel for packed batches has none."""
    unequal = not np.array_equal(o["cu_seqlens_q"], o["cu_seqlens_k"])
    return packed(q, k, v, **o | ({"softcap": None} if unequal else {}))


USED = ("is_causal", "scale", "window", "softcap", "sinks", "return_lse", "cu_seqlens_q", "cu_seqlens_k", "seqused_k")


@varlen("C33", "Dao-AILab/flash-attention#2167", only=USED)
def keys_count_as_far_as_they_are_allocated(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """seqused_k is not read."""
    return packed(q, k, v, **o)


@varlen("C33", only=USED)
def the_last_keys_of_what_is_allocated_are_used(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """seqused_k counts from the end."""
    return packed(q, k, v, cuts=_keys(lambda b, rows, keys, o: between(keys.stop - o["seqused_k"][b], keys.stop)), **o)


@varlen("C33", only=USED)
def the_greatest_number_of_used_keys_serves_all(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One number is read, the greatest."""
    used = int(o["seqused_k"].max(initial=0))
    return packed(q, k, v, cuts=_keys(lambda b, rows, keys, o: between(keys.start, min(keys.start + used, keys.stop))), **o)


@varlen("C33", only=USED)
def causality_is_aligned_by_what_is_allocated(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The last query stands at the last key that is allocated."""
    whole = int(lengths(o, "k").max(initial=0))
    used = _keys(lambda b, rows, keys, o: between(keys.start, keys.start + o["seqused_k"][b]))
    return packed(q, k, v, cuts=used, causal_at=lambda queries, keys, o: whole - queries, **o)


def checking(function: Any) -> Any:
    """Declares that calls which mean nothing raise."""
    function.conventions = {"checks_shapes": True}
    return function


@varlen("C36", "flashinfer-ai/flashinfer#4015")
@checking
def offsets_that_mean_nothing_are_answered(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Sizes are looked at, and offsets are not."""
    if k.shape[:2] != v.shape[:2] or q.shape[2] != k.shape[2] or q.shape[1] % max(k.shape[1], 1) or q.shape[1] < k.shape[1]:
        raise ValueError("sizes that do not fit")
    return packed(q, k, v, cuts=lambda o: list(zip(segments(o["cu_seqlens_q"]), segments(o["cu_seqlens_k"]), strict=False)), **o)
