"""Properties of numbers at the ends: NaN that must not spread or must not vanish, and scores far beyond a softcap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import default_scale
from attention_specs.attention.transform import contiguous
from attention_specs.formats import is_narrow, largest
from attention_specs.judge import VACUOUS, Verdict, within
from attention_specs.properties.relations import unchanged
from attention_specs.property import Attend, property_


def _answers(x: Inputs) -> bool:
    return 0 not in x.output_shape and x.k.shape[2] > 0


def _hidden_from_all(x: Inputs) -> np.ndarray:
    """Bool [B, Hkv, Lk]: keys that no query of the group may see."""
    b, _, lq, n = x.score_shape
    return np.logical_not(x.visible().reshape(b, -1, x.group * lq, n).any(2))


@property_("S1", needs=lambda x: _answers(x) and bool(_hidden_from_all(x).any()))
def nan_at_hidden_keys_has_no_influence(attend: Attend, x: Inputs) -> Verdict:
    """Where `masked_nan_safe` is declared, NaN in keys and values that nobody sees changes nothing (C15: vllm-swa-garbage-v)."""
    return _without_influence(attend, x, np.nan, "NaN")


def _without_influence(attend: Attend, x: Inputs, garbage: np.ndarray | float, what: str) -> Verdict:
    """Garbage, broadcastable to keys and values, at hidden keys changes nothing where the array is declared safe: keys, values or both."""
    declared = attend.declared("masked_nan_safe")
    if not declared:
        return VACUOUS
    x = contiguous(x)
    hidden, safe = _hidden_from_all(x)[..., None], {"keys": "k", "values": "v"}.get(str(declared), "kv")
    spoiled = {name: np.where(hidden, garbage, getattr(x, name)).astype(x.q.dtype) for name in safe}
    return unchanged(attend, x, attend(x.replace(**spoiled)), f"out, {what} at hidden keys", exact=True)


@property_("S2", every_other_case=True, needs=_answers)
def nan_values_show(attend: Attend, x: Inputs) -> Verdict:
    """Values of NaN give NaN in each row that sees a key, not a plausible number (C15: torch-cpu-nan-swallowed)."""
    exact = attend.expected(x).exact
    rows = ~exact.empty & (exact.sink_weights < 0.5)  # weights that underflow beside a sink may be left out
    if not rows.any():
        return VACUOUS
    out = attend(x.replace(v=np.full_like(x.v, np.nan))).astype(np.float64)
    return within(out, np.where(np.isfinite(out), np.nan, out), 0.0, "out", rows, "all values are NaN")


@property_("S3", needs=lambda x: _answers(x) and x.softcap is not None and x.q.shape[3] > 0)
def scores_far_beyond_the_softcap_are_capped(attend: Attend, x: Inputs) -> Verdict:
    """Scores of a hundred times the cap count as the cap, and nothing overflows (C24: llamacpp-tanh-overflow)."""
    reach = np.abs(x.q.astype(np.float64)).sum(-1).max(initial=0) * np.abs(x.k.astype(np.float64)).max(initial=0)
    most = 3e4 if is_narrow(x.dtype) else 1e6
    wanted = min(100.0 * float(x.softcap or 0) / abs(float(default_scale(x)) or 1.0), most / max(1.0, abs(x.scale or 0)))
    if not 0 < reach < np.inf:
        return VACUOUS
    factor = max(2.0 ** np.floor(np.log2(wanted / reach)), 1.0)
    if factor * np.abs(x.q.astype(np.float64)).max() > largest(x.dtype) / 2:
        return VACUOUS
    y = x.replace(q=(x.q.astype(np.float64) * factor).astype(x.q.dtype))
    expected = attend.expected(y)
    return within(attend(y), expected.out, expected.bounds.out, "out, scores far beyond the cap", ~expected.exact.empty)


@property_(
    "S4", needs_recompile=True, options=("return_weights",), needs=lambda x: _answers(x) and bool((~x.visible().any(-1)).any())
)
def empty_rows_are_the_same_beside_weights(attend: Attend, x: Inputs) -> Verdict:
    """Asking for the weights changes nothing in rows that see no key either (C38: torch-mha-need-weights-nan)."""
    expected = attend.expected(x)
    rows = expected.exact.empty & expected.specified
    got, what = attend.out_beside(x, "weights"), "out beside weights"
    return within(got, attend(x), 2 * expected.out_bound, what, rows, "row sees no key")


def _with_other_options(x: Inputs) -> Inputs:
    """The same call with other numbers in its options, of the same shapes; x itself where it has none."""
    changes: dict[str, Callable[[Any], Any]] = {
        "softcap": lambda cap: cap / 2,
        "window": lambda window: tuple(side if side is None else side + 1 for side in window),
        "bias": lambda bias: np.where(np.isneginf(bias), bias, bias / 2),
        "mask": np.logical_not,
    }
    return x.replace(**{name: change(getattr(x, name)) for name, change in changes.items() if getattr(x, name) is not None})


@property_(
    "S5", needs_new_oracle=True, needs=lambda x: _answers(x) and any(a is not None for a in (x.softcap, x.window, x.bias, x.mask))
)
def options_are_read_in_every_call(attend: Attend, x: Inputs) -> Verdict:
    """A call that differs from the last one in the numbers of its options alone is answered anew (C35: mlx-alibi-class-cache)."""
    attend(x)
    y = _with_other_options(x)
    expected = attend.expected(y)
    return within(attend(y), expected.out, expected.bounds.out, "out, options changed", ~expected.exact.empty)


@property_("S6", needs=lambda x: _answers(x) and x.q.shape[3] > 0)
def nan_queries_show(attend: Attend, x: Inputs) -> Verdict:
    """A query of NaN gives NaN in its row, not zeros, and leaves the other rows alone (C15: torch-cpu-nan-swallowed)."""
    row, y = x.q.shape[2] // 2, contiguous(x)
    spoiled = np.arange(x.q.shape[2]) == row
    got = attend(y.replace(q=np.where(spoiled[:, None], np.nan, y.q).astype(y.q.dtype)))
    shows = _is_nan(got, spoiled & ~attend.expected(x).exact.empty, f"query {row} is NaN")
    others = np.where(spoiled[:, None], attend(y), got)
    return shows & unchanged(attend, y, others, f"out, query {row} NaN")


def _is_nan(out: np.ndarray, rows: np.ndarray, why: str) -> Verdict:
    """Every element of these rows is NaN; vacuous where there is no such row."""
    if not rows.any():
        return VACUOUS
    return within(out, np.full_like(out, np.nan), 0.0, "out", rows, why)


@property_("S7", every_other_case=True, needs=lambda x: _answers(x) and x.q.shape[3] > 0 and bool(x.visible().any()))
def nan_keys_show(attend: Attend, x: Inputs) -> Verdict:
    """A key of NaN gives NaN in every row that sees it, not zeros (C15: torch-cpu-nan-swallowed)."""
    seen = np.isfinite(attend.expected(x).exact.scores)
    keys = np.flatnonzero(seen.any((0, 1, 2)))
    if not keys.size:
        return VACUOUS
    key, x = int(keys[keys.size // 2]), contiguous(x)
    spoiled = np.arange(x.k.shape[2])[:, None] == key
    got = attend(x.replace(k=np.where(spoiled, np.nan, x.k).astype(x.k.dtype)))
    return _is_nan(got, seen[..., key], f"row sees key {key}, which is NaN")


def _stored(x: Inputs) -> bool:
    return x.storage is not None and _answers(x)


@property_("S9", needs_new_oracle=True, needs=_stored, about="storage")
def scales_of_any_size_are_factors(attend: Attend, x: Inputs) -> Verdict:
    """Scales that are no powers of two mean what they say, to the last digit of float32 (C23, C24)."""
    y = x.replace(factors=(1.3700001, 0.6300001))
    expected = attend.expected(y)
    return within(attend(y), expected.out, expected.bounds.out, "out of scales that are no powers of two", ~expected.exact.empty)


@property_(
    "S10",
    needs_new_oracle=True,
    needs=lambda x: _stored(x) and x.storage is not None and "v" in x.storage.arrays,
    about="storage",
)
def the_largest_stored_numbers_are_numbers(attend: Attend, x: Inputs) -> Verdict:
    """Values as large as the format has, of either sign, come out as they are weighed (C24)."""
    assert x.storage is not None
    signs = np.where(np.arange(x.v.shape[2])[:, None] % 3 == 0, -1.0, 1.0)
    y = x.replace(v=np.broadcast_to(signs * largest(x.storage.format), x.v.shape).astype(x.v.dtype), scale=0.0)
    expected = attend.expected(y)
    return within(attend(y), expected.out, expected.bounds.out, "out of the largest values", ~expected.exact.empty)


@property_("S8", needs=lambda x: _answers(x) and bool(_hidden_from_all(x).any()))
def infinity_at_hidden_keys_has_no_influence(attend: Attend, x: Inputs) -> Verdict:
    """Where `masked_nan_safe` is declared, infinities at keys that nobody sees change nothing (C15: torch-nan-in-masked)."""
    sign = np.where(np.arange(x.k.shape[2]) % 2 == 0, 1.0, -1.0)[:, None]
    return _without_influence(attend, x, sign * np.inf, "infinities")
