"""Each property of the layer rejects a planted fault, and all of them accept a layer without one."""

from __future__ import annotations

import pytest

from attention_harness.audit.faults import load_all
from attention_harness.audit.faults._layer_parts import layer
from attention_harness.conformance.check import load_properties
from attention_harness.conformance.judging import applies, judge
from attention_harness.generation.edge_cases import EDGE_CASES
from attention_harness.registry.loading import describe
from attention_specs import masks
from attention_specs.case import Case
from attention_specs.contract import declares
from attention_specs.multi_head.problem import LayerProblem
from attention_specs.multi_head.spec import realise
from attention_specs.property import PROPERTIES, properties_of

PROBLEMS = [
    LayerProblem(2, 3, 5, 7, 12),
    LayerProblem(3, 2, 5, 5, 8, "float64", masks.causal(), self_attention=True),
    LayerProblem(2, 2, 4, 6, 8, "float32", masks.random(5, 0.6, "bhij")),
    LayerProblem(2, 2, 4, 6, 8, "float32", masks.random(3, 0.6, "bj")),
    LayerProblem(2, 2, 4, 6, 8, "float32", masks.random(4, 0.6, "ij")),
    LayerProblem(1, 2, 3, 4, 8, "float32", masks.hidden_query(1)),
    LayerProblem(1, 4, 3, 1, 8),
    LayerProblem(1, 1, 2, 0, 3),
]
MORE_PROBLEMS = [
    LayerProblem(2, 3, 4, 4, 6, "float32", masks.random(6, 0.6, "bhij")),
    LayerProblem(2, 2, 4, 4, 8, "float32", masks.key_padding((3, 0))),
    LayerProblem(2, 2, 6, 4, 8, "float32", masks.key_padding((3, 2)) & masks.causal()),
    LayerProblem(2, 2, 4, 6, 8, "float16", masks.random(4, 0.6, "bij") & masks.hidden_query(1)),
    LayerProblem(2, 2, 4, 4, 8, "float32", self_attention=True),
]
CASES = [Case(problem, recipe, seed) for seed, recipe in enumerate(("normal", "loud_heads")) for problem in PROBLEMS]
CASES += [
    Case(problem, recipe, 5) for recipe in ("steep", "shifted_keys", "one_memory", "positions") for problem in MORE_PROBLEMS
]
CASES += [case for case in EDGE_CASES["multi-head"] if case.recipe == "low_scores"]

FAULTS = {name: fault for name, fault in load_all().items() if fault.spec == "multi-head"}
load_properties()


@declares(spec="multi-head", options=("mask", "return_weights"))
def control(*arrays, **options):
    return layer(*arrays, **options)


REJECTED_BY = {
    "layer_answers_every_problem": (
        "odd_numbers_of_queries_raise_in_a_layer", "odd_numbers_of_heads_raise_in_a_layer",
        "a_mask_of_each_head_raises_in_square_layers", "padding_with_causality_raises_in_a_layer",
    ),
    "layer_output_has_shape_and_dtype": ("a_layer_answers_in_half_precision",),
    "layer_leaves_inputs_alone": ("the_output_bias_is_written_to",),
    "layer_agrees_with_the_oracle": (
        "the_output_weights_are_transposed", "the_query_weights_are_transposed", "key_and_value_weights_are_exchanged",
        "the_output_bias_is_left_out", "the_output_bias_is_added_twice", "the_value_bias_is_left_out",
        "heads_are_joined_without_transposing", "heads_are_interleaved_on_both_ways",
        "the_mask_of_the_first_head_serves_all_in_a_layer", "weights_of_a_layer_have_half_precision", "a_layer_has_no_scale",
        "the_query_is_scaled_twice_in_a_layer", "a_layer_has_the_scale_of_its_number_of_heads",
        "scores_of_a_layer_are_divided_by_the_scale", "a_layer_computes_float64_in_float32",
        "the_maximum_is_not_taken_off_in_a_layer", "heads_of_a_layer_are_rounded_to_bfloat16",
        "the_projections_of_the_first_call_are_kept", "the_filler_times_zero_is_nan_in_a_layer", "booleans_are_added_in_a_layer",
        "masks_of_heads_and_entries_are_exchanged", "values_of_self_attention_are_its_queries",
        "values_that_are_the_keys_get_their_bias", "the_scale_of_a_layer_is_that_of_heads_padded_to_eight",
        "biases_of_a_layer_are_kept_in_float32", "masks_of_entries_are_tiled_over_the_heads_of_a_layer",
        "hidden_keys_of_a_layer_get_minus_10000", "maxima_of_a_layer_start_at_minus_10000",
        "the_largest_size_is_taken_off_in_a_layer",
    ),
    "layer_empty_rows_follow_the_declaration": (
        "rows_without_keys_give_the_mean_in_a_layer", "rows_without_keys_give_nan_in_a_layer",
        "entries_without_keys_give_nan_in_a_layer", "the_filler_of_half_precision_swallows_scores_in_a_layer",
        "rows_without_keys_are_zero_behind_the_output_projection",
    ),
    "layer_weights_agree_with_the_oracle": (
        "returned_weights_are_the_mean_of_the_heads", "returned_weights_are_those_after_dropout",
    ),
    "layer_output_does_not_depend_on_returning_weights": (
        "the_mask_is_dropped_beside_weights", "a_triangle_is_dropped_beside_weights", "rows_without_keys_give_nan_beside_weights",
        "whether_a_layer_returns_weights_is_settled_by_the_first_call",
    ),
    "layer_same_call_twice_gives_the_same": ("a_layer_counts_its_calls", "dropout_is_left_on_in_a_layer"),
    "layer_masked_keys_have_no_influence": (
        "ten_thousand_is_taken_off_where_masked", "hidden_keys_count_in_the_maximum_of_a_layer",
    ),
    "layer_all_true_mask_is_no_mask": ("true_means_ignore_in_a_layer", "queries_end_where_the_keys_do"),
    "layer_zeros_and_ones_are_a_mask": ("zeros_and_ones_are_added_in_a_layer", "ones_mean_ignore_in_a_layer"),
    "layer_broadcast_mask_is_the_full_mask": (
        "a_mask_for_all_heads_serves_the_first", "the_mask_is_expanded_on_the_wrong_axis",
        "padding_is_laid_on_the_queries_of_square_layers", "key_masks_are_taken_for_lengths",
    ),
    "layer_permuting_the_batch_permutes_the_output": ("the_mask_of_the_first_entry_serves_all_in_a_layer",),
    "layer_query_rows_are_independent": (
        "the_softmax_of_a_layer_runs_over_the_queries", "heads_of_square_layers_attend_over_the_columns",
    ),
    "layer_permuting_the_keys_changes_nothing": ("the_last_key_of_a_layer_is_forgotten",),
    "layer_permuting_the_heads_changes_nothing": ("heads_are_interleaved_on_the_way_in",),
    "layer_identity_projections_give_attention": ("a_layer_has_the_scale_of_the_model",),
    "layer_constant_values_come_back": (
        "the_softmax_of_a_layer_runs_over_the_heads", "the_mask_of_a_layer_comes_behind_the_softmax",
    ),
}  # fmt: skip
"""Property -> the faults that it must reject."""

LAYER_PROPERTIES = [
    property_.name for property_ in properties_of("multi-head") if property_.id != "L0" and not property_.over_run
]
"""All but the worked example, which has a case of its own and is tested with it, and properties of whole runs."""


@pytest.fixture
def findings_of(subject_of):
    """The findings of one property on all cases, one after the other."""

    def findings(function, property_):
        under_test = subject_of(function)
        for case in CASES:
            under_test.forget()
            x = realise(case)
            if applies(under_test, property_, x):
                yield from judge(under_test, x, [property_])

    return findings


@pytest.mark.parametrize("name", LAYER_PROPERTIES)
def test_a_control_is_accepted_by_properties_that_see_a_difference(name, findings_of):
    findings = list(findings_of(control, PROPERTIES[name]))
    assert [finding.verdict.message for finding in findings if finding.wrong] == []
    assert "agrees" in {finding.outcome for finding in findings}


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, faults in REJECTED_BY.items() for fault in faults])
def test_each_property_rejects_its_faults(name, fault, findings_of):
    assert any(finding.wrong for finding in findings_of(FAULTS[fault].function, PROPERTIES[name]))


def test_each_property_has_a_fault_and_each_fault_of_the_catalogue_a_property():
    assert sorted(REJECTED_BY) == sorted(LAYER_PROPERTIES)
    assert sorted(FAULTS) == sorted(fault for faults in REJECTED_BY.values() for fault in faults)


def test_faults_of_the_layer_are_loaded_as_layers():
    described = {describe(fault.function, name).spec for name, fault in FAULTS.items()}
    assert described == {"multi-head"}
    assert {fault.spec for fault in load_all().values()} == {"attention", "merge", "multi-head"}
