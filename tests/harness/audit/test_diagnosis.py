"""Of the faults whose cause a reading describes most are named right; of the others few have a name, and of the controls none."""

from __future__ import annotations

import pytest

from attention_harness.audit.controls import CONTROLS
from attention_harness.audit.diagnosis import diagnosed, table
from attention_harness.audit.faults import load_all
from attention_harness.conformance.check import load_properties
from attention_harness.conformance.diagnosis.diagnosis import load_readings, planted_faults

FAULTS = load_all()

CAUSES = {
    "mask is ignored": "the_window_replaces_the_mask causality_replaces_the_mask the_mask_is_dropped_for_large_batches "
    "groups_of_three_ignore_the_mask_for_one_query the_mask_is_dropped_for_one_query a_mask_that_hides_little_is_dropped",
    "window is ignored": "the_mask_replaces_the_window the_window_is_dropped_without_a_mask the_window_is_dropped_beside_causality "
    "the_window_is_dropped_for_one_query few_queries_ignore_the_window the_window_is_dropped_beside_sinks_and_causality "
    "a_window_back_to_the_first_key_is_dropped_on_both_sides",
    "query_lengths is ignored": "the_mask_replaces_the_query_lengths query_lengths_are_dropped weights_of_padded_queries_are_returned "
    "padded_queries_are_zero_beside_key_lengths_only the_lse_of_padded_queries_is_that_of_their_garbage",
    "key_lengths is ignored": "keys_count_as_far_as_they_are_allocated the_mask_replaces_the_key_lengths key_lengths_are_dropped_for_a_batch_of_one "
    "key_lengths_are_dropped_without_query_lengths",
    "is_causal is ignored": "causality_is_skipped_for_one_query the_mask_replaces_causality key_lengths_switch_causality_off "
    "a_bias_replaces_causality a_window_replaces_causality causality_is_for_more_than_eight_queries causality_is_dropped_beside_weights "
    "causality_is_dropped_in_long_rows_of_few_queries causality_is_dropped_beside_weights_without_a_mask "
    "causality_is_dropped_without_a_mask causality_is_dropped_for_wide_heads causality_is_dropped_beside_the_lse "
    "few_short_keys_alone_without_causality",
    "softcap is ignored": "sequences_of_one_query_have_no_softcap softcap_is_dropped_with_unequal_lengths the_softcap_is_dropped the_softcap_is_dropped_for_one_query the_softcap_is_dropped_beside_sinks "
    "the_softcap_is_dropped_in_long_rows a_softcap_with_causality_and_a_window_is_dropped lse_leaves_out_the_softcap "
    "returned_weights_know_nothing_of_the_softcap",
    "bias is ignored": "a_bias_with_sinks_is_dropped half_precision_with_odd_dims_ignores_the_bias the_bias_is_dropped_beside_a_mask "
    "the_bias_is_dropped_for_one_query the_bias_is_dropped_beside_a_softcap lse_leaves_out_the_bias",
    "sinks is ignored": "sinks_are_dropped_in_long_decoding the_sink_is_dropped_beside_a_window the_sink_is_dropped_beside_a_mask "
    "a_single_key_ignores_the_sink lse_leaves_out_the_sink returned_weights_leave_out_the_sink returned_weights_know_nothing_of_the_sink",
    "scale is ignored": "the_scale_is_ignored a_scale_of_zero_is_the_default the_scale_is_ignored_beside_a_bias "
    "the_scale_is_ignored_for_one_query square_self_attention_alone_without_its_scale",
    "a_given_scale_is_left_out": "one_channel_has_no_scale",
    "the_mask_is_inverted": "the_mask_is_inverted a_padding_mask_is_inverted a_mask_per_head_is_inverted",
    "the_mask_is_added": "a_mask_is_added_as_zeros_and_ones",
    "mask_and_causality_are_joined_by_or": "mask_and_causality_are_joined_by_or",
    "the_bias_is_scaled": "bias_is_scaled_too",
    "the_bias_is_added_twice": "bias_is_added_twice_beside_a_mask",
    "the_bias_is_a_mask": "a_bias_is_read_as_a_mask a_bias_is_read_as_a_mask_for_one_query",
    "a_bias_of_zero_hides": "a_bias_of_zero_hides",
    "finite_biases_are_ignored": "a_bias_of_infinities_loses_its_finite_part",
    "the_softcap_comes_after_the_bias": "softcap_comes_after_the_bias the_softcap_of_grouped_heads_comes_after_the_bias",
    "the_softcap_comes_after_the_mask": "softcap_comes_after_the_mask softcap_comes_after_the_mask_for_one_query "
    "keys_beyond_the_length_are_hidden_before_the_softcap",
    "scale_comes_after_the_softcap": "scale_comes_after_the_softcap",
    "the_softcap_is_not_multiplied_back": "softcap_is_not_multiplied_back",
    "the_mask_comes_after_the_softmax": "mask_comes_after_the_softmax mask_comes_after_the_softmax_beside_a_softcap",
    "sinks_are_scaled": "the_sink_is_scaled",
    "sinks_are_capped": "the_sink_is_capped",
    "sinks_count_twice": "the_sink_counts_twice_for_one_query",
    "sinks_count_once_per_block_of_64": "the_sink_counts_once_per_block",
    "negative_sinks_are_ignored": "a_sink_below_the_scores_is_dropped",
    "sinks_are_read_by_key_head": "sinks_are_read_by_key_head",
    "the_first_sink_serves_all_heads": "the_first_sink_serves_all_heads",
    "the_last_value_is_that_of_the_sink": "the_sink_has_a_value",
    "the default scale is sqrt(D)": "the_scale_divides",
    "the default scale is 1/sqrt(Dv)": "the_scale_is_that_of_the_value_dim",
    "the default scale is 1/sqrt(H)": "the_scale_is_that_of_the_heads",
    "the default scale is 1/sqrt(H * D)": "the_scale_is_that_of_the_model",
    "the default scale is 1/int(sqrt(D))": "an_integer_root_is_taken_for_the_scale",
    "the default scale is 1/sqrt(D), D rounded up to a power of two": "the_scale_is_that_of_the_padded_dim_between_sizes",
    "the default scale is 1/sqrt(D), D rounded up to a multiple of 32": "the_scale_is_that_of_the_padded_dim",
    "a_given_scale_is_multiplied_by_the_default": "a_given_scale_is_multiplied_by_the_default",
    "the_sign_of_the_scale_is_lost": "a_negative_scale_counts_as_positive",
    "is_causal is bottom-right": "causality_is_bottom_right causality_beside_a_bias_is_bottom_right "
    "causality_is_bottom_right_for_more_keys causality_is_bottom_right_for_more_queries",
    "is_causal is top-left": "causality_counts_from_the_first_key declared_bottom_right_is_top_left_beside_a_mask declared_bottom_right_is_top_left_beside_a_window",
    "window is bottom-right": "the_window_is_bottom_right",
    "window is top-left": "windows_count_from_the_first_key a_declared_bottom_right_window_is_top_left a_declared_bottom_right_window_never_moves_left declared_bottom_right_is_top_left_beside_a_mask",
    "causality_hides_the_diagonal": "declared_bottom_right_shows_one_key_too_few causality_hides_the_diagonal_for_unequal_lengths",
    "causality_counts_without_the_cache": "the_triangle_starts_at_the_first_key",
    "the_window_counts_without_the_cache": "the_window_is_counted_without_the_cache the_triangle_starts_at_the_first_key",
    "causality_ends_at_the_key_length": "causality_is_shifted_by_the_key_length",
    "the_window_ends_at_the_key_length": "the_window_ends_at_the_key_length",
    "the_window_is_one_key_too_wide": "a_declared_bottom_right_window_is_one_key_wider_on_its_left the_window_is_one_key_too_wide odd_sides_of_a_window_show_one_key_more",
    "the_window_leaves_out_its_last_key": "the_window_leaves_out_its_last_key",
    "the_window_is_one_key_too_wide_ahead": "a_declared_bottom_right_window_is_one_key_wider_on_its_right the_window_is_one_key_too_wide_ahead odd_sides_of_a_window_show_one_key_more",
    "a_window_side_of_zero_is_open": "a_window_side_of_zero_is_open",
    "a_window_without_a_right_side_is_causal": "a_window_without_a_right_side_is_causal",
    "the_right_side_of_the_window_is_open": "the_right_side_of_the_window_is_open",
    "the_sides_of_the_window_are_exchanged": "the_sides_of_the_window_are_exchanged sides_of_a_wide_window_are_exchanged",
    "key_lengths_are_inclusive": "the_key_length_is_inclusive",
    "query_lengths_are_inclusive": "the_query_length_is_inclusive",
    "the_first_key_length_serves_all": "every_sequence_has_as_many_keys_as_the_first the_length_of_the_first_entry_serves_all the_first_key_length_serves_all the_first_key_length_serves_all_beside_a_mask",
    "the_greatest_key_length_serves_all": "the_greatest_number_of_used_keys_serves_all the_greatest_key_length_serves_all",
    "a_key_length_of_zero_means_all": "a_key_length_of_zero_means_all",
    "queries_have_the_lengths_of_the_keys": "queries_have_the_lengths_of_the_keys",
    "keys_have_the_lengths_of_the_queries": "keys_have_the_lengths_of_the_queries",
    "lengths_are_exchanged": "lengths_are_exchanged_where_both_are_given",
    "key_lengths_count_new_keys_only": "key_lengths_count_new_keys_only",
    "key_lengths_are_rounded_up_to_blocks_of_32": "key_lengths_are_rounded_up_to_blocks",
    "key_heads_are_tiled": "key_heads_are_tiled grouping_is_tiled_for_one_query",
    "value_heads_are_tiled": "value_heads_are_tiled",
    "groups_are_powers_of_two": "groups_of_packed_heads_are_powers_of_two groups_are_rounded_to_powers_of_two",
    "values_lie_as_blhd": "values_are_reshaped_without_transposing",
    "the_output_lies_as_blhd": "output_is_reshaped_without_transposing",
    "square_keys_are_not_transposed": "square_keys_are_taken_to_be_transposed",
    "batch_and_heads_of_values_are_exchanged": "batch_and_heads_are_exchanged_where_they_are_equal",
    "the mask of batch entry 0 serves all": "the_first_mask_serves_all_entries the_first_mask_serves_all_entries_without_a_head_axis "
    "dims_of_sixty_four_alone_with_one_mask",
    "the bias of batch entry 0 serves all": "the_first_bias_serves_all_entries the_bias_of_the_first_entry_serves_ten",
    "the mask of head 0 serves all": "the_first_head_masks_all",
    "the bias of head 0 serves all": "the_bias_takes_the_strides_of_the_mask",
    "the first row of the mask serves all queries": "the_first_row_of_a_mask_serves_all_beside_causality",
    "rows and columns of the mask are exchanged": "a_square_padding_mask_lies_on_the_query_axis a_square_mask_is_transposed",
    "query head h has the mask of key head h // group": "masks_per_head_are_read_by_key_head",
    "query head h has the bias of key head h // group": "a_bias_per_head_is_read_by_key_head",
    "query head h has the bias of head h - 1": "biases_of_heads_are_one_late",
    "batch and head of the mask are exchanged": "batch_and_head_of_a_mask_are_exchanged a_batch_of_masks_is_read_as_heads "
    "masks_of_entries_are_read_by_key_head_under_grouping",
    "keys behind the last full block of 32 are ignored": "last_partial_block_is_forgotten",
    "keys behind the last full block of 64 are ignored": "the_tail_of_a_long_row_is_forgotten",
    "keys behind the last full block of 128 are ignored": "last_partial_block_of_128_is_forgotten",
    "the_last_key_is_ignored": "last_block_is_forgotten_when_it_holds_one_key the_last_of_three_keys_is_lost "
    "the_last_key_of_repeated_keys_is_lost decoding_alone_without_its_last_key",
    "keys are padded with zeros to a multiple of 16, and the padding counts in the sum": "padded_keys_count_in_the_sum",
    "keys are padded with zeros to a multiple of 64, and the padding counts in the sum": "lse_counts_the_padding",
    "the mask hides no key behind the last full block of 16": "the_tail_of_a_masked_row_is_open",
    "as many blocks of 16 keys are visited as there are blocks of queries": "the_loop_over_keys_is_as_long_as_the_queries",
    "head dims beyond 64 are ignored": "channels_beyond_sixty_four_are_ignored",
    "head dims behind the last full block of 8 are ignored": "channels_behind_the_last_eight_are_ignored",
    "the_last_channel_is_ignored": "the_last_of_many_channels_is_ignored",
    "value dims behind the last full block of 8 are not written: zeros": "value_columns_behind_the_last_eight_are_zero",
    "value_columns_beyond_the_head_dim_are_zero": "value_columns_beyond_the_head_dim_are_zero",
    "the_last_value_column_is_the_one_before": "the_last_value_column_of_an_odd_number_is_the_one_before",
    "the_last_query_is_the_one_before": "the_last_query_of_a_block_and_one_is_the_one_before "
    "the_last_of_seven_queries_repeats_the_one_before",
    "the_last_query_is_not_written": "a_tuned_kernel_leaves_the_last_row_unwritten",
    "the_last_key_of_the_cache_is_zero": "the_last_key_of_the_cache_is_lost",
    "the_cache_is_put_behind_the_new_keys": "the_cache_is_put_behind_the_new_keys",
    "empty rows are nan (attention)": "sequences_without_keys_are_nan nan_declared_of_float16_is_given_in_all_sixteen_bits empty_rows_give_nan no_keys_give_nan "
    "empty_rows_give_nan_by_bias_only rows_emptied_by_mask_and_causality_give_nan an_empty_batch_entry_divides_by_zero "
    "key_length_zero_gives_nan empty_rows_beside_sinks_give_nan rows_emptied_by_the_window_give_nan empty_rows_give_nan_beside_weights "
    "a_mask_that_is_false_throughout_gives_nan filler_overflows_in_float16 an_empty_row_of_several_splits_gives_nan",
    "empty rows are uniform (attention)": "a_mean_declared_of_masks_is_given_for_biases empty_rows_give_the_mean "
    "rows_emptied_by_mask_and_causality_give_the_mean empty_rows_give_the_mean_above_one_block",
    "empty rows are nan (multi-head)": "rows_without_keys_give_nan_in_a_layer entries_without_keys_give_nan_in_a_layer "
    "rows_without_keys_give_nan_beside_weights",
    "empty rows are uniform (multi-head)": "rows_without_keys_give_the_mean_in_a_layer",
    "the_lse_is_to_base_two": "lse_is_to_base_two",
    "the_lse_is_to_base_e": "a_declared_base_of_two_is_e_beside_sinks",
    "the_lse_is_multiplied_by_log_two": "lse_is_multiplied_by_log_two",
    "the_lse_is_not_written": "lse_is_zero_for_one_query",
    "the_lse_is_the_maximum": "lse_is_the_maximum",
    "the_lse_lies_as_blh": "lse_has_the_strides_of_length_and_heads",
    "the_lse_of_an_empty_row_is_zero": "the_lse_of_a_sequence_without_keys_is_zero lse_of_an_empty_row_is_zero",
    "the_lse_of_an_empty_row_is_infinite": "lse_of_an_empty_row_is_infinite",
    "weights_are_the_mean_over_heads": "returned_weights_are_the_mean_over_heads",
    "weights_are_those_before_the_mask": "returned_weights_are_those_before_the_mask",
    "weights_are_transposed": "returned_weights_are_transposed_where_square",
    "float64 is computed in float32, or rounded to it (attention)": "everything_comes_back_in_float32 float64_is_computed_in_float32",
    "float64 is computed in float32, or rounded to it (multi-head)": "a_layer_computes_float64_in_float32",
    "the output is rounded to bfloat16 (attention)": "float16_passes_through_bfloat16",
    "the output is rounded to float16 (multi-head)": "a_layer_answers_in_half_precision",
    "the lse is rounded to float32": "the_lse_of_float64_is_float32",
    "the bias is rounded to float16": "the_bias_is_rounded_to_half_precision",
    "the bias is rounded to float32": "float64_biases_are_rounded_to_float32",
    "v is rounded to bfloat16": "values_are_rounded_to_bfloat16",
    "q, k and v are rounded to float16 or tf32": "inputs_are_rounded_to_tf32 decoding_of_a_batch_is_in_tf32",
    "weights are rounded to bfloat16": "weights_are_rounded_to_bfloat16 sixteen_bit_weights_are_stored_undeclared",
    "weights are rounded to float16": "weights_are_rounded_to_float16 the_output_beside_weights_is_in_half_precision "
    "sixteen_bit_weights_are_stored_undeclared",
    "dk is not scaled": "the_scale_is_forgotten_in_dk",
    "dq is scaled twice": "the_scale_is_applied_twice_in_dq",
    "the softmax's rowsum is left out of the backward pass": "the_rowsum_is_forgotten",
    "all heads have the rowsum of head 0 in the backward pass": "the_rowsum_is_that_of_the_first_head",
    "all batch entries have the rowsum of entry 0 in the backward pass": "the_rowsum_is_that_of_the_first_batch_entry",
    "all heads have the lse of head 0 in the backward pass": "the_lse_is_that_of_the_first_head",
    "weights of the backward pass are 2 ** (s - lse)": "the_lse_is_taken_for_base_two",
    "weights of the backward pass leave out the sink": "the_lse_knows_nothing_of_the_sink",
    "the slope of the softcap is left out of the backward pass": "the_slope_of_the_softcap_is_forgotten",
    "the slope of the softcap is 1 - tanh, without the square": "the_slope_of_the_softcap_is_not_squared",
    "the gradient of the bias has the slope of the softcap": "the_slope_of_the_softcap_is_that_of_the_bias_too",
    "hidden keys count in the backward pass": "hidden_keys_count_in_backward",
    "key_lengths is ignored in the backward pass": "key_lengths_are_ignored_in_backward",
    "dk and dv are those of the first head of each group": "the_first_head_of_a_group_alone_counts",
    "key head h gets dk and dv of the query heads h + n * Hkv": "groups_are_summed_in_the_wrong_order",
    "dk is 0 at the last key": "the_last_key_beyond_a_block_gets_no_gradient",
    "the last query does not count in dv": "the_last_query_is_dropped_from_dv",
    "keys behind the last full block of 16 do not count in dq": "the_last_block_does_not_reach_dq_under_causality",
    "the gradient of the bias is the mean over the axes of its broadcast": "the_bias_gradient_is_a_mean",
    "the gradient of the bias is scaled": "the_bias_gradient_is_scaled",
    "the gradient of the bias is summed over the batch": "the_bias_gradient_is_summed_over_the_batch",
    "the gradient of the sinks has the other sign": "the_sinks_have_the_sign_of_a_key",
    "dbias is not written: zeros": "the_bias_gets_no_gradient",
    "dsinks is not written: zeros": "the_sinks_get_no_gradient",
    "the_query_weights_are_transposed": "the_query_weights_are_transposed",
    "the_output_weights_are_transposed": "the_output_weights_are_transposed",
    "key_and_value_weights_are_exchanged": "key_and_value_weights_are_exchanged",
    "the_value_bias_is_left_out": "the_value_bias_is_left_out",
    "the_output_bias_is_left_out": "the_output_bias_is_left_out",
    "the_output_bias_is_added_twice": "the_output_bias_is_added_twice",
    "heads_are_interleaved_on_the_way_in": "heads_are_interleaved_on_the_way_in",
    "heads_are_interleaved_on_both_ways": "heads_are_interleaved_on_both_ways",
    "a_layer_has_no_scale": "a_layer_has_no_scale",
    "a_layer_is_scaled_twice": "the_query_is_scaled_twice_in_a_layer",
    "a_layer_has_the_scale_of_the_model": "a_layer_has_the_scale_of_the_model",
    "a_layer_has_the_scale_of_its_heads": "a_layer_has_the_scale_of_its_number_of_heads",
    "the_scale_of_a_layer_divides": "scores_of_a_layer_are_divided_by_the_scale",
    "the_mask_of_a_layer_is_ignored": "the_mask_is_dropped_beside_weights a_triangle_is_dropped_beside_weights",
    "the_mask_of_a_layer_is_inverted": "true_means_ignore_in_a_layer ones_mean_ignore_in_a_layer",
    "the_mask_of_the_first_entry_serves_all": "the_mask_of_the_first_entry_serves_all_in_a_layer",
    "the_mask_of_the_first_head_serves_all": "the_mask_of_the_first_head_serves_all_in_a_layer",
    "the_mask_of_a_layer_is_transposed": "padding_is_laid_on_the_queries_of_square_layers",
    "masks_of_heads_and_entries_are_exchanged": "masks_of_heads_and_entries_are_exchanged the_mask_is_expanded_on_the_wrong_axis "
    "masks_of_entries_are_tiled_over_the_heads_of_a_layer",
    "the_last_key_of_a_layer_is_ignored": "the_last_key_of_a_layer_is_forgotten",
    "no reading": "zeros_and_ones_are_added_in_a_layer booleans_are_added_in_a_layer returned_weights_are_the_mean_of_the_heads "
    "the_mask_of_a_layer_comes_behind_the_softmax weights_of_a_layer_have_half_precision the_softmax_is_in_the_dtype_of_the_inputs",
    "empty rows are nan (merge)": "two_empty_parts_are_nan",
    "key_lengths_count_from_the_end": "the_last_keys_of_what_is_allocated_are_used",
    "causality_ends_with_the_arrays": "causality_is_aligned_by_what_is_allocated declared_bottom_right_is_that_of_the_longest_entry "
    "declared_bottom_right_ends_at_the_key_length",
    "the_window_ends_with_the_arrays": "declared_bottom_right_is_that_of_the_longest_entry "
    "declared_bottom_right_ends_at_the_key_length",
}
"""Reading -> the faults that have this cause, by their sources; the last ones have a cause that no reading describes, and should."""

ALSO_TRUE = {
    "an_empty_split_gives_nan": "empty rows are nan (attention)",
    "few_queries_read_the_bytes_of_a_bias_as_a_mask": "bias is ignored",
    "filler_in_the_key_padding_only": "the_softcap_comes_after_the_mask",
    "queries_expanded_over_the_batch_are_answered_once": "the_first_entry_serves_all",
}
"""Fault with another cause -> a reading that is true of its answers all the same."""

EXPECTED = {
    fault: {reading for reading, faults in CAUSES.items() if fault in faults.split()}
    for fault in " ".join(CAUSES.values()).split()
}


def shares(readings_of):
    """The share of the expected faults that are named right and by no wrong name, and of the others that have a wrong name."""
    right = [set(names) > set() and set(names) <= EXPECTED[fault] for fault, names in readings_of.items() if fault in EXPECTED]
    wrong = [bool(set(names) - {ALSO_TRUE.get(fault)}) for fault, names in readings_of.items() if fault not in EXPECTED]
    return sum(right) / len(right), sum(wrong) / len(wrong)


def test_every_cause_is_a_reading_and_every_fault_is_there():
    assert set(CAUSES) - {"no reading"} <= set(load_readings())
    assert set(EXPECTED) | set(ALSO_TRUE) <= set(FAULTS)


def test_in_the_table_most_causes_are_named_and_few_wrong_ones():
    right, wrong = shares({name: fault["readings"] for name, fault in planted_faults().items()})
    assert right >= 0.7
    assert wrong <= 0.05


@pytest.mark.slow
def test_a_sample_of_the_catalogue_is_diagnosed_as_well():
    load_properties()
    expected = sorted(EXPECTED)[::10]
    others = sorted(name for name, fault in FAULTS.items() if name not in EXPECTED and not fault.alone)[::20]
    diagnoses = {name: diagnosed(FAULTS[name].function, name) for name in (*expected, *others)}
    right, wrong = shares({name: fault["readings"] for name, fault in table(diagnoses).items()})
    assert right >= 0.7
    assert wrong * len(others) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CONTROLS)[::6])
def test_a_control_fails_nothing_that_could_have_a_name(name):
    load_properties()
    assert set(diagnosed(CONTROLS[name], name).values()) <= {""}
