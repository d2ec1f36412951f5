"""Pages in a list: its ends, its last page, and queries without padding beside it (C41, C33)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._packed_parts import segments
from attention_harness.audit.faults._paged_parts import LIST, TABLE, Options, Places, in_list, listed, paged, places

Array = np.ndarray

of_list = partial(fault, form="paged", only=LIST)
packed_queries = partial(fault, form="paged", only=(*TABLE, "cu_seqlens_q", "max_seqlen_q"))


def _of_last(change: Any) -> Any:
    """Places with another length of the last page: `change` gets those lengths, the entry and the size of a page."""

    def changed(o: Options, entry: int, size: int) -> Places:
        last = change(o["kv_last_page_len"], entry, size)
        return listed(o["kv_indices"], o["kv_indptr"][entry : entry + 2], last, size)

    return changed


@of_list("C41")
def the_length_of_the_last_page_is_not_read(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """All slots of it count."""
    return paged(q, k, v, places=_of_last(lambda last, entry, size: size), **o)


@of_list("C33")
def the_last_page_of_the_first_entry_serves_all(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Its length is read as a scalar."""
    return paged(q, k, v, places=_of_last(lambda last, entry, size: last[0]), **o)


@of_list("C41", "vllm-project/vllm#4353")
def a_full_last_page_is_a_remainder_of_zero(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Its length is taken modulo the size."""
    return paged(q, k, v, places=_of_last(lambda last, entry, size: last[entry] % size), **o)


@of_list("C41")
def the_last_page_is_left_out(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Pages before the last one count alone."""
    return paged(q, k, v, places=_of_last(lambda last, entry, size: 0), **o)


def _between(o: Options, first: int, stop: int, entry: int, size: int) -> Places:
    return listed(o["kv_indices"], np.array([first, stop]), o["kv_last_page_len"][entry], size)


@of_list("C41")
def the_list_begins_with_the_pages_of_every_entry(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The first end is not added."""

    def from_zero(o: Options, entry: int, size: int) -> Places:
        first, stop = o["kv_indptr"][entry : entry + 2]
        return _between(o, 0, stop - first, entry, size)

    return paged(q, k, v, places=from_zero, **o)


@of_list("C41", "sgl-project/sglang#9572")
def ends_of_the_list_count_keys(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The number of keys before an entry is its place in the list."""

    def in_keys(o: Options, entry: int, size: int) -> Places:
        first, stop = o["kv_indptr"][entry : entry + 2]
        start = min(int(first) * size, max(len(o["kv_indices"]) - int(stop - first), 0))
        return _between(o, start, start + int(stop - first), entry, size)

    return paged(q, k, v, places=in_keys, **o)


@of_list("C32")
def an_entry_without_pages_reads_the_next_one(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """There is one page at least."""

    def one_at_least(o: Options, entry: int, size: int) -> Places:
        first, stop = o["kv_indptr"][entry : entry + 2]
        return _between(o, first, max(int(stop), int(first) + 1), entry, size)

    return paged(q, k, v, places=one_at_least, **o)


@of_list("C41")
def the_list_is_read_backwards(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The pages of an entry are visited from the last, which is then the first."""

    def backwards(o: Options, entry: int, size: int) -> Places:
        first, stop = o["kv_indptr"][entry : entry + 2]
        return listed(o["kv_indices"][first:stop][::-1], np.array([0, stop - first]), o["kv_last_page_len"][entry], size)

    return paged(q, k, v, places=backwards, **o)


@of_list("C41")
def the_greatest_number_of_pages_serves_all(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """An entry goes on with the pages of the next."""

    def most(o: Options, entry: int, size: int) -> Places:
        first, count = int(o["kv_indptr"][entry]), int(np.diff(o["kv_indptr"]).max(initial=0))
        return _between(o, first, min(first + count, len(o["kv_indices"])), entry, size)

    return paged(q, k, v, places=most, **o)


@packed_queries("C33")
def row_b_is_the_query_of_entry_b(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Decoding is taken for granted: the offsets of queries are not read."""
    count = len(o["cu_seqlens_q"]) - 1
    return paged(q, k, v, **o | {"cu_seqlens_q": np.minimum(np.arange(count + 1), len(q))})


@packed_queries("C33", "vllm-project/vllm-ascend#14714")
def the_table_has_a_row_for_each_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A row of the table is found by the first query of an entry."""
    first = np.minimum(o["cu_seqlens_q"][:-1], len(o["block_table"]) - 1)
    return paged(q, k, v, places=lambda o, entry, size: places(o, int(first[entry]), size), **o)


@packed_queries("C33")
def an_entry_without_queries_gives_its_pages_to_the_next(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Entries are counted as they have queries, tables as they stand."""
    with_queries = [s for s in segments(o["cu_seqlens_q"]) if s.stop > s.start]
    offsets = np.array([0, *(s.stop for s in with_queries)])
    return paged(q, k, v, **o | {"cu_seqlens_q": offsets})


@packed_queries("C04")
def queries_stand_behind_the_longest_chunk(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Causality counts from the length less the longest number of queries."""
    return paged(q, k, v, causal_at=lambda queries, keys, o: keys - o["max_seqlen_q"], **o)


@of_list("C41")
def the_list_is_right_and_values_lie_one_entry_further(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Values are found by the ends of the next entry, if it has as many pages."""

    def further(o: Options, entry: int, size: int) -> Places:
        own = in_list(o, entry, size)
        after = in_list(o, min(entry + 1, len(o["kv_indptr"]) - 2), size)
        return after if len(after[0]) == len(own[0]) else own

    return paged(q, k, v, places=in_list, of_values=further, **o)
