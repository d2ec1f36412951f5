"""Pages of a cache: how a table finds them, how long the last one is, and what stands in slots that nobody may read (C41)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._paged_parts import Options, Places, in_table, paged, places

Array = np.ndarray

of_pages = partial(fault, form="paged")


def _of_length(change: Any) -> Any:
    """Places whose number is changed: `change` gets all lengths, the entry, the size of a page and the columns of the table."""

    def changed(o: Options, entry: int, size: int) -> Places:
        length = change(o["seqused_k"], entry, size, o["block_table"].shape[1])
        return in_table(o["block_table"], entry, int(length), size)

    return changed


def _of_table(change: Any) -> Any:
    """Places in another table: `change` gets the table, the lengths and the size of a page."""
    return lambda o, entry, size: in_table(
        change(o["block_table"], o["seqused_k"], size), entry, int(o["seqused_k"][entry]), size
    )


@of_pages("C41", "tanishqkumar/ssd#23")
def the_table_is_not_read(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The pages of an entry are taken to follow each other."""
    follow = _of_table(lambda table, lengths, size: np.arange(table.size).reshape(table.shape))
    return paged(q, k, v, places=follow, **o)


@of_pages("C41", "vllm-project/vllm#42494")
def the_whole_table_is_read(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Entries behind the pages that are in use count too."""
    return paged(q, k, v, places=_of_length(lambda lengths, b, size, columns: columns * size if lengths[b] else 0), **o)


@of_pages("C41", "flashinfer-ai/flashinfer#3716")
def the_last_page_counts_whole(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Slots behind the length are seen."""
    return paged(q, k, v, places=_of_length(lambda lengths, b, size, columns: -(-lengths[b] // size) * size), **o)


@of_pages("C41", "flashinfer-ai/flashinfer#3716")
def slots_behind_the_length_are_seen_without_causality(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The mask of the last page hangs on causality."""
    if o.get("is_causal"):
        return paged(q, k, v, **o)
    return the_last_page_counts_whole(q, k, v, **o)


@of_pages("C41", "vllm-project/vllm#4353")
def a_last_page_that_is_full_is_empty(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The length of the last page is the remainder, which is 0 there."""
    return paged(q, k, v, places=_of_length(lambda lengths, b, size, columns: lengths[b] - (lengths[b] % size == 0) * size), **o)


@of_pages("C41", "pegainfer-project/pegainfer#291")
def one_page_more_is_read_behind_a_full_one(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The next page has been allocated already."""
    more = _of_length(lambda lengths, b, size, columns: lengths[b] + (lengths[b] % size == 0 and lengths[b] > 0) * size)
    return paged(q, k, v, places=more, **o)


@of_pages("C41")
def a_part_of_a_page_is_left_out(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The number of pages is rounded down."""
    return paged(q, k, v, places=_of_length(lambda lengths, b, size, columns: lengths[b] // size * size), **o)


@of_pages("C41")
def the_size_of_a_page_counts_twice(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The number of a page is taken times the size where it was before."""
    squared = _of_table(lambda table, lengths, size: table * size % max(len(k), 1))
    return paged(q, k, v, places=squared, **o)


@of_pages("C41", "flashinfer-ai/flashinfer#1407")
def the_size_of_a_page_is_the_number_of_heads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """It is read from the axis that has it in the other layout."""
    return paged(q, k, v, size=max(k.shape[2], 1), **o)


@of_pages("C11", "flashinfer-ai/flashinfer#441")
def pages_are_read_in_the_other_layout(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Heads and slots change places."""
    k, v = (a.reshape(a.shape[0], a.shape[2], a.shape[1], a.shape[3]).swapaxes(1, 2) for a in (k, v))
    return paged(q, k, v, **o)


@of_pages("C11")
def the_table_is_read_by_columns(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Its axes are exchanged in memory."""
    return paged(q, k, v, places=_of_table(lambda table, lengths, size: table.T.reshape(table.shape)), **o)


def _strided(table: Array, stride: int) -> Array:
    """The table with rows that begin every so many entries."""
    entry, block = np.indices(table.shape)
    return table.ravel()[np.minimum(entry * stride + block, table.size - 1)] if table.size else table


@of_pages("C11", "flashinfer-ai/flashinfer#4270")
def rows_of_the_table_are_as_long_as_whole_pages(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Their length is that of the longest entry over the size, rounded down."""
    return paged(q, k, v, places=_of_table(lambda table, lengths, size: _strided(table, lengths.max(initial=0) // size)), **o)


@of_pages("C11")
def rows_of_the_table_are_as_long_as_they_are_needed(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Their length is rounded up, but the table has more columns."""
    return paged(q, k, v, places=_of_table(lambda table, lengths, size: _strided(table, -(-lengths.max(initial=0) // size))), **o)


@of_pages("C33", "Dao-AILab/flash-attention#1795")
def the_length_of_the_first_entry_serves_all(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A vector of lengths is read as a scalar."""
    return paged(q, k, v, places=_of_length(lambda lengths, b, size, columns: lengths[0]), **o)


@of_pages("C33")
def the_greatest_length_serves_all(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Shorter entries see what the table says behind their pages."""
    return paged(q, k, v, places=_of_length(lambda lengths, b, size, columns: lengths.max()), **o)


@of_pages("C41")
def the_first_row_of_the_table_serves_all(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The pointer to the table does not move on."""
    return paged(q, k, v, places=_of_table(lambda table, lengths, size: np.broadcast_to(table[:1], table.shape)), **o)


@of_pages("C41")
def pages_are_visited_in_the_order_of_memory(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Their numbers are sorted, so that the last page is another."""

    def sorted_places(o: Options, entry: int, size: int) -> Places:
        length = int(o["seqused_k"][entry])
        used = np.sort(o["block_table"][entry, : -(-length // size)])
        return in_table(used[None], 0, length, size) if length else places(o, entry, size)

    return paged(q, k, v, places=sorted_places, **o)


@of_pages("C41", "vllm-project/vllm#42273")
def page_zero_holds_nothing(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The first page stands for pages that were given up."""

    def without_zero(o: Options, entry: int, size: int) -> Places:
        page, slot = places(o, entry, size)
        return page[page != 0], slot[page != 0]

    return paged(q, k, v, places=without_zero, causal_at=lambda n, m, o: m - n, **o)


@of_pages("C41", "microsoft/onnxruntime#32391")
def the_last_page_of_the_cache_is_out_of_range(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Numbers of pages are kept below P - 1."""
    kept = _of_table(lambda table, lengths, size: np.minimum(table, max(len(k) - 2, 0)))
    return paged(q, k, v, places=kept, **o)


@of_pages("C41")
def pages_in_the_table_are_counted_by_their_sign(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Entries that are not below 0 count, with those of the padding; the last page ends where the length says."""

    def by_sign(lengths: Array, b: int, size: int, columns: int) -> int:
        pages = int((o["block_table"][b] >= 0).sum())
        return max((pages - 1) * size + int((lengths[b] - 1) % size + 1), 0) if lengths[b] else 0

    return paged(q, k, v, places=_of_length(by_sign), **o)


@of_pages("C41")
def a_page_that_two_entries_share_belongs_to_the_first(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Each page is visited once."""
    visited: set[int] = set()

    def unvisited(entry: int) -> Places:
        page, slot = places(o, entry, k.shape[1])
        new = np.array([number not in visited for number in page.tolist()], bool)
        visited.update(page.tolist())
        return page[new], slot[new]

    known = [unvisited(entry) for entry in range(len(o["seqused_k"]))]
    return paged(q, k, v, places=lambda o, entry, size: known[entry], **o)


@of_pages("C41")
def values_lie_in_the_page_before(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Loading of values runs one block behind."""

    def behind(o: Options, entry: int, size: int) -> Places:
        page, slot = places(o, entry, size)
        return np.concatenate([page[:size], page[: max(len(page) - size, 0)]])[: len(page)], slot

    return paged(q, k, v, of_values=behind, **o)


@of_pages("C41", "ROCm/aiter#200")
def pages_have_one_slot(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Entry j of the table is the page of key j."""
    return paged(q, k, v, size=1, **o)


@of_pages("C41", "flashinfer-ai/flashinfer#4347")
def pages_end_at_128_slots(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Longer ones are read to there, and their other slots as the first ones again."""

    def short(o: Options, entry: int, size: int) -> Places:
        page, slot = places(o, entry, size)
        return page, slot % 128

    return paged(q, k, v, places=short, **o)


@of_pages("C41")
def pages_have_sixteen_slots(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The size is a constant."""
    return paged(q, k, v, size=16, **o)


@of_pages("C41")
def slots_are_counted_from_one(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The slot of key j is (j + 1) modulo the size."""

    def later(o: Options, entry: int, size: int) -> Places:
        page, slot = places(o, entry, size)
        return page, (slot + 1) % size

    return paged(q, k, v, places=later, **o)


@of_pages("C04", "Dao-AILab/flash-attention#1455")
def causality_is_aligned_by_the_capacity_of_the_table(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The last query stands at the last slot of the last column."""
    whole = o["block_table"].shape[1] * k.shape[1]
    return paged(q, k, v, causal_at=lambda queries, keys, o: whole - queries, **o)


@of_pages("C04")
def causality_is_aligned_by_the_greatest_length(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The last query stands at the last key of the longest entry."""
    return paged(q, k, v, causal_at=lambda queries, keys, o: int(o["seqused_k"].max()) - queries, **o)


@of_pages("C04", "onnx/onnx#8068")
def queries_stand_at_the_first_keys(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Chunked prefill forgets how many keys come before."""
    return paged(q, k, v, causal_at=lambda *a: 0, **o)


@of_pages("C14", "vllm-project/vllm#42273")
def a_page_that_the_window_enters_is_skipped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Its first page is rounded up."""
    left = (o.get("window") or (None, None))[0]

    def entered(o: Options, entry: int, size: int) -> Places:
        page, slot = places(o, entry, size)
        first = 0 if left is None else max(len(page) - q.shape[1] - left, 0)
        skipped = -(-first // size) * size
        return page[skipped:], slot[skipped:]

    return paged(q, k, v, places=entered, **o)
