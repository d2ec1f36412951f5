"""Parts of faults over pages: a right function whose steps can be exchanged.

Places of an entry's keys are the page and the slot of each of them, two arrays [n].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from attention_harness.audit.faults._packed_parts import distance, one, segments
from attention_implementations.numpy._common import Result, answer, working_dtype

Array = np.ndarray
Options = dict[str, Any]
Places = tuple[Array, Array]

TABLE = ("is_causal", "scale", "window", "softcap", "sinks", "return_lse", "block_table", "seqused_k")
LIST = (*TABLE[:6], "kv_indptr", "kv_indices", "kv_last_page_len")
"""The options of functions that find pages by a table, or in a list."""


def in_table(table: Array, entry: int, length: int, size: int) -> Places:
    """The places of the first keys of an entry, by the row of the table; a table that is too short ends with its last page."""
    j = np.arange(length)
    return table[entry, np.minimum(j // size, table.shape[1] - 1)], j % size


def places(o: Options, entry: int, size: int) -> Places:
    """As the table and the length say."""
    return in_table(o["block_table"], entry, int(o["seqused_k"][entry]), size)


def in_list(o: Options, entry: int, size: int) -> Places:
    """As the list of pages says."""
    return listed(o["kv_indices"], o["kv_indptr"][entry : entry + 2], o["kv_last_page_len"][entry], size)


def listed(indices: Array, ends: Array, last: int, size: int) -> Places:
    """The places in the pages between two ends of the list, the last one filled so far."""
    pages = indices[ends[0] : ends[1]]
    j = np.arange(max((len(pages) - 1) * size + int(last), 0))
    return pages[np.minimum(j // size, len(pages) - 1)] if len(pages) else j[:0], j[: len(j) if len(pages) else 0] % size


def read(pages: Array, where: Places) -> Array:
    """[n, H, D]: the numbers at these places; beyond the last page there is the last page."""
    page, slot = (np.clip(index, -n, n - 1) for index, n in zip(where, pages.shape[:2], strict=True))
    return pages[page, slot]


def paged(
    q: Array, k_pages: Array, v_pages: Array, *, places: Callable[[Options, int, int], Places] = places,
    of_values: Callable[[Options, int, int], Places] | None = None, causal_at: Callable[..., int] = distance,
    window_at: Callable[..., int] = distance, one: Callable[..., tuple[Array, Array]] = one, size: int = 0, **o: Any,
) -> Result:  # fmt: skip
    """Attention over pages with steps to exchange: where keys and values lie, where queries stand, one entry; a size of pages other
    than theirs. q is [B, Lq, Hq, D], or packed where cu_seqlens_q is given."""
    out = np.zeros((*q.shape[:-1], v_pages.shape[3]), q.dtype)
    heads_last = out if out.ndim == 4 else None
    lse = np.zeros((len(q), q.shape[2], q.shape[1]) if heads_last is not None else q.shape[1::-1], working_dtype(q.dtype))
    rows = [slice(b, b + 1) for b in range(len(q))] if heads_last is not None else segments(o["cu_seqlens_q"])
    for entry, its in enumerate(rows):
        its_q, size_ = q[its][0] if heads_last is not None else q[its], size or k_pages.shape[1]
        k, v = read(k_pages, places(o, entry, size_)), read(v_pages, (of_values or places)(o, entry, size_))
        result, its_lse = one(its_q, k, v, o, *(shift(len(its_q), len(k), o) for shift in (causal_at, window_at)))
        out[its], lse[(..., its) if heads_last is None else its] = result, its_lse
    return answer(out, lse if o.get("return_lse") else None)
