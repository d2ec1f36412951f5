"""Scores of a row that lose another number than their maximum, or one kept in too few bits; fillers that low rows undercut (C03, C16)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._layer_parts import hidden, layer, layer_fault
from attention_harness.audit.faults._parts import State, beside, empty_rows, finite, highest, identity, less, staged, tiled

Array = np.ndarray
PLAIN = ("mask", "is_causal", "scale")
"""No bias: such functions meet low rows by queries and keys alone."""


def _less(top: Any, q: Array, k: Array, v: Array, **o: Any) -> Any:
    return staged(q, k, v, normalise=partial(less, top), **o)


def _largest(s: Array) -> Array:
    """max |s| over what is not hidden."""
    return highest(np.maximum(s, -np.where(s > -np.inf, s, np.inf)))


def _nothing(s: Array) -> Array:
    return np.zeros((*s.shape[:-1], 1), s.dtype)


@fault("C16", only=PLAIN)
def maxima_start_at_the_lowest_float16(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """finfo of another dtype than that of the scores: the running maximum starts at -65504 in float32 too."""
    return _less(lambda s: np.maximum(highest(s), s.dtype.type(-65504)), q, k, v, **o)


@fault("C16", only=("is_causal", "scale"))
def causal_rows_have_the_maximum_of_hidden_keys(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The maximum is taken before the triangle is applied: a hidden key far above the row leaves it nothing."""
    kept: list[Array] = []
    return staged(q, k, v, raw=lambda s: kept.append(s) or s, normalise=partial(less, lambda _: highest(kept[0])), **o)  # type: ignore[func-returns-value]


@fault("C16", only=("mask", "scale"))
def the_largest_size_is_taken_off(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """max |s|, which is the maximum of every row but those below 0."""
    return _less(_largest, q, k, v, **o)


@fault("C16", only=("is_causal", "scale"))
def the_maximum_of_the_last_tile_is_taken_off(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The loop keeps the maximum of the last tile of 16 keys instead of that of all."""
    return _less(lambda s: highest(s[..., max(s.shape[-1] - 1, 0) // 16 * 16 :]), q, k, v, **o)


@fault("C16", only=PLAIN)
def maxima_of_tiles_are_not_carried(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Each tile has a maximum of its own, and exp(old - new) rescales: right as long as that does not overflow."""

    def step(state: State, s: Array, values: Array) -> State:
        top = s.max(-1, initial=-np.inf)
        top = np.where(np.isneginf(top), state[0], top)
        powers, decay = np.exp(s - finite(top)[..., None]), np.exp(state[0] - finite(top))
        return top, decay * state[1] + powers.sum(-1), decay[..., None] * state[2] + powers @ values

    return tiled(q, k, v, step=step, **o)


@fault("C24", only=PLAIN)
def maxima_are_kept_in_float16(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The maximum is stored in 16 bits: a shift that no weight notices, but beyond 65504 it is infinite."""
    return _less(lambda s: highest(s).astype(np.float16).astype(s.dtype), q, k, v, **o)


@fault("C24", only=PLAIN)
def differences_from_the_maximum_are_kept_in_float16(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """s - max is rounded to 16 bits before exp."""

    def normalise(s: Array, sink: Any) -> Any:
        top = finite(highest(s))
        return less(_nothing, (s - top).astype(np.float16).astype(s.dtype), sink - top[..., 0])

    return staged(q, k, v, normalise=normalise, **o)


@fault("C24", "microsoft/onnxruntime#2715", only=("is_causal", "scale"))
def exponents_are_cut_at_eighty(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """No maximum is taken off; scores are cut to -80..80 instead, between which exp is finite in float32."""
    return staged(q, k, v, raw=lambda s: np.clip(s, -80, 80), normalise=partial(less, _nothing), **o)


@fault("C16", only=PLAIN)
def low_scores_are_cut_at_minus_10000(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Scores are kept above the number that hidden keys get, so that all keys of a low row become equal."""
    return staged(q, k, v, raw=lambda s: np.maximum(s, s.dtype.type(-1e4)), **o)


def _with_filler(filler: float, q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Hidden keys get the filler; rows that see nothing stay empty."""
    out = staged(q, k, v, hidden=filler, **o)
    return beside(out, lambda a: np.where(empty_rows(q, k, v, **o), 0, a).astype(a.dtype))


@fault("C03", only=("key_lengths", "scale"))
def keys_beyond_their_length_get_minus_30000(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A filler in a function that has lengths and neither mask nor bias."""
    return _with_filler(-3e4, q, k, v, **o)


@fault("C03", only=("window", "scale"))
def keys_outside_the_window_get_minus_a_million(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A filler in a function that has a window and neither mask nor bias."""
    return _with_filler(-1e6, q, k, v, **o)


@layer_fault("C16")
def the_largest_size_is_taken_off_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """max |s|."""
    return _layer(_largest, identity, *arrays, **o)


@layer_fault("C16")
def hidden_keys_count_in_the_maximum_of_a_layer(*arrays: Array, **o: Any) -> Any:
    """The maximum is taken before the mask is applied."""
    kept: list[Array] = []
    return _layer(lambda _: highest(kept[0]), lambda s: kept.append(s) or s, *arrays, **o)  # type: ignore[func-returns-value]


def _layer(top: Any, seen: Any, *arrays: Array, **o: Any) -> Any:
    """A layer whose softmax takes top(scores) off; `seen` gets them before the mask."""
    return layer(
        *arrays,
        mask_scores=lambda s, mask: hidden(seen(s), mask),
        normalise=lambda s: less(top, s, s.dtype.type(-np.inf))[0],
        **o,
    )
