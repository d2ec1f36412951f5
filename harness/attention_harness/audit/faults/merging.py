"""Merges of two parts that are wrong: weights, the maximum, bases, empty parts, and the log-sum-exp that is carried on (C02, C16, C17)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from attention_harness.audit.faults import Attention, fault
from attention_harness.audit.faults.state import calls
from attention_implementations.numpy._common import finite
from attention_implementations.numpy.merge import merge as right
from attention_specs.contract import declares

Array = np.ndarray
Merged = tuple[Array, Array]

merge_fault: Callable[..., Callable[[Attention], Attention]] = partial(fault, spec="merge")
"""As `fault`, for a function with the signature of a merge."""


def weighed(a: Array, s: Array, b: Array, t: Array, top: Array, powers: Any = np.exp, logarithm: Any = np.log) -> Merged:
    """A merge whose maximum, exponential and logarithm can be exchanged."""
    p, q = powers(s - top), powers(t - top)
    total = p + q
    share = np.where(total == 0, 1, total)[..., None]
    out = (p[..., None] * a.astype(p.dtype) + q[..., None] * b.astype(q.dtype)) / share
    return out.astype(a.dtype), (logarithm(total) + top).astype(s.dtype)


@merge_fault("C16")
def parts_are_averaged(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Half of each, whatever their weights."""
    return ((a.astype(np.float64) + b.astype(np.float64)) / 2).astype(a.dtype), right(a, s, b, t)[1]


@merge_fault("C16")
def parts_are_added_without_rescaling(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """The outputs are taken for numerators, and added."""
    return (a.astype(np.float64) + b.astype(np.float64)).astype(a.dtype), right(a, s, b, t)[1]


@merge_fault("C16")
def the_heavier_part_is_all(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """The part with the larger lse wins."""
    return np.where((s >= t)[..., None], a, b), right(a, s, b, t)[1]


@merge_fault("C16")
def weights_are_those_of_the_other_part(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Each part gets the weight of the other."""
    return right(b, s, a, t)


@merge_fault("C16")
def shares_are_the_log_sum_exps(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Parts are weighed by their lse, not by its exponential."""
    total = finite(s) + finite(t)
    share = (finite(s) / np.where(total == 0, 1, total))[..., None]
    return (share * a + (1 - share) * b).astype(a.dtype), right(a, s, b, t)[1]


@merge_fault("C24")
def the_maximum_is_left_out(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Exponentials of the log-sum-exps themselves, which overflow."""
    return weighed(a, s, b, t, np.zeros_like(s))


@merge_fault("C16")
def the_maximum_is_that_of_the_first_part(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """A second part far above the first overflows."""
    return weighed(a, s, b, t, finite(s))


@merge_fault("C16")
def the_maximum_is_that_of_the_outputs(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """The largest output is taken off, not the largest lse."""
    with np.errstate(all="ignore"):
        top = np.maximum(a, b).astype(s.dtype).max(-1, initial=-np.inf)
    return weighed(a, s, b, t, finite(top))


@merge_fault("C17", "vllm-project/vllm#28840")
def exponentials_are_of_base_two(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Weights are powers of two of natural logarithms."""
    return weighed(a, s, b, t, finite(np.maximum(s, t)), np.exp2, np.log)


@merge_fault("C17")
def the_lse_alone_is_of_base_two(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """The output is right; the logarithm of the sum is binary."""
    return weighed(a, s, b, t, finite(np.maximum(s, t)), np.exp, np.log2)


@merge_fault("C17")
@declares(conventions={"lse_base": "2"})
def a_declared_base_of_two_is_natural(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Declared of base 2, and computed with e."""
    return right(a, s, b, t)


@merge_fault("C02")
def two_empty_parts_are_nan(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """-inf less -inf is not looked for."""
    return weighed(a, s, b, t, np.maximum(s, t))


@merge_fault("C02")
def two_empty_parts_have_a_finite_lse(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """The log of a sum that is kept above 0 by an epsilon."""
    out, lse = right(a, s, b, t)
    return out, np.where(np.isneginf(lse), np.log(1e-20), lse).astype(lse.dtype)


@merge_fault("C02")
def one_empty_part_empties_both(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """A row counts only where both parts have keys."""
    empty = np.isneginf(s) | np.isneginf(t)
    out, lse = right(a, s, b, t)
    return np.where(empty[..., None], 0, out).astype(a.dtype), np.where(empty, -np.inf, lse).astype(s.dtype)


@merge_fault("C02")
def an_empty_part_counts_as_one_key(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Its lse of -inf is replaced by 0, as a maximum of nothing is."""
    return right(a, finite(s), b, t)


@merge_fault("C17")
def the_lse_is_not_carried_on(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """The output is merged; the lse stays that of the first part, so that a third part weighs too much."""
    return right(a, s, b, t)[0], s.copy()


@merge_fault("C17")
def the_lse_is_the_larger_one(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """The maximum without the logarithm of the sum."""
    return right(a, s, b, t)[0], np.maximum(s, t)


@merge_fault("C17")
def the_lse_is_the_sum(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Logarithms are added."""
    return right(a, s, b, t)[0], s + t


@merge_fault("C17")
def the_lse_of_the_second_part_counts_twice(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Its power is added to the sum once more: the order of the parts matters."""
    out, lse = right(a, s, b, t)
    return out, right(a, lse, b, t)[1]


@merge_fault("C24")
def weights_are_rounded_to_sixteen_bits(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Shares are stored in float16, also of float32 outputs."""
    top = finite(np.maximum(s, t))
    p, q = np.exp(s - top), np.exp(t - top)
    total = np.where(p + q == 0, 1, p + q)
    shares = [(one / total).astype(np.float16).astype(s.dtype)[..., None] for one in (p, q)]
    return (shares[0] * a.astype(s.dtype) + shares[1] * b.astype(s.dtype)).astype(a.dtype), right(a, s, b, t)[1]


@merge_fault("C24")
def the_lse_is_rounded_to_the_dtype_of_the_outputs(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Beside 16-bit outputs the log-sum-exps are kept in 16 bits."""
    with np.errstate(all="ignore"):
        narrow = [one.astype(a.dtype).astype(s.dtype) for one in (s, t)]
    return right(a, narrow[0], b, narrow[1])


@merge_fault("C16")
def parts_far_apart_are_cut_at_sixteen(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """The distance of the parts is clipped, so that the lighter one keeps some weight."""
    top = finite(np.maximum(s, t))
    return right(a, np.where(np.isneginf(s), s, np.maximum(s, top - 16)), b, np.where(np.isneginf(t), t, np.maximum(t, top - 16)))


@merge_fault("C11")
def the_lse_of_another_head_is_read(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """[B, H, L] is read with the strides of [B, L, H]."""
    turned = [one.reshape(one.shape[0], one.shape[2], one.shape[1]).swapaxes(1, 2) for one in (s, t)]
    return right(a, turned[0], b, turned[1])[0], right(a, s, b, t)[1]


@merge_fault("C11")
def the_maximum_is_that_of_the_row_of_heads(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """One maximum for all heads: a head far below it has no weight left."""
    top = finite(np.maximum(s, t).max(1, keepdims=True, initial=-np.inf))
    return weighed(a, s, b, t, np.broadcast_to(top, s.shape))


@merge_fault("C34")
def the_first_part_is_merged_in_place(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """The accumulator is the first argument."""
    out, lse = right(a, s, b, t)
    if a.flags.writeable:
        a[...] = out
    return out, lse


@merge_fault("C34")
def an_empty_part_gives_the_other_itself(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Where one part is empty everywhere, the other one's memory comes back."""
    if np.isneginf(t).all() and t.size:
        return a, s
    return right(a, s, b, t)


@merge_fault("C25")
def the_lse_comes_back_in_the_dtype_of_the_outputs(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """16 bits are too few for the next merge."""
    out, lse = right(a, s, b, t)
    return out, lse.astype(a.dtype)


@merge_fault("C25")
def outputs_come_back_in_float32(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """The accumulator is not rounded back."""
    out, lse = right(a, s, b, t)
    return out.astype(np.float32), lse


@merge_fault("C15")
@declares(conventions={"masked_nan_safe": True})
def nan_of_an_empty_part_is_multiplied_by_zero(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Declared safe, and 0 times NaN is NaN."""
    return weighed(a, s, b, t, finite(np.maximum(s, t)))


@merge_fault("C32")
def parts_of_size_zero_are_refused(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """The largest lse of no rows is asked for."""
    return weighed(a, s, b, t, np.maximum(finite(s), finite(t)) + 0 * s.max())


@merge_fault("C30")
def every_other_merge_has_other_last_bits(a: Array, s: Array, b: Array, t: Array) -> Merged:
    """Every other time the shares are computed in another way, as by a thread that comes first."""
    return right(a, s, b, t) if next(calls("merge")) % 2 else weighed(a, s, b, t, np.maximum(finite(s), finite(t)))
