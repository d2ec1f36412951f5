"""Every property can fail: for each there is a small planted fault that it rejects, while controls pass."""

from __future__ import annotations

from functools import wraps
from itertools import count

import numpy as np
import pytest

from attention_harness.audit.faults import (  # fmt: skip
    caches,
    dims,
    dropped,
    fillers,
    heads,
    lse,
    nans,
    positions,
    precision,
    scales,
    sinks,
    state,
    stored,
    strides,
)
from attention_harness.audit.faults import masks as wrong_masks
from attention_harness.conformance.check import load_properties
from attention_harness.conformance.judging import fails
from attention_implementations.numpy.eager import attention
from attention_specs.property import PROPERTIES, properties_of

load_properties()

FAULTS = {}


def fault(*names):
    """Plants the function as a fault that each of these properties must reject."""

    def plant(function):
        faulty = wraps(attention)(function)
        FAULTS.update(dict.fromkeys(names, faulty))
        return faulty

    return plant


def beside(result, change):
    """The result with its output changed, alone or beside weights or lse."""
    return (change(result[0]), *result[1:]) if isinstance(result, tuple) else change(result)


@fault("every_problem_is_answered")
def refuses_size_zero(q, k, v, **options):
    if 0 in (*q.shape, *k.shape, *v.shape):
        raise ValueError("empty")
    return attention(q, k, v, **options)


@fault("output_has_the_shape_and_dtype_of_the_contract")
def answers_in_float64(q, k, v, **options):
    return beside(attention(q, k, v, **options), lambda out: out.astype(np.float64))


@fault("inputs_are_left_alone")
def cleans_its_keys_in_place(q, k, v, **options):
    if k.flags.writeable:
        k *= 0
    return attention(q, k, v, **options)


@fault("output_agrees_with_the_oracle", "weights_read_off_agree_with_the_oracle", "worked_example")
def drops_the_scale(q, k, v, **options):
    return attention(q, k, v, **options | {"scale": 1.0})


@fault("empty_rows_follow_the_declaration", "empty_rows_leave_other_rows_alone")
def one_empty_row_spoils_all(q, k, v, **options):
    _, lse = attention(q, k, v, **options | {"sinks": None, "return_weights": False, "return_lse": True})
    return beside(attention(q, k, v, **options), lambda out: out * np.nan if np.isneginf(lse).any() else out)


@fault("lse_agrees_with_the_oracle", "output_does_not_depend_on_returning_lse", "weights_and_lse_come_together_as_each_alone")
def lse_a_little_off_and_half_the_output(q, k, v, return_lse=False, **options):
    result = attention(q, k, v, return_lse=return_lse, **options)
    return (result[0] / 2, *result[1:-1], result[-1] + result[-1].dtype.type(1e-3)) if return_lse else result


@fault("weights_agree_with_the_oracle", "output_does_not_depend_on_returning_weights")
def forgets_causality_beside_weights(q, k, v, return_weights=False, **options):
    return attention(q, k, v, return_weights=return_weights, **options | ({"is_causal": False} if return_weights else {}))


CALLS = count()


@fault("same_call_twice_gives_the_same_bits")
def wobbles(q, k, v, **options):
    number = next(CALLS)
    return beside(attention(q, k, v, **options), lambda out: np.nextafter(out, out.dtype.type(np.inf)) if number % 2 else out)


@fault("weights_sum_to_one", "constant_values_come_back", "output_stays_within_the_visible_values")
def sums_too_little(q, k, v, **options):
    return beside(attention(q, k, v, **options), lambda out: out * out.dtype.type(1.125))


@fault("weights_are_not_negative")
def lets_weights_fall_below_zero(q, k, v, **options):
    return beside(attention(q, k, v, **options), lambda out: out - out.dtype.type(1e-3))


@fault("masked_weights_are_exactly_zero", "masked_keys_have_no_influence")
def hides_by_a_finite_number(q, k, v, mask=None, bias=None, **options):
    if mask is not None:
        bias = np.where(mask, 0.0, -10.0) + (0.0 if bias is None else bias.astype(np.float64))
        bias = bias.astype(q.dtype)
    return attention(q, k, v, bias=bias, **options)


@fault("equal_scores_give_the_mean_of_the_visible_values", "causal_window_and_lengths_are_masks", "future_keys_have_no_influence")
def sees_one_key_too_far(q, k, v, is_causal=False, window=None, **options):
    left, right = window or (None, None)
    window = (left, 1 if right is None else min(right, 1)) if is_causal else window
    return attention(q, k, v, window=window, **options)


@fault("a_mask_that_hides_nothing_changes_nothing")
def a_mask_switches_causality_off(q, k, v, mask=None, is_causal=False, **options):
    return attention(q, k, v, mask=mask, is_causal=is_causal and mask is None, **options)


@fault("a_boolean_mask_is_a_bias_of_minus_infinity")
def caps_the_bias(q, k, v, bias=None, **options):
    return attention(q, k, v, bias=None if bias is None else np.maximum(bias, bias.dtype.type(-5)), **options)


@fault("a_broadcast_mask_is_the_full_mask")
def ignores_masks_that_broadcast(q, k, v, mask=None, bias=None, **options):
    full = (*q.shape[:3], k.shape[2])
    mask, bias = (a if a is not None and a.shape == full else None for a in (mask, bias))
    return attention(q, k, v, mask=mask, bias=bias, **options)


def padded(a, block):
    return np.concatenate([a, np.zeros((*a.shape[:2], -a.shape[2] % block, a.shape[3]), a.dtype)], 2)


@fault("hidden_keys_can_be_left_out")
def unmasked_calls_see_the_padding(q, k, v, **options):
    if any(options.get(name) is not None for name in ("bias", "window", "key_lengths")) or not np.all(options.get("mask", True)):
        return attention(q, k, v, **options)
    return attention(q, padded(k, 4), padded(v, 4), **{n: o for n, o in options.items() if n != "mask"})


@fault("permuting_the_batch_permutes_the_output", "a_batch_entry_is_the_same_alone")
def all_entries_read_the_first_keys(q, k, v, **options):
    return attention(q, np.broadcast_to(k[:1], k.shape), v, **options)


@fault("permuting_the_heads_permutes_the_output")
def the_last_head_is_the_first(q, k, v, **options):
    return beside(
        attention(q, k, v, **options), lambda out: np.concatenate([out[:, :-1], out[:, :1]], 1) if out.shape[1] else out
    )


@fault("grouped_heads_are_repeated_heads")
def tiles_the_heads(q, k, v, **options):
    group = q.shape[1] // max(k.shape[1], 1)
    return attention(q, np.tile(k, (1, group, 1, 1)), np.tile(v, (1, group, 1, 1)), **options)


@fault("query_rows_are_independent")
def rows_lose_what_the_largest_row_drowns(q, k, v, **options):
    """Queries of a tile share one exponent: a row two thirds below the largest becomes 0."""
    size = np.abs(q.astype(np.float64)).max(-1, keepdims=True, initial=0)
    shared = size.max(-2, keepdims=True, initial=0)
    return attention(np.where(3 * size < shared, 0, q).astype(q.dtype), k, v, **options)


@fault("a_query_row_is_the_same_alone")
def decoding_ignores_the_mask(q, k, v, mask=None, **options):
    return attention(q, k, v, mask=None if q.shape[2] == 1 else mask, **options)


@fault("permuting_the_keys_changes_nothing", "doubling_every_key_changes_nothing")
def the_first_of_an_odd_number_of_keys_counts_twice(q, k, v, bias=None, **options):
    first = np.where(np.arange(k.shape[2]) == 0, 0.6875 * (k.shape[2] % 2), 0.0).astype(q.dtype)
    return attention(q, k, v, bias=first[None, None, None] if bias is None else bias + first, **options)


@fault("permuting_the_channels_changes_nothing")
def the_last_channel_may_be_left_out(q, k, v, **options):
    lost = q[..., :1].sum() > q[..., -1:].sum()
    return attention(np.concatenate([q[..., :-1], 0 * q[..., -1:]], -1) if lost else q, k, v, **options)


@fault("permuting_the_value_columns_permutes_the_output")
def the_last_column_may_be_the_first(q, k, v, **options):
    ordered = v[..., :1].sum() <= v[..., -1:].sum()
    return attention(q, k, v if ordered else np.concatenate([v[..., :-1], v[..., :1]], -1), **options)


@fault("memory_layout_does_not_matter")
def believes_that_keys_are_contiguous(q, k, v, **options):
    return attention(q, k if k.flags.c_contiguous else k[:, :, ::-1], v, **options)


@fault("doubling_the_values_doubles_the_output")
def clips_the_values(q, k, v, **options):
    return attention(q, k, np.clip(v, -1, 1), **options)


@fault("scale_folds_into_the_query")
def ignores_the_scale_it_is_given(q, k, v, scale=None, **options):
    return attention(q, k, v, **options)


@fault("shifting_all_scores_changes_nothing")
def exponentiates_without_the_maximum(q, k, v, bias=None, **options):
    out = attention(q, k, v, bias=bias, **options)
    return out if bias is None or not np.any(bias > 88) else beside(out, lambda a: a * np.nan)


SCALES = {}


@fault("calls_in_between_change_nothing")
def remembers_a_negated_query(q, k, v, **options):
    last = SCALES.setdefault((q.shape, k.shape), q.copy())
    SCALES[q.shape, k.shape] = q.copy()
    turned = q.size and np.array_equal(last, -q)
    return beside(attention(q, k, v, **options), lambda out: -out if turned else out)


@fault("sizes_that_do_not_fit_are_refused")
def cuts_keys_and_values_to_the_shorter(q, k, v, **options):
    if "past_k" in options:
        return attention(q, k, v, **options)
    length = min(k.shape[2], v.shape[2])
    return attention(q, k[:, :, :length], v[:, :, :length], **options)


ATTENTION = [
    property_
    for property_ in properties_of("attention")
    if not (property_.gradient or property_.over_run or property_.form or property_.id.startswith("V"))
    and property_.about not in ("domain", "operator")
]
"""Gradients, domains, operators, forms, published vectors and properties of whole runs have tests of their own."""

FROM_THE_CATALOGUE = {
    "two_threads_at_once_are_one_after_the_other": caches.calls_share_a_buffer,
    "keys_of_a_cache_are_keys": caches.the_triangle_starts_at_the_first_key,
    "prefill_in_chunks_gives_the_whole": caches.the_last_key_of_the_cache_is_lost,
    "nan_at_hidden_keys_has_no_influence": nans.nan_in_hidden_keys_spreads,
    "nan_values_show": nans.nan_values_become_zero,
    "scores_far_beyond_the_softcap_are_capped": precision.tanh_overflows,
    "empty_rows_are_the_same_beside_weights": positions.empty_rows_give_nan_beside_weights,
    "options_are_read_in_every_call": state.the_softcap_is_that_of_the_first_call,
    "the_first_query_is_the_same_alone": dropped.the_window_is_dropped_for_one_query,
    "nan_queries_show": nans.a_nan_score_loses_against_the_maximum,
    "nan_keys_show": nans.nan_becomes_zero,
    "infinity_at_hidden_keys_has_no_influence": nans.nan_in_hidden_values_spreads,
    "scales_of_any_size_are_factors": stored.scales_are_rounded_to_bfloat16,
    "the_largest_stored_numbers_are_numbers": stored.the_largest_codes_are_cut_at_256,
    "mask_and_bias_of_minus_infinity_are_joined": dropped.the_bias_is_dropped_beside_a_mask,
    "a_full_mask_by_stride_zero_is_the_mask": strides.a_mask_of_stride_zero_is_read_once,
    "masks_with_fewer_axes_mean_the_same": wrong_masks.masks_of_two_axes_are_taken_for_padding,
    "every_key_can_be_picked": heads.key_heads_are_tiled,
    "zero_scale_gives_the_mean": scales.a_scale_of_zero_is_the_default,
    "a_very_large_sink_takes_everything": sinks.the_sink_is_dropped_beside_a_mask,
    "a_very_small_sink_changes_nothing": sinks.the_sink_is_capped,
    "equal_scores_may_be_very_low": fillers.the_running_maximum_starts_at_minus_fifty_thousand,
    "raising_a_score_raises_its_weight": wrong_masks.a_bias_is_read_as_a_mask,
    "products_may_be_large_before_they_are_scaled": scales.float16_products_overflow_before_they_are_scaled,
    "merging_two_halves_by_lse_gives_the_whole": lse.lse_is_to_base_two,
    "duplicated_keys_add_their_logarithm_to_lse": lse.lse_is_the_maximum,
    "appended_keys_behind_minus_infinity_change_nothing": fillers.filler_is_added_not_set,
    "value_columns_can_be_split": dims.the_scale_is_that_of_the_value_dim,
    "values_add_up": precision.values_are_rounded_to_bfloat16,
    "chunks_of_queries_give_the_whole": dropped.the_mask_is_dropped_for_one_query,
    "packed_documents_do_not_see_each_other": wrong_masks.mask_rows_are_read_with_a_padded_stride,
    "decoding_token_by_token_is_causal_prefill": sees_one_key_too_far,
}
FAULTS.update(FROM_THE_CATALOGUE)


def test_every_property_of_the_attention_has_its_fault():
    assert set(FAULTS) == {property_.name for property_ in ATTENTION}


@pytest.mark.parametrize("name", [property_.name for property_ in ATTENTION])
def test_each_property_rejects_its_fault(name, subject_of, affordable):
    under_test, outcome = subject_of(FAULTS[name]), "errored" if name == "every_problem_is_answered" else "violates"
    with np.errstate(all="ignore"):
        findings = (fails(under_test, PROPERTIES[name], case) for case in affordable)
        assert any(finding and finding.outcome == outcome for finding in findings)
