"""Calls with other metadata: some that mean the same, and some that mean nothing, which nobody may answer otherwise than right."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from attention_specs.spec import Call

Change = Callable[[np.ndarray, Call], np.ndarray]
"""Metadata as it is, and its call -> metadata as it is handed over."""

FAR = 2**30
"""A number of a page, or a length, that no cache has."""

OFFSETS, TABLES, LENGTHS = (
    ("cu_seqlens_q", "cu_seqlens_k", "cu_seqlens_k_new", "kv_indptr"),
    ("block_table", "kv_indices"),
    ("seqused_k",),
)


def _wide(a: np.ndarray, call: Call) -> np.ndarray:
    return a.astype(np.int64)


def _strided(a: np.ndarray, call: Call) -> np.ndarray:
    """Every second number of an array of twice the size."""
    return np.repeat(a, 2, axis=-1)[..., ::2]


SAME: dict[str, tuple[tuple[str, ...], Change]] = {
    "int64 numbers": ((*OFFSETS, *TABLES, *LENGTHS, "kv_last_page_len"), _wide),
    "strides": ((*OFFSETS, *TABLES, *LENGTHS, "kv_last_page_len"), _strided),
    "a column more": (("block_table",), lambda a, call: np.concatenate([a, a[:, :1]], axis=1) if a.shape[1] else a),
}
"""Changes that mean the same, and the metadata that they are made to."""


def _at(place: int, value: Callable[[np.ndarray, Call], int]) -> Change:
    """The first, or the last, number replaced."""

    def changed(a: np.ndarray, call: Call) -> np.ndarray:
        a = a.copy()
        if a.size:
            a.ravel()[place] = value(a, call)
        return a

    return changed


def _pages(call: Call) -> int:
    return call.arrays["k_pages"].shape[0]


def _first_used(value: Callable[[np.ndarray, Call], int]) -> Change:
    """The table entry of the first key of the first entry that has one."""

    def changed(a: np.ndarray, call: Call) -> np.ndarray:
        a, lengths = a.copy(), call.options.get("seqused_k")
        if a.ndim == 1 and a.size:
            a[0] = value(a, call)
        elif isinstance(lengths, np.ndarray) and lengths.any():
            a[int(np.argmax(lengths > 0)), 0] = value(a, call)
        return a

    return changed


NOTHING: dict[str, tuple[tuple[str, ...], Change]] = {
    "offsets that fall": (OFFSETS, lambda a, call: np.concatenate([a[:1], a[1:][::-1]]) if len(a) > 2 else a),
    "a first offset above 0": (OFFSETS, _at(0, lambda a, call: 1 if a[-1] else 0)),
    "a first offset below 0": (OFFSETS, _at(0, lambda a, call: -1)),
    "a last offset beyond the rows": (OFFSETS, _at(-1, lambda a, call: int(a[-1]) + 1)),
    "a last offset far beyond the rows": (OFFSETS, _at(-1, lambda a, call: FAR)),
    "an offset too few": (OFFSETS, lambda a, call: a[:-1]),
    "a page that is not there": (TABLES, _first_used(lambda a, call: _pages(call))),
    "a page far beyond the cache": (TABLES, _first_used(lambda a, call: FAR)),
    "a page below 0": (TABLES, _first_used(lambda a, call: -_pages(call) - 1)),
    "a row too few": (("block_table",), lambda a, call: a[:-1]),
    "a length beyond the keys": (LENGTHS, _at(-1, lambda a, call: FAR)),
    "a length below 0": (LENGTHS, _at(-1, lambda a, call: -1)),
    "a length too few": ((*LENGTHS, "kv_last_page_len"), lambda a, call: a[:-1]),
    "a last page longer than a page": (("kv_last_page_len",), lambda a, call: np.where(a > 0, a + FAR, a)),
    "a last page shorter than one slot": (("kv_last_page_len",), lambda a, call: np.full_like(a, -1)),
}
"""Changes after which a call means nothing, and the metadata that they are made to."""


def changed(call: Call, changes: dict[str, tuple[tuple[str, ...], Change]]) -> Iterator[tuple[str, Call]]:
    """The call with each change to each of its metadata in turn, with a name; none where nothing changes."""
    for words, (names, change) in changes.items():
        for name in names:
            metadata = call.options.get(name)
            if isinstance(metadata, np.ndarray) and metadata.size:
                other = change(metadata, call)
                if (
                    other.shape != metadata.shape
                    or other.dtype != metadata.dtype
                    or other.strides != metadata.strides
                    or (other != metadata).any()
                ):
                    yield f"{name} with {words}", Call(call.arrays, call.options | {name: other})
