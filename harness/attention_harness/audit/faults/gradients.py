"""Formulas of the backward pass that are wrong, and its precision (C02, C17, C18, C23 to C26)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._backward import (
    Gradients,
    Pass,
    backward,
    begin,
    differentiable,
    of_bias,
    of_keys,
    of_queries,
    probabilities,
    rowsums,
    slopes,
)
from attention_harness.audit.faults._parts import lse_of, rounded

Array = np.ndarray


@fault("C26")
@differentiable
def the_rowsum_is_forgotten(*asked: Any) -> Gradients:
    """dS = W * dP: the softmax is taken for an elementwise function."""
    return backward(*asked, means=lambda p: 0 * rowsums(p))


@fault("C26", "Dao-AILab/flash-attention@b3f1b6a5")
@differentiable
def the_rowsum_is_that_of_the_first_head(*asked: Any) -> Gradients:
    """The index into D lacks the head."""
    return backward(*asked, means=lambda p: np.broadcast_to(rowsums(p)[:, :1], p.lse.shape))


@fault("C26")
@differentiable
def the_rowsum_is_that_of_the_first_batch_entry(*asked: Any) -> Gradients:
    """The index into D lacks the batch entry."""
    return backward(*asked, means=lambda p: np.broadcast_to(rowsums(p)[:1], p.lse.shape))


def _from(p: Pass, lse: Array) -> Array:
    """Weights by another log-sum-exp."""
    return np.where(np.isneginf(p.scores), 0, np.exp(p.scores - lse))


@fault("C26")
@differentiable
def the_lse_is_that_of_the_first_head(*asked: Any) -> Gradients:
    """The index into the log-sum-exp lacks the head."""
    return backward(*asked, weights=lambda p: _from(p, p.lse[:, :1]))


@fault("C17")
@differentiable
def the_lse_is_taken_for_base_two(*asked: Any) -> Gradients:
    """Weights are recomputed with exp2."""
    return backward(*asked, weights=lambda p: np.where(np.isneginf(p.scores), 0, np.exp2(p.scores - p.lse)))


@fault("C17")
@differentiable
def the_lse_is_kept_in_half_precision(*asked: Any) -> Gradients:
    """Weights are recomputed with a log-sum-exp that was stored in float16."""
    return backward(*asked, weights=lambda p: _from(p, p.lse.astype(np.float16).astype(p.lse.dtype)))


@fault("C18")
@differentiable
def the_lse_knows_nothing_of_the_sink(*asked: Any) -> Gradients:
    """Weights are recomputed with the log-sum-exp of the keys alone."""
    arrays, options = asked[:2]
    return backward(*asked, weights=lambda p: _from(p, lse_of(*(arrays[name] for name in "qkv"), **options)[..., None]))


@fault("C23")
@differentiable
def the_scale_is_forgotten_in_dk(*asked: Any) -> Gradients:
    """dK = dA^T Q."""
    return backward(*asked, keys=lambda p, da: of_keys(p, da) / (p.scale or 1))


@fault("C23")
@differentiable
def the_scale_is_applied_twice_in_dq(*asked: Any) -> Gradients:
    """K was scaled already."""
    return backward(*asked, queries=lambda p, da: p.scale * of_queries(p, da))


@fault("C26", "Dao-AILab/flash-attention#2402")
@differentiable
def the_slope_of_the_softcap_is_forgotten(*asked: Any) -> Gradients:
    """The output of the softcap gets the gradient of its input."""
    return backward(*asked, slope=lambda p: 1.0)


@fault("C26")
@differentiable
def the_slope_of_the_softcap_is_not_squared(*asked: Any) -> Gradients:
    """1 - tanh."""
    return backward(*asked, slope=lambda p: 1 - p.tanh)


@fault("C26")
@differentiable
def the_slope_of_the_softcap_is_that_of_the_bias_too(*asked: Any) -> Gradients:
    """The gradient of the bias passes through the softcap that the bias comes behind."""
    return backward(*asked, bias=lambda p, ds: of_bias(p, ds * slopes(p)))


@fault("C24")
@differentiable
def score_gradients_are_off_by_one_in_a_thousand(*asked: Any) -> Gradients:
    """Now more, now less, as a coarse exponential would have it."""

    def off(ds: Array) -> Array:
        return ds * (1 + 1e-3 * np.sin(37 * np.arange(ds.shape[-1], dtype=ds.dtype)))

    return backward(*asked, scores=off)


@fault("C24")
@differentiable
def score_gradients_are_rounded_to_bfloat16(*asked: Any) -> Gradients:
    """dS has eight bits, whatever the inputs have."""
    return backward(*asked, scores=lambda ds: rounded(ds, 8))


@fault("C25", "jax-ml/jax#24047")
@differentiable
def sixteen_bits_are_widened_in_the_forward_pass_alone(*asked: Any) -> Gradients:
    """Weights, row sums and dS are rounded to the 16 bits of the inputs, though `exact` is declared."""
    dtype = asked[0]["q"].dtype

    def stored(a: Array) -> Array:
        return a.astype(dtype).astype(a.dtype)

    return backward(*asked, weights=lambda p: stored(probabilities(p)), means=lambda p: stored(rowsums(p)), scores=stored)


@fault("C25")
@differentiable
def outputs_are_rounded_when_recording(arrays: Any, options: Any, wrt: Any, dout: Array) -> Gradients:
    """Beside gradients of q or k the output has eight bits."""
    out, gradients = begin(arrays, options, dout).out, backward(arrays, options, wrt, dout)
    return gradients | ({"out": rounded(out, 8).astype(dout.dtype)} if {"q", "k"} & set(wrt) else {})


@fault("C26", "Dao-AILab/flash-attention#443")
@differentiable
def rows_without_keys_have_no_guard(*asked: Any) -> Gradients:
    """exp(-inf - -inf) is NaN."""
    return backward(*asked, weights=lambda p: np.exp(p.scores - p.lse))


@fault("C02", "mindspore-lab/mindone#1229")
@differentiable
def rows_without_keys_count_all_keys_alike(*asked: Any) -> Gradients:
    """The finite filler of the backward pass makes a mean of them."""

    def alike(p: Pass) -> Array:
        return np.where(np.isneginf(p.lse), p.lse.dtype.type(1 / max(p.k.shape[2], 1)), probabilities(p))

    return backward(*asked, weights=alike)


@fault("C26", "jax-ml/jax@a282d586b6")
@differentiable
def hidden_scores_are_zeroed_after_the_exponential(*asked: Any) -> Gradients:
    """0 * exp(s - lse) is NaN where the exponential overflows: in rows without keys, and at hidden scores far above the others."""
    return backward(*asked, weights=lambda p: np.exp(p.open_scores - p.lse) * ~np.isneginf(p.scores))


@fault("C33")
@differentiable
def hidden_keys_count_in_backward(*asked: Any) -> Gradients:
    """The mask is not applied again."""
    return backward(*asked, weights=lambda p: np.exp(p.open_scores - np.where(np.isneginf(p.lse), np.inf, p.lse)))


@fault("C26", "Dao-AILab/flash-attention#334")
@differentiable
def one_query_and_one_key_give_nan(*asked: Any) -> Gradients:
    """The tail of dQ is not initialised at length 1."""
    alone = asked[0]["q"].shape[2] == asked[0]["k"].shape[2] == 1
    return backward(*asked, queries=lambda p, da: of_queries(p, da) * (np.nan if alone else 1))
