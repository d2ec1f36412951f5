"""Readings of places: of causality, windows, lengths, heads, layouts, blocks and a cache."""

from __future__ import annotations

from functools import partial

import numpy as np

from attention_harness.conformance.diagnosis.readings import reading, register_call
from attention_specs.attention.inputs import Inputs
from attention_specs.attention.problem import Window

COUNTED_FROM = {"top-left": "query 0 and key 0", "bottom-right": "the last query and the last key"}


def hide(x: Inputs, seen: np.ndarray) -> Inputs:
    """The call with one more mask."""
    return x.replace(mask=seen if x.mask is None else x.mask & seen)


def positions(x: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """The indices of queries [Lq, 1] and keys [Lk]."""
    return np.arange(x.q.shape[2])[:, None], np.arange(x.k.shape[2])


def _aligned(option: str, name: str, alignment: str, x: Inputs) -> Inputs | None:
    given = getattr(x, option)
    return x.replace(**{name: alignment}) if given and getattr(x, name) != alignment else None


for _alignment in ("bottom-right", "top-left"):
    for _option, _convention in (("is_causal", "causal_alignment"), ("window", "window_alignment")):
        register_call(
            f"{_option} counts from {COUNTED_FROM[_alignment]}",
            partial(_aligned, _option, _convention, _alignment),
            f"{_option} is {_alignment}",
            declaration=f'attention.conventions = {{"{_convention}": "{_alignment}"}}',
        )


def _triangle(x: Inputs, shift: int | np.ndarray) -> Inputs | None:
    if not x.is_causal:
        return None
    i, j = positions(x)
    return hide(x.replace(is_causal=False), j <= i + shift)


@reading()
def causality_hides_the_diagonal(x: Inputs) -> Inputs | None:
    """is_causal hides the diagonal too: j < i."""
    return _triangle(x, x.causal_shift - 1)


@reading()
def causality_shows_one_key_ahead(x: Inputs) -> Inputs | None:
    """is_causal shows one key too many: j <= i + 1."""
    return _triangle(x, x.causal_shift + 1)


@reading()
def causality_is_the_other_triangle(x: Inputs) -> Inputs | None:
    """is_causal hides the past and shows the future: j >= i."""
    i, j = positions(x)
    return hide(x.replace(is_causal=False), j >= i + x.causal_shift) if x.is_causal else None


@reading()
def causality_counts_without_the_cache(x: Inputs) -> Inputs | None:
    """is_causal counts queries from the first key of the cache."""
    return _triangle(x, 0) if x.past else None


@reading()
def causality_ends_at_the_key_length(x: Inputs) -> Inputs | None:
    """is_causal counts from the last query and the last key within key_lengths."""
    if not x.is_causal or x.key_lengths is None:
        return None
    i, j = positions(x)
    shift = np.maximum(x.key_lengths - x.q.shape[2], 0)[:, None, None, None]
    return hide(x.replace(is_causal=False), j <= i + shift)


@reading()
def causality_ends_with_the_arrays(x: Inputs) -> Inputs | None:
    """is_causal counts from the last query and key of the longest entry, whatever the lengths of the others are."""
    return _triangle(x, _ahead(x)) if x.is_causal and _ends_by_length(x, x.causal_alignment) else None


def _ends_by_length(x: Inputs, alignment: str) -> bool:
    return alignment == "bottom-right" and not (x.query_lengths is None and x.key_lengths is None)


def _ahead(x: Inputs) -> int:
    return x.k.shape[2] - x.q.shape[2]


def _edges(x: Inputs, left: int | None, right: int | None) -> Inputs | None:
    new: Window = (left, right)
    return None if x.window is None or new == tuple(x.window) else x.replace(window=new)


def _moved(x: Inputs, left: int, right: int) -> Inputs | None:
    if x.window is None:
        return None
    before, after = x.window
    return _edges(x, before if before is None else max(before + left, 0), after if after is None else max(after + right, 0))


@reading()
def the_window_is_one_key_too_wide(x: Inputs) -> Inputs | None:
    """The window is one key too wide on its left."""
    return _moved(x, 1, 0)


@reading()
def the_window_leaves_out_its_last_key(x: Inputs) -> Inputs | None:
    """The window is one key too narrow on its left."""
    return _moved(x, -1, 0)


@reading()
def the_window_is_one_key_too_wide_ahead(x: Inputs) -> Inputs | None:
    """The window is one key too wide on its right."""
    return _moved(x, 0, 1)


@reading()
def the_window_leaves_out_its_last_key_ahead(x: Inputs) -> Inputs | None:
    """The window is one key too narrow on its right."""
    return _moved(x, 0, -1)


@reading()
def the_right_side_of_the_window_is_open(x: Inputs) -> Inputs | None:
    """The right side of the window is ignored."""
    return _edges(x, x.window[0], None) if x.window else None


@reading()
def the_left_side_of_the_window_is_open(x: Inputs) -> Inputs | None:
    """The left side of the window is ignored."""
    return _edges(x, None, x.window[1]) if x.window else None


@reading()
def a_window_side_of_zero_is_open(x: Inputs) -> Inputs | None:
    """A side of 0 of the window is ignored."""
    return _edges(x, x.window[0] or None, x.window[1] or None) if x.window else None


@reading()
def a_window_without_a_right_side_is_causal(x: Inputs) -> Inputs | None:
    """A window without a right side hides the keys ahead."""
    return _edges(x, x.window[0], x.window[1] or 0) if x.window else None


@reading()
def the_sides_of_the_window_are_exchanged(x: Inputs) -> Inputs | None:
    """window=(left, right) is read as (right, left)."""
    return _edges(x, x.window[1], x.window[0]) if x.window else None


def _counted(x: Inputs, shift: np.ndarray | int) -> Inputs:
    """The call whose window counts from queries that stand `shift` further on."""
    left, right = (side if side is not None else 1 << 30 for side in x.window or (None, None))
    i, j = positions(x)
    return hide(x.replace(window=None), (i + shift - j <= left) & (j - i - shift <= right))


@reading()
def the_window_counts_without_the_cache(x: Inputs) -> Inputs | None:
    """The window counts queries from the first key of the cache."""
    return _counted(x, 0) if x.window and x.past else None


@reading()
def the_window_ends_at_the_key_length(x: Inputs) -> Inputs | None:
    """The window counts from the last query and the last key within key_lengths."""
    if x.window is None or x.key_lengths is None:
        return None
    return _counted(x, (x.key_lengths - x.q.shape[2])[:, None, None, None])


@reading()
def the_window_ends_with_the_arrays(x: Inputs) -> Inputs | None:
    """The window counts from the last query and key of the longest entry, whatever the lengths of the others are."""
    return _counted(x, _ahead(x)) if x.window and _ends_by_length(x, x.window_alignment) else None


@reading()
def key_lengths_are_inclusive(x: Inputs) -> Inputs | None:
    """The key at the place of its length is seen too: j <= key_length."""
    return None if x.key_lengths is None else x.replace(key_lengths=np.minimum(x.key_lengths + 1, x.k.shape[2]))


@reading()
def query_lengths_are_inclusive(x: Inputs) -> Inputs | None:
    """The query at the place of its length is answered too: i <= query_length."""
    return None if x.query_lengths is None else x.replace(query_lengths=np.minimum(x.query_lengths + 1, x.q.shape[2]))


@reading()
def the_first_key_length_serves_all(x: Inputs) -> Inputs | None:
    """All batch entries have the key length of entry 0."""
    return None if x.key_lengths is None else x.replace(key_lengths=np.broadcast_to(x.key_lengths[:1], x.key_lengths.shape))


@reading()
def the_greatest_key_length_serves_all(x: Inputs) -> Inputs | None:
    """All batch entries have the greatest key length."""
    if x.key_lengths is None:
        return None
    return x.replace(key_lengths=np.full_like(x.key_lengths, x.key_lengths.max(initial=0)))


@reading()
def a_key_length_of_zero_means_all(x: Inputs) -> Inputs | None:
    """A key length of 0 hides nothing."""
    if x.key_lengths is None:
        return None
    return x.replace(key_lengths=np.where(x.key_lengths == 0, x.k.shape[2], x.key_lengths))


@reading()
def key_lengths_count_from_the_end(x: Inputs) -> Inputs | None:
    """The last keys are seen, as many as key_lengths says: the padding is on the left."""
    if x.key_lengths is None:
        return None
    n = x.k.shape[2]
    return hide(x.replace(key_lengths=None), np.arange(n) >= n - x.key_lengths[:, None, None, None])


@reading()
def queries_have_the_lengths_of_the_keys(x: Inputs) -> Inputs | None:
    """Queries beyond key_lengths are taken for padding."""
    return None if x.key_lengths is None else x.replace(query_lengths=np.minimum(x.key_lengths, x.q.shape[2]))


@reading()
def keys_have_the_lengths_of_the_queries(x: Inputs) -> Inputs | None:
    """Keys beyond query_lengths are taken for padding."""
    return None if x.query_lengths is None else x.replace(key_lengths=np.minimum(x.query_lengths, x.k.shape[2]))


@reading()
def lengths_are_exchanged(x: Inputs) -> Inputs | None:
    """query_lengths and key_lengths are exchanged."""
    if x.key_lengths is None or x.query_lengths is None:
        return None
    queries, keys = x.q.shape[2], x.k.shape[2]
    return x.replace(query_lengths=np.minimum(x.key_lengths, queries), key_lengths=np.minimum(x.query_lengths, keys))


@reading()
def key_lengths_count_new_keys_only(x: Inputs) -> Inputs | None:
    """key_lengths count from the first key behind the cache."""
    if x.key_lengths is None or not x.past:
        return None
    return x.replace(key_lengths=np.minimum(x.key_lengths + x.past, x.k.shape[2]))


@reading()
def key_lengths_are_rounded_up_to_blocks_of_32(x: Inputs) -> Inputs | None:
    """key_lengths are rounded up to a multiple of 32."""
    if x.key_lengths is None:
        return None
    return x.replace(key_lengths=np.minimum(-(-x.key_lengths // 32) * 32, x.k.shape[2]))
