"""New keys and values that a call writes to the pages of a cache in the wrong place, too late, or over others (C13, C30, C31, C34)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._appending_parts import PACKED_NEW, PADDED_NEW, appended, behind, news, over_pages, write
from attention_harness.audit.faults._paged_parts import Options, Places, paged

Array = np.ndarray

appending = partial(fault, form="cache_append", only=PACKED_NEW)


def _elsewhere(q: Array, k: Array, v: Array, o: Options, places: Any, right: bool = False) -> Any:
    """New rows are written to other places; `right`: the output is that of the right ones, so that the pages alone are wrong."""
    answer = appended(q, k.copy(), v.copy(), **o) if right else None
    write(k, news(o, "k"), o, places)
    write(v, news(o, "v"), o, places)
    return answer if right else paged(q, k, v, **over_pages(o))


@appending("C13")
def new_keys_are_written_one_slot_late(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Lengths are counted from one; this call attends to the new rows as they came."""

    def late(o: Options, entry: int, size: int, count: int) -> Places:
        return behind(o | {"seqused_k": o["seqused_k"] + 1}, entry, size, count)

    return _elsewhere(q, k, v, o, late, right=True)


@appending("C31")
def new_keys_go_to_the_first_page(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The slot is right, the column of the table is 0."""

    def first(o: Options, entry: int, size: int, count: int) -> Places:
        page, slot = behind(o, entry, size, count)
        return np.full_like(page, o["block_table"][entry, 0]), slot

    return _elsewhere(q, k, v, o, first)


@appending("C13")
def a_new_key_behind_a_full_page_overwrites_it(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The page is that of the last older key, which other entries may share."""

    def of_the_last(o: Options, entry: int, size: int, count: int) -> Places:
        page, slot = behind(o, entry, size, count)
        before = int(o["seqused_k"][entry])
        if before and not before % size:
            page = np.where(np.arange(count) < size, o["block_table"][entry, before // size - 1], page)
        return page, slot

    return _elsewhere(q, k, v, o, of_the_last, right=True)


@appending("C12")
def new_keys_beyond_a_page_go_on_in_memory(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The table is read for the first new key alone; the others follow it in memory."""

    def following(o: Options, entry: int, size: int, count: int) -> Places:
        page, slot = behind(o, entry, size, count)
        place = int(page[0]) * size + int(slot[0]) + np.arange(count)
        return place // size, place % size

    return _elsewhere(q, k, v, o, following)


@appending("C31")
def lengths_are_taken_for_those_after_the_call(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """New keys end where the older ones do."""

    def ending(o: Options, entry: int, size: int, count: int) -> Places:
        before = np.maximum(o["seqused_k"] - [len(rows) for rows in news(o, "k")], 0)
        return behind(o | {"seqused_k": before}, entry, size, count)

    return _elsewhere(q, k, v, o, ending)


@appending("C34")
def new_values_are_not_written(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The kernel that writes is called for keys alone; this call attends to the values as they came."""
    answer = appended(q, k.copy(), v.copy(), **o)
    write(k, news(o, "k"), o)
    return answer


@appending("C30")
def queries_attend_before_new_keys_are_written(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Nobody waits for the kernel that writes: slots hold what they held."""
    answer = paged(q, k, v, **over_pages(o))
    appended(q, k, v, **o)
    return answer


@appending("C31")
def new_keys_are_written_and_not_counted(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Queries attend to the older keys alone."""
    after = over_pages(o)
    write(k, news(o, "k"), o)
    write(v, news(o, "v"), o)
    return paged(q, k, v, **after | {"seqused_k": o["seqused_k"]})


@appending("C34")
def the_rest_of_a_page_is_cleared_behind_new_keys(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Whole pages are written, with zeros behind the last row."""
    answer = appended(q, k, v, **o)
    after = over_pages(o)["seqused_k"]
    for pages in (k, v):
        size = pages.shape[1]
        for entry, n in enumerate(after):
            if n % size and n > o["seqused_k"][entry]:
                pages[o["block_table"][entry, n // size], n % size :] = 0
    return answer


@appending("C33")
def rows_of_new_keys_are_those_of_a_padded_array(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The new rows of entry b begin at b times the longest number of them."""
    counts = np.diff(o["cu_seqlens_k_new"])
    starts = np.minimum(np.arange(len(counts)) * counts.max(initial=0), len(o["k_new"]) - counts)
    for pages, name in ((k, "k_new"), (v, "v_new")):
        write(pages, [o[name][first : first + count] for first, count in zip(starts, counts, strict=True)], o)
    return paged(q, k, v, **over_pages(o))


@fault("C04", form="cache_append", only=PADDED_NEW)
def queries_stand_at_the_older_keys(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Causality counts from the lengths before the call."""
    before = iter(o["seqused_k"])
    write(k, news(o, "k"), o)
    write(v, news(o, "v"), o)
    return paged(q, k, v, causal_at=lambda queries, keys, o: int(next(before)) - queries, **over_pages(o))
