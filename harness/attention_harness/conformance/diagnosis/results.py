"""Readings of results: an output, a log-sum-exp or weights that are changed behind the right computation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from attention_harness.conformance.diagnosis.blocks import BLOCKS
from attention_harness.conformance.diagnosis.observations import Asked, Prediction
from attention_harness.conformance.diagnosis.readings import known, of_results
from attention_specs.attention.inputs import Inputs
from attention_specs.attention.spec import Expected

Move = Callable[[np.ndarray], np.ndarray]


def right(asked: Asked) -> Expected:
    """The right answer of attention."""
    assert isinstance(asked.expected, Expected)
    return asked.expected


def call(asked: Asked) -> Inputs:
    """The inputs of attention."""
    assert isinstance(asked.x, Inputs)
    return asked.x


def moved(asked: Asked, move: Move) -> Prediction:
    """The right output, in other places."""
    out = known(asked, "out")
    full = np.broadcast_to(out.rows[..., None], out.values.shape)
    return Prediction(move(out.values), move(np.broadcast_to(out.bound, out.values.shape)), np.asarray(move(full).all(-1)))


def zeroed(asked: Asked, kept: np.ndarray) -> Prediction | None:
    """The right output, 0 where it is not kept."""
    out = known(asked, "out")
    kept = np.broadcast_to(kept, out.values.shape)
    if kept.all():
        return None
    return replace(out, values=np.where(kept, out.values, 0), bound=np.where(kept, out.bound, 0))


@of_results("out")
def the_last_query_is_not_written(asked: Asked) -> Prediction | None:
    """The last row of the output is not written: zeros."""
    n = call(asked).q.shape[2]
    return zeroed(asked, (np.arange(n) < n - 1)[:, None]) if n > 1 else None


@of_results("out")
def the_last_query_is_the_one_before(asked: Asked) -> Prediction | None:
    """The last row of the output is the one before."""
    n = call(asked).q.shape[2]
    return moved(asked, lambda a: a[:, :, np.minimum(np.arange(n), n - 2)]) if n > 1 else None


@of_results("out")
def the_last_value_column_is_the_one_before(asked: Asked) -> Prediction | None:
    """The last column of the output is the one before."""
    n = call(asked).v.shape[3]
    return moved(asked, lambda a: a[..., np.minimum(np.arange(n), n - 2)]) if n > 1 else None


@of_results("out")
def value_columns_beyond_the_head_dim_are_zero(asked: Asked) -> Prediction | None:
    """Columns of the output beyond the head dim are not written: zeros."""
    x = call(asked)
    return zeroed(asked, np.arange(x.v.shape[3]) < x.q.shape[3])


@of_results("out")
def the_output_lies_as_blhd(asked: Asked) -> Prediction | None:
    """The output lies as [B, L, H, D], and is called [B, H, L, D]."""
    x = call(asked)
    if x.q.shape[1] == 1 or x.q.shape[2] == 1:
        return None
    return moved(asked, lambda a: np.ascontiguousarray(a.swapaxes(1, 2)).reshape(a.shape))


def _tails(block: int) -> None:
    """Registers the readings of what lies behind the last full block of this size."""

    def rows(asked: Asked) -> Prediction | None:
        n = call(asked).q.shape[2]
        return zeroed(asked, (np.arange(n) < n // block * block)[:, None]) if n > block else None

    def columns(asked: Asked) -> Prediction | None:
        n = call(asked).v.shape[3]
        return zeroed(asked, np.arange(n) < n // block * block) if n > block else None

    for function, what in ((rows, "queries"), (columns, "value dims")):
        function.__doc__ = f"{what} behind the last full block of {block} are not written: zeros"
        function.__name__ = function.__doc__
        of_results("out")(function)


for _block in BLOCKS:
    _tails(_block)


@of_results("lse", declaration='attention.conventions = {"lse_base": "2"}')
def the_lse_is_to_base_two(asked: Asked) -> Prediction | None:
    """The lse is the logarithm to base 2."""
    return None if asked.conventions.lse_base == "2" else _other_lse(asked, lambda lse: lse / np.log(2))


@of_results("lse", declaration='attention.conventions = {"lse_base": "e"}')
def the_lse_is_to_base_e(asked: Asked) -> Prediction | None:
    """The lse is the natural logarithm."""
    return None if asked.conventions.lse_base == "e" else _other_lse(asked, lambda lse: lse * np.log(2))


@of_results("lse")
def the_lse_is_multiplied_by_log_two(asked: Asked) -> Prediction | None:
    """The lse is multiplied by log(2)."""
    return _other_lse(asked, lambda lse: lse * np.log(2))


@of_results("lse")
def the_lse_leaves_out_the_maximum(asked: Asked) -> Prediction | None:
    """The lse is log(sum(exp(s - max))), without the maximum."""
    scores = right(asked).exact.scores
    top = scores.max(-1, initial=-np.inf)
    return _other_lse(asked, lambda lse: lse - np.where(np.isneginf(top), 0, top))


@of_results("lse")
def the_lse_is_the_maximum(asked: Asked) -> Prediction | None:
    """The lse is the maximum of the scores."""
    top = right(asked).exact.scores.max(-1, initial=-np.inf)
    return _other_lse(asked, lambda lse: np.where(np.isneginf(lse), lse, top))


@of_results("lse")
def the_lse_lies_as_blh(asked: Asked) -> Prediction | None:
    """The lse lies as [B, L, H], and is called [B, H, L]."""
    if 1 in asked.expected.lse.shape[1:]:
        return None
    return _other_lse(asked, lambda lse: np.ascontiguousarray(lse.swapaxes(1, 2)).reshape(lse.shape))


@of_results("lse")
def the_lse_is_that_of_unscaled_scores(asked: Asked) -> Prediction | None:
    """The lse is that of unscaled scores."""
    other = call(asked).replace(scale=1.0)
    return known(asked.meant_as(other), "lse")


@of_results("lse")
def the_lse_is_the_sum(asked: Asked) -> Prediction | None:
    """The lse is the sum of exp, without the logarithm."""
    lse = asked.predicted("lse")
    values = np.exp(lse.values)
    return replace(lse, values=values, bound=values * np.expm1(lse.bound))


@of_results("lse")
def the_lse_of_an_empty_row_is_zero(asked: Asked) -> Prediction | None:
    """The lse of a row that sees no key is 0."""
    return _lse_where_infinite(asked, 0.0)


@of_results("lse")
def the_lse_of_an_empty_row_is_infinite(asked: Asked) -> Prediction | None:
    """The lse of a row that sees no key is +inf."""
    return _lse_where_infinite(asked, np.inf)


@of_results("lse")
def the_lse_of_an_empty_row_is_nan(asked: Asked) -> Prediction | None:
    """The lse of a row that sees no key is NaN."""
    return _lse_where_infinite(asked, np.nan)


@of_results("lse")
def the_lse_is_not_written(asked: Asked) -> Prediction | None:
    """The lse is not written: zeros."""
    lse = asked.predicted("lse")
    return replace(lse, values=np.zeros_like(lse.values), bound=np.zeros_like(lse.values))


def _other_lse(asked: Asked, change: Move) -> Prediction:
    """The lse changed, and its bound the largest of all: none of the changes makes it twice as large."""
    lse = asked.predicted("lse")
    finite = np.where(np.isfinite(lse.bound), lse.bound, 0)
    return replace(lse, values=change(lse.values), bound=np.full(lse.values.shape, 2 * finite.max(initial=0)))


def _lse_where_infinite(asked: Asked, value: float) -> Prediction | None:
    lse = asked.predicted("lse")
    empty = np.isneginf(lse.values)
    return replace(lse, values=np.where(empty, value, lse.values)) if empty.any() else None


@of_results("weights")
def weights_are_those_before_the_mask(asked: Asked) -> Prediction | None:
    """The returned weights are those before the mask."""
    x = call(asked)
    if x.visible().all():
        return None
    hidden_by_nothing = x.replace(mask=None, is_causal=False, window=None, query_lengths=None, key_lengths=None)
    return known(asked.meant_as(hidden_by_nothing), "weights")


@of_results("weights")
def weights_are_the_mean_over_heads(asked: Asked) -> Prediction | None:
    """The returned weights of all heads are their mean."""
    return _other_weights(asked, lambda w: np.broadcast_to(w.mean(1, keepdims=True), w.shape))


@of_results("weights")
def weights_are_transposed(asked: Asked) -> Prediction | None:
    """The returned weights are transposed: [B, H, Lk, Lq]."""
    x = call(asked)
    return _other_weights(asked, lambda w: w.swapaxes(2, 3)) if x.q.shape[2] == x.k.shape[2] > 1 else None


@of_results("weights")
def weights_leave_out_the_sink(asked: Asked) -> Prediction | None:
    """The returned weights leave out the sink."""
    x = call(asked)
    return None if x.sinks is None else known(asked.meant_as(x.replace(sinks=None)), "weights")


def _other_weights(asked: Asked, change: Move) -> Prediction:
    weights = asked.predicted("weights")
    rows = change(np.broadcast_to(weights.rows[..., None], weights.values.shape) * 1.0) > 0
    return Prediction(change(weights.values), change(weights.bound), np.asarray(rows.all(-1)))


@of_results("out")
def the_mask_comes_after_the_softmax(asked: Asked) -> Prediction | None:
    """The mask is applied after the softmax, and rows do not sum to one again."""
    x = call(asked)
    seen = x.allowed()
    if seen.all():
        return None
    hidden_by_nothing = x.replace(mask=None, is_causal=False, window=None, query_lengths=None, key_lengths=None)
    before = right(asked.meant_as(hidden_by_nothing))
    values = np.where(seen, before.weights, 0) @ before.exact.values
    bound = before.bounds.weights @ np.abs(before.exact.values) + before.bounds.out
    return Prediction(values, np.where(seen.any(-1, keepdims=True), bound, 0.0), np.asarray(seen.any(-1)))


@of_results("out")
def the_last_value_is_that_of_the_sink(asked: Asked) -> Prediction | None:
    """The sink has a value: that of the last key."""
    x = call(asked)
    if x.sinks is None or not x.k.shape[2]:
        return None
    exact = right(asked).exact
    values = exact.out + exact.sink_weights[..., None] * exact.values[:, :, -1:]
    return Prediction(values, 2 * right(asked).bounds.out, ~exact.empty)
