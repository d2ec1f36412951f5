"""Gradients that lose or invent something at blocks, groups, lengths and sizes, or in some calls (C10, C12, C29, C30, C32, C33, C40)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._backward import (
    Gradients,
    Pass,
    backward,
    differentiable,
    of_keys,
    of_queries,
    of_values,
    probabilities,
)
from attention_harness.audit.faults._parts import finite, given, invisible
from attention_harness.audit.faults.state import calls

Array = np.ndarray
BLOCK = 16


def _tail(n: int) -> bool:
    """Whether the last block is not full."""
    return n % BLOCK != 0


@fault("C12")
@differentiable
def the_last_key_beyond_a_block_gets_no_gradient(*asked: Any) -> Gradients:
    """dK of the last key is not written where the last block of 16 is not full."""
    kept = (np.arange(asked[0]["k"].shape[2]) < asked[0]["k"].shape[2] - _tail(asked[0]["k"].shape[2]))[:, None]
    return backward(*asked, keys=lambda p, da: np.where(kept, of_keys(p, da), 0))


@fault("C12")
@differentiable
def the_last_query_is_dropped_from_dv(*asked: Any) -> Gradients:
    """The loop over queries ends one too early."""
    return backward(*asked, values=lambda p, w: w[:, :, :-1].swapaxes(-1, -2) @ p.dout[:, :, :-1])


@fault("C12", "Dao-AILab/flash-attention@a4f148b6")
@differentiable
def the_tail_of_the_last_block_repeats_the_last_query(*asked: Any) -> Gradients:
    """Queries beyond the end are read as the last one, and are not masked."""
    times = -asked[0]["q"].shape[2] % BLOCK

    def last(a: Array) -> Array:
        return a[:, :, -1:]

    def keys(p: Pass, da: Array) -> Array:
        return of_keys(p, da) + times * (last(da).swapaxes(-1, -2) @ last(p.q))

    def values(p: Pass, w: Array) -> Array:
        return of_values(p, w) + times * (last(w).swapaxes(-1, -2) @ last(p.dout))

    return backward(*asked, keys=keys, values=values)


@fault("C12", "NVIDIA/cudnn-frontend#160")
@differentiable
def keys_beyond_a_block_give_nan(*asked: Any) -> Gradients:
    """exp of what lies behind the last key is infinite, and infinite times 0 is NaN."""
    n = asked[0]["k"].shape[2]
    return backward(*asked, queries=lambda p, da: of_queries(p, da) * (np.nan if n > BLOCK and _tail(n) else 1))


@fault("C10")
@differentiable
def the_first_head_of_a_group_alone_counts(*asked: Any) -> Gradients:
    """dK and dV are not summed over the query heads that share a key head."""
    return backward(*asked, grouped=lambda a, key_heads: a[:, :: a.shape[1] // max(key_heads, 1)])


@fault("C10", "XunhaoLai/native-sparse-attention-triton#27")
@differentiable
def groups_are_summed_in_the_wrong_order(*asked: Any) -> Gradients:
    """A key head gets the sum of the query heads h, h + Hkv, h + 2 Hkv."""

    def strided(a: Array, key_heads: int) -> Array:
        return a.reshape(a.shape[0], a.shape[1] // max(key_heads, 1), key_heads, *a.shape[2:]).sum(1)

    return backward(*asked, grouped=strided)


@fault("C32")
@differentiable
def no_queries_are_refused(*asked: Any) -> Gradients:
    """A grid of size 0 cannot be launched."""
    if not asked[0]["q"].shape[2]:
        raise RuntimeError("grid=0, but should be at least 1")
    return backward(*asked)


@fault("C32")
@differentiable
def without_queries_the_gradients_of_keys_are_not_written(arrays: Any, options: Any, wrt: Any, dout: Array) -> Gradients:
    """The grid has a block for each tile of queries, and nobody fills dK and dV first."""
    gradients = backward(arrays, options, wrt, dout)
    return gradients if dout.shape[2] else {name: np.full_like(gradient, np.nan) for name, gradient in gradients.items()}


@fault("C32", "Dao-AILab/flash-attention#2421")
@differentiable
def an_entry_without_queries_leaves_nan_at_its_keys(arrays: Any, options: Any, wrt: Any, dout: Array) -> Gradients:
    """dK and dV of a batch entry whose query length is 0 are not written."""
    gradients = backward(arrays, options, wrt, dout)
    for name in {"k", "v"} & set(wrt):
        if options.get("query_lengths") is not None:
            gradients[name][options["query_lengths"] == 0] = np.nan
    return gradients


@fault("C33", "Dao-AILab/flash-attention#2167")
@differentiable
def key_lengths_are_ignored_in_backward(*asked: Any) -> Gradients:
    """The allocated length serves instead."""

    def longer(p: Pass) -> Array:
        seen = ~invisible(p.q, p.k, **{**p.options, "key_lengths": None}) & ~np.isneginf(p.lse)
        return np.where(seen, np.exp(p.open_scores - p.lse), 0)

    return backward(*asked, weights=longer)


@fault("C40", "NVIDIA/TransformerEngine#3216")
@differentiable
def wide_heads_have_the_maximum_of_another_entry(*asked: Any) -> Gradients:
    """D = 256 and batch 2: in dQ, weights more than e^4 above the row maximum of the entry before are cut off there."""
    wide = asked[0]["q"].shape[3] >= 256 and asked[0]["q"].shape[0] > 1

    def stale(p: Pass, da: Array) -> Array:
        top = finite(p.scores.max(-1, keepdims=True, initial=-np.inf))
        over = np.where(np.isneginf(p.scores), 0, p.scores - np.roll(top, 1, axis=0) - 4)
        return of_queries(p, da * np.exp(-np.maximum(over, 0)) if wide else da)

    return backward(*asked, queries=stale)


@fault("C29", "Dao-AILab/flash-attention#1500")
@differentiable
def offsets_into_dq_have_twelve_bits(*asked: Any) -> Gradients:
    """What lies beyond 4096 is not written (in life 2^31)."""
    return backward(*asked, queries=lambda p, da: _first(of_queries(p, da), 4096))


def _first(a: Array, n: int) -> Array:
    """The first n elements, then zeros."""
    return np.where(np.arange(a.size).reshape(a.shape) < n, a, 0)


@fault("C30")
@differentiable
def every_second_dk_is_off_by_one_rounding(*asked: Any) -> Gradients:
    """Two kernels take turns."""
    gradients = backward(*asked)
    if next(calls("dk")) % 2 and "k" in gradients and gradients["k"].dtype.itemsize > 2:
        gradients["k"] = np.nextafter(gradients["k"], gradients["k"].dtype.type(9))
    return gradients


@fault("C30", "Dao-AILab/flash-attention#359")
@differentiable
def a_race_overwrites_the_keys_of_dq(*asked: Any) -> Gradients:
    """With more than 16 queries, in one call of seven the keys are those of the next step already."""
    lost = asked[0]["q"].shape[2] > BLOCK and next(calls("race in dq")) % 7 == 0
    return backward(*asked, queries=lambda p, da: da @ np.roll(p.k, 1, axis=2) if lost else of_queries(p, da))


@fault("C30", "Dao-AILab/flash-attention#2549")
@differentiable
def the_last_block_does_not_reach_dq_under_causality(*asked: Any) -> Gradients:
    """The ordered sum over blocks of 16 keys ends before it, with causality or a window."""
    arrays, options = asked[:2]
    n = max(arrays["k"].shape[2] - 1, 0) // BLOCK * BLOCK
    short = n and (given(options, "is_causal") or given(options, "window"))
    return backward(*asked, queries=lambda p, da: da[..., :n] @ p.k[:, :, :n] if short else of_queries(p, da))


@fault("C16")
@differentiable
def weights_of_the_backward_pass_are_not_rescaled_beyond_a_block(*asked: Any) -> Gradients:
    """Each block of 16 keys is weighed by its own maximum where that is not the maximum of the row."""

    def own(p: Pass) -> Array:
        w, n = probabilities(p), p.scores.shape[-1]
        blocks = [p.scores[..., j : j + BLOCK].max(-1, keepdims=True, initial=-np.inf) for j in range(0, n, BLOCK)]
        tops = np.repeat(np.concatenate(blocks, -1), BLOCK, axis=-1)[..., :n] if blocks else p.scores
        return w * np.exp(np.minimum(finite(tops.max(-1, keepdims=True, initial=-np.inf)) - finite(tops), 2))

    return backward(*asked, weights=own)
