"""Properties of parts: keys, queries, values or documents taken apart and put together again give the whole."""

from __future__ import annotations

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.spec import Expected
from attention_specs.attention.transform import (
    append_hidden_keys,
    contiguous,
    spare_rows,
    take_keys,
    take_queries,
    with_garbage,
    without_sinks,
)
from attention_specs.formats import oracle_dtype
from attention_specs.judge import Verdict, within
from attention_specs.properties.relations import both, comparable_rows, either_right, unchanged, verdict_by_side
from attention_specs.property import Attend, property_


def _has_keys(x: Inputs, least: int = 1) -> bool:
    return 0 not in x.output_shape and x.k.shape[2] >= least


@property_("D1", needs_new_oracle=True, options=("return_lse",), needs=lambda x: _has_keys(x, 2))
def merging_two_halves_by_lse_gives_the_whole(attend: Attend, x: Inputs) -> Verdict:
    """Two sets of keys, each weighted by exp(its lse), make the whole (C16: fa2-splitkv-empty; C17: vllm-lse-base, aiter-lse-ksmooth)."""
    whole, n = without_sinks(x.with_explicit_mask()), x.k.shape[2]
    cut, work = max(n // 3, 1), oracle_dtype(x.dtype)
    halves = [take_keys(whole, keys) for keys in (np.arange(cut), np.arange(cut, n))]
    base = np.log(work.type(2)) if attend.declared("lse_base") == "2" else work.type(1)
    shares = _shares(np.stack([attend.extra(half, "lse").astype(work) * base for half in halves]))
    outs = np.stack([attend.out_beside(half, "lse").astype(work) for half in halves])
    merged = np.where(shares > 0, shares * outs, 0).sum(0)
    bound = _merging_error(*(attend.expected(half) for half in halves)) + attend.expected(whole).bounds.out
    rows = comparable_rows(attend, whole) & either_right(attend, whole, merged, attend(whole))
    rows &= np.logical_and.reduce([attend.expected(half).lse_in_range for half in halves])
    what = "out merged from two sets of keys"
    verdict = within(merged, attend(whole), bound, what, rows)
    return verdict_by_side(attend, whole, verdict, merged, attend(whole), what)


def _shares(lse: np.ndarray) -> np.ndarray:
    """The share of each part, from the lse [parts, B, Hq, Lq], with an axis for the values; 0 where no key is seen."""
    top = lse.max(0)
    powers = np.exp(lse - np.where(np.isneginf(top), 0, top))
    total = powers.sum(0)
    shares: np.ndarray = (powers / np.where(total == 0, 1, total))[..., None]
    return shares


def _merging_error(first: Expected, second: Expected) -> np.ndarray:
    """How far a merged output may be from the exact one, given the bounds b of the outputs and e of the lse of two parts.

    Write a for the exact share of the first part, so that o = a o1 + (1 - a) o2. Its logit is lse1 - lse2, off by at most
    e = e1 + e2, which moves the share by at most m = a (1 - a) (exp(e) - 1). Then, with primes for computed numbers,
    o' - o = a' (o1' - o1) + (1 - a') (o2' - o2) + (a' - a) (o1 - o2), of which each term is bounded by itself.
    """
    share = _shares(np.stack([first.exact.lse, second.exact.lse]).astype(np.float64))
    off = np.expm1(np.minimum(first.bounds.lse + second.bounds.lse, 700))[..., None]
    moved = np.minimum(share[0] * share[1] * off, 1)
    distance = np.abs(first.exact.out - second.exact.out).astype(np.float64)
    bound: np.ndarray = _part(share[0] + moved, first.bounds.out) + _part(share[1] + moved, second.bounds.out) + moved * distance
    return bound


def _part(share: np.ndarray, bound: np.ndarray) -> np.ndarray:
    """The error of the whole by that of a part: 0 where its share is 0, however far off the part may be."""
    part: np.ndarray = np.where(share > 0, share * bound, 0.0)
    return part


@property_("D2", needs_new_oracle=True, options=("return_lse",), needs=lambda x: _has_keys(x) and x.k.shape[2] <= 64)
def duplicated_keys_add_their_logarithm_to_lse(attend: Attend, x: Inputs) -> Verdict:
    """Each key three times adds log 3 to the lse, whatever the scores (C17: flex-lse-ln2, flex-lse-zeros; C12)."""
    once, work = without_sinks(x.with_explicit_mask()), oracle_dtype(x.dtype)
    thrice = take_keys(once, np.repeat(np.arange(x.k.shape[2]), 3))
    added = np.log2(work.type(3)) if attend.declared("lse_base") == "2" else np.log(work.type(3))
    bound = attend.expected(once).lse_bound + attend.expected(thrice).lse_bound
    wanted = attend.extra(once, "lse").astype(work) + added
    rows = attend.expected(once).lse_in_range & attend.expected(thrice).lse_in_range
    return within(attend.extra(thrice, "lse"), wanted, bound, "lse, every key three times", rows)


@property_("D3", needs_new_oracle=True, needs=_has_keys)
def appended_keys_behind_minus_infinity_change_nothing(attend: Attend, x: Inputs) -> Verdict:
    """Three more keys, hidden and full of garbage, change nothing (C12: ptxla-kv-pad, tt-decode-tile-leak; C03; C33)."""
    x = contiguous(x.with_explicit_mask())
    longer = append_hidden_keys(x, 3)
    behind = np.broadcast_to(np.arange(longer.k.shape[2]) >= x.k.shape[2], longer.k.shape[:3])
    return both(attend, x, with_garbage(longer, behind), "out, hidden keys appended")


@property_("D4", needs_new_oracle=True, every_other_case=True, needs=lambda x: _has_keys(x) and x.v.shape[3] > 1)
def value_columns_can_be_split(attend: Attend, x: Inputs) -> Verdict:
    """The first and the other value columns, asked for apart, are the whole (C21: jax-splash-vdim, fa3-hdimv-shape)."""
    parts = [np.ascontiguousarray(part) for part in np.array_split(x.v, 2, axis=-1)]
    got = np.concatenate([attend(x.replace(v=part)) for part in parts], -1)
    return unchanged(attend, x, got, "out of value columns in two parts")


@property_("D5", every_other_case=True, needs=lambda x: _has_keys(x) and x.k.shape[2] <= 64)
def values_add_up(attend: Attend, x: Inputs) -> Verdict:
    """Values rounded to few digits, and what that leaves, give outputs that add up (C24: values clipped or quantised)."""
    x = contiguous(x)
    high = _rounded(x.v)
    low = (x.v.astype(np.float64) - high.astype(np.float64)).astype(x.v.dtype)
    parts = [x.replace(v=part) for part in (high, low)]
    work = oracle_dtype(x.dtype)
    got = np.sum([attend(part).astype(work) for part in parts], 0)
    bound = sum(attend.expected(y).bounds.out for y in (x, *parts))
    what = "sum of the outputs of two parts of V"
    verdict = within(got, attend(x), bound, what, comparable_rows(attend, x))
    return verdict_by_side(attend, x, verdict, got, attend(x), what)


def _rounded(v: np.ndarray) -> np.ndarray:
    """The array rounded to four bits, so that the rest is a number of the dtype too."""
    fraction, exponent = np.frexp(v.astype(np.float64))
    return np.ldexp(np.round(16 * fraction) / 16, exponent).astype(v.dtype)


@property_("D6", needs_new_oracle=True, every_other_case=True, needs=lambda x: _has_keys(x) and x.q.shape[2] > 1)
def chunks_of_queries_give_the_whole(attend: Attend, x: Inputs) -> Verdict:
    """A prefill in up to three chunks gives what one gives (C04: onnx-causal-external-cache; C13: executorch-partial-block; C31)."""
    n = x.q.shape[2]
    cut = max(n // 3, 1)
    chunks = [np.arange(cut), np.arange(cut, min(2 * cut + 1, n)), np.arange(min(2 * cut + 1, n), n)]
    got = np.concatenate([attend(take_queries(x, chunk)) for chunk in chunks if chunk.size], 2)
    return unchanged(attend, x, got, "out of queries in chunks")


@property_("D7", needs_new_oracle=True, needs=lambda x: _has_keys(x, 2) and x.q.shape[2] > 1)
def packed_documents_do_not_see_each_other(attend: Attend, x: Inputs) -> Verdict:
    """Two documents in one row, kept apart by a mask, get what each gets alone (C10: jax-cudnn-packed-kv-offset; C13; C33)."""
    x = x.with_explicit_mask()
    (_, _, queries, keys), cuts = x.score_shape, (x.q.shape[2] // 2, max(x.k.shape[2] // 3, 1))
    same = (np.arange(queries)[:, None] < cuts[0]) == (np.arange(keys) < cuts[1])
    packed = x.replace(mask=np.broadcast_to(same if x.mask is None else same & x.mask, x.score_shape).copy())
    places = ((np.arange(cuts[0]), np.arange(cuts[1])), (np.arange(cuts[0], queries), np.arange(cuts[1], keys)))
    got = np.concatenate([attend(take_keys(take_queries(x, rows), columns)) for rows, columns in places], 2)
    return unchanged(attend, packed, got, "out of two documents alone")


@property_("D8", needs_new_oracle=True, needs=lambda x: x.is_causal and _has_keys(x) and x.q.shape[2] > 1)
def decoding_token_by_token_is_causal_prefill(attend: Attend, x: Inputs) -> Verdict:
    """A row of a causal call is that of one query with the keys up to it (C04: ort-causal-lq1-bottom-right; C13: mlx-causal-vector)."""
    got = attend(x).copy()
    for row in spare_rows(x):
        known = np.arange(np.clip(row + 1 + x.causal_shift.max(), 0, x.k.shape[2]))
        got[:, :, row] = attend(take_keys(take_queries(x, [row]), known))[:, :, 0]
    return unchanged(attend, x, got, "out of queries one by one")
