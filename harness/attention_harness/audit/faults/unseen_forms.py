"""Twenty faults of packed, paged, merged and stored calls that nothing was tuned to, written from mechanisms of the survey."""

from __future__ import annotations

from functools import partial
from typing import Any

import ml_dtypes
import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._packed_parts import Options, between, cuts, one, packed
from attention_harness.audit.faults._paged_parts import TABLE, Places, in_table, paged, places
from attention_harness.audit.faults._parts import staged, value_product
from attention_harness.audit.faults._stored_parts import attend
from attention_harness.audit.faults.merging import Merged, merge_fault
from attention_harness.audit.faults.stored import stored_fault
from attention_implementations.numpy.merge import merge as right
from attention_specs.contract import declares

Array = np.ndarray

varlen, of_pages = partial(fault, form="packed"), partial(fault, form="paged")


@varlen("C05", "vllm-project/vllm#7425")
def sequences_of_one_query_have_no_softcap(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Decoding takes another path than prefill, and the cap is not passed there."""

    def uncapped(its_q: Array, its_k: Array, its_v: Array, o: Options, *shifts: int) -> tuple[Array, Array]:
        return one(its_q, its_k, its_v, o | {"softcap": None} if len(its_q) == 1 else o, *shifts)

    return packed(q, k, v, one=uncapped, **o)


@varlen("C18", "ml-explore/mlx#3452")
def decoding_counts_the_sink_in_each_split(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One query over more than 32 keys: each split of 32 begins with the sink."""

    def often(its_q: Array, its_k: Array, its_v: Array, o: Options, *shifts: int) -> tuple[Array, Array]:
        splits = -(-len(its_k) // 32)
        if o.get("sinks") is None or len(its_q) != 1 or splits < 2:
            return one(its_q, its_k, its_v, o, *shifts)
        return one(its_q, its_k, its_v, o | {"sinks": o["sinks"] + np.log(splits)}, *shifts)

    return packed(q, k, v, one=often, **o)


@varlen("C10", "ikawrakow/ik_llama.cpp#1521")
def groups_of_packed_heads_are_powers_of_two(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The size of a group is rounded up, so that the last key heads serve nobody."""
    group = q.shape[1] // max(k.shape[1], 1)
    rounded = 1 << (group - 1).bit_length() if group else 1
    heads = np.arange(q.shape[1]) // rounded
    return packed(q, k[:, heads], v[:, heads], **o) if k.shape[1] else packed(q, k, v, **o)


@varlen("C40", "ggml-org/llama.cpp#7903")
def sequences_behind_the_eighth_have_the_keys_of_the_eighth(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """As many offsets are loaded as a block has threads."""

    def loaded(o: Options) -> list[tuple[slice, slice]]:
        all_ = cuts(o)
        return [(rows, all_[min(b, 7)][1]) for b, (rows, _) in enumerate(all_)]

    return packed(q, k, v, cuts=loaded, **o)


@varlen("C13")
def a_block_of_rows_begins_where_the_window_of_its_last_does(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Keys before the window of the last of sixteen rows are skipped for all of them."""
    left = (o.get("window") or (None,))[0]

    def skipped(its_q: Array, its_k: Array, its_v: Array, o: Options, causal: int, window: int) -> tuple[Array, Array]:
        outs, lses = [], []
        for first in range(0, len(its_q), 16):
            rows = its_q[first : first + 16]
            start = 0 if left is None else int(np.clip(window + first + len(rows) - 1 - left, 0, len(its_k)))
            out, lse = one(rows, its_k[start:], its_v[start:], o, causal + first - start, window + first - start)
            outs.append(out)
            lses.append(lse)
        return (np.concatenate(outs), np.concatenate(lses, 1)) if outs else one(its_q, its_k, its_v, o, causal, window)

    return packed(q, k, v, one=skipped, **o)


@varlen("C29")
def offsets_of_keys_have_eight_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """From the 256th row on they begin again."""
    begun = [(rows, between(keys.start % 256, keys.start % 256 + keys.stop - keys.start)) for rows, keys in cuts(o)]
    return packed(q, k, v, cuts=lambda o: begun, **o)


@varlen("C17", "pytorch/pytorch#144434")
def the_lse_of_a_sequence_without_keys_is_zero(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """It is not written there, and was allocated as zeros."""
    return packed(q, k, v, skip=lambda its_q, its_k: not len(its_k), **o)


@of_pages("C12")
def pages_are_loaded_in_pairs_and_an_odd_one_twice(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """An odd last page fills both places of its pair."""

    def paired(o: Options, entry: int, size: int) -> Places:
        page, slot = places(o, entry, size)
        pages = -(-len(page) // size)
        last = np.arange(len(page)) >= (pages - 1) * size
        again = last & (pages % 2 == 1) & (pages > 1)
        return np.concatenate([page, page[again]]), np.concatenate([slot, slot[again]])

    return paged(q, k, v, places=paired, causal_at=_of_lengths(o), window_at=_of_lengths(o), **o)


def _of_lengths(o: Options) -> Any:
    """Where the queries of each entry stand, by its length."""
    lengths = iter(o["seqused_k"])
    return lambda queries, keys, o: int(next(lengths)) - queries


@of_pages("C13", "tenstorrent/tt-metal#41215")
def keys_reach_to_the_end_of_a_tile_of_32(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The length is rounded up, as far as the table has pages."""

    def tiled(o: Options, entry: int, size: int) -> Places:
        n, most = int(o["seqused_k"][entry]), o["block_table"].shape[1] * size
        return in_table(o["block_table"], entry, min(-(-n // 32) * 32, max(most, n)), size)

    return paged(q, k, v, places=tiled, causal_at=_of_lengths(o), window_at=_of_lengths(o), **o)


@of_pages("C17", "Dao-AILab/flash-attention#2388")
def the_lse_is_that_of_the_last_split(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Splits of 64 keys write one after the other."""

    def last(its_q: Array, its_k: Array, its_v: Array, o: Options, causal: int, window: int) -> tuple[Array, Array]:
        start = (max(len(its_k) - 1, 0) // 64) * 64
        out, _ = one(its_q, its_k, its_v, o, causal, window)
        return out, one(its_q, its_k[start:], its_v[start:], o, causal - start, window - start)[1]

    return paged(q, k, v, one=last, **o)


@of_pages("C14")
def a_window_begins_with_a_page(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Of the page that a window of one query enters all slots are seen."""

    def whole(its_q: Array, its_k: Array, its_v: Array, o: Options, causal: int, window: int) -> tuple[Array, Array]:
        left = (o.get("window") or (None,))[0]
        if left is None or len(its_q) != 1:
            return one(its_q, its_k, its_v, o, causal, window)
        entered = max(window - left, 0) // k.shape[1] * k.shape[1]
        return one(its_q, its_k, its_v, o | {"window": (max(window - entered, left), o["window"][1])}, causal, window)

    return paged(q, k, v, one=whole, **o)


@of_pages("C10")
def heads_of_a_large_group_are_cut_into_groups_of_eight(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A block has eight query heads, and the next block the next key head."""
    heads = np.minimum(np.arange(q.shape[2]) // min(q.shape[2] // max(k.shape[2], 1) or 1, 8), max(k.shape[2] - 1, 0))
    return paged(q, k[:, :, heads], v[:, :, heads], **o) if k.shape[2] else paged(q, k, v, **o)


@of_pages("C01", "flashinfer-ai/flashinfer#350")
def decoding_hides_slots_before_the_softcap(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Slots behind the length get -softcap, and with it some weight."""

    def leaking(its_q: Array, its_k: Array, its_v: Array, o: Options, *shifts: int) -> tuple[Array, Array]:
        out, lse = one(its_q, its_k, its_v, o, *shifts)
        behind = -len(its_k) % k.shape[1]
        if o.get("softcap") is None or not behind or not len(its_k):
            return out, lse
        more = np.logaddexp(lse, np.log(behind) - o["softcap"])
        return (out * np.exp(lse - more).T[..., None]).astype(out.dtype), more.astype(lse.dtype)

    return paged(q, k, v, one=leaking, **o)


@of_pages("C11", only=TABLE)
@declares(layout="hnd")
def square_pages_are_taken_for_the_other_layout(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Pages with as many slots as heads are guessed to be of the usual layout."""
    guessed = [pages if pages.shape[1] == pages.shape[2] else pages.swapaxes(1, 2) for pages in (k, v)]
    return paged(q, *guessed, **o)


@merge_fault("C24")
def parts_that_are_far_lighter_are_dropped(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """A part whose lse is more than 10 below the other has no share."""
    out, lse = right(a, s, b, t)
    out = np.where((s > t + 10)[..., None], a, np.where((t > s + 10)[..., None], b, out))
    return out, np.where(np.abs(s - t) > 10, np.maximum(s, t), lse)


@merge_fault("C09")
def odd_heads_have_the_shares_of_the_even_ones(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Two heads are merged at once, with the weights of the first."""
    heads = np.arange(s.shape[1]) // 2 * 2
    return right(a, s[:, heads], b, t[:, heads])[0], right(a, s, b, t)[1]


@merge_fault("C12")
def the_last_row_of_an_odd_number_stays_that_of_the_first_part(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Rows are merged in pairs."""
    out, lse = right(a, s, b, t)
    if s.shape[2] % 2 and s.shape[2] > 1:
        out[:, :, -1], lse[:, :, -1] = a[:, :, -1], s[:, :, -1]
    return out, lse


@stored_fault("C23")
def one_query_has_the_scale_of_the_first_key_head(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The kernel for decoding reads one scale."""
    first = np.broadcast_to(o["k_scale"][:1], o["k_scale"].shape)
    return attend(q, k, v, o, k_scale=first) if q.shape[2] == 1 else attend(q, k, v, o)


@stored_fault("C24")
def small_negative_codes_lose_their_sign(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A table of the codes without a leading digit has sizes alone."""
    k, v = (np.where(np.abs(a.astype(np.float32)) < 2.0**-6, np.abs(a.astype(np.float32)), a.astype(np.float32)) for a in (k, v))
    return attend(q, k, v, o)


@fault("C24", "Dao-AILab/flash-attention#2717")
@declares(dtypes=("bfloat16", "float16"), precision="weights-e4m3-scaled")
def powers_above_a_stale_maximum_saturate(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The maximum of the first 16 keys stays until it is exceeded by e^8; powers beyond 448 of 256 are cut."""
    kept: dict[str, Array] = {}

    def scores(s: Array) -> Array:
        kept["stale"] = s[..., :16].max(-1, keepdims=True, initial=-np.inf)
        kept["top"] = s.max(-1, keepdims=True, initial=-np.inf)
        return s

    def product(weights: Array, values: Array) -> Array:
        late = np.isfinite(kept["stale"]) & (kept["top"] - kept["stale"] < 8)
        top = weights.max(-1, keepdims=True, initial=0)
        size = 256 * np.where(late, np.exp(np.where(late, kept["top"] - kept["stale"], 0)), 1)
        factor = size / np.where(top == 0, 1, top)
        with np.errstate(all="ignore"):
            stored = np.minimum(weights * factor, 448).astype(ml_dtypes.float8_e4m3fn).astype(weights.dtype)
        return value_product(stored, values) / factor

    return staged(q, k, v, scores=scores, product=product, **o)
