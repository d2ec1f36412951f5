"""Parts of faults of functions that append to the pages of a cache: where new rows go, and the call over pages that is left then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from attention_harness.audit.faults._packed_parts import segments
from attention_harness.audit.faults._paged_parts import TABLE, Options, Places, in_table, paged

Array = np.ndarray
PADDED_NEW = (*TABLE, "k_new", "v_new")
PACKED_NEW = (*PADDED_NEW, "cu_seqlens_k_new")
"""The options of functions that take equally many new keys of each entry, and of those that take offsets of them."""


def news(o: Options, name: str) -> list[Array]:
    """The new keys or values of each entry, [n, H, D]: name is "k" or "v"."""
    rows = o[f"{name}_new"]
    return [rows[part] for part in segments(o["cu_seqlens_k_new"])] if "cu_seqlens_k_new" in o else list(rows)


def behind(o: Options, entry: int, size: int, count: int) -> Places:
    """The places behind the older keys."""
    before = int(o["seqused_k"][entry])
    page, slot = in_table(o["block_table"], entry, before + count, size)
    return page[before:], slot[before:]


def write(pages: Array, rows: list[Array], o: Options, places: Callable[[Options, int, int, int], Places] = behind) -> None:
    """Writes the rows of each entry to their places, beyond the last page or slot to the last."""
    for entry, new in enumerate(rows):
        if len(new):
            reached = places(o, entry, pages.shape[1], len(new))
            page, slot = (np.clip(index, -n, n - 1) for index, n in zip(reached, pages.shape[:2], strict=True))
            pages[page, slot] = new


def over_pages(o: Options) -> Options:
    """The options of the same call once all keys are in the pages."""
    lengths = o["seqused_k"] + np.array([len(rows) for rows in news(o, "k")], np.int32)
    return {name: value for name, value in o.items() if "_new" not in name} | {"seqused_k": lengths}


def appended(q: Array, k_pages: Array, v_pages: Array, **o: Any) -> Any:
    """Attention to all keys, behind which the new ones were written: right."""
    write(k_pages, news(o, "k"), o)
    write(v_pages, news(o, "v"), o)
    return paged(q, k_pages, v_pages, **over_pages(o))
