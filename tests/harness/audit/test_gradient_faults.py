"""Bugs planted in a backward pass are each rejected by their property; the control is not."""

from __future__ import annotations

import numpy as np
import pytest

from attention_harness import frameworks
from attention_harness.audit.faults import load_all
from attention_harness.audit.faults._backward import backward, differentiable
from attention_harness.conformance.check import load_properties
from attention_harness.conformance.judging import applies, judge
from attention_harness.frameworks import numpy_arrays
from attention_harness.generation.edge_cases import EDGE_CASES
from attention_harness.generation.sampling import draw
from attention_harness.generation.shapes import Shape
from attention_harness.generation.strategies import balanced
from attention_harness.registry.loading import describe
from attention_harness.registry.protocol import from_protocol
from attention_specs.attention.inputs import realise
from attention_specs.property import PROPERTIES

CONTROL = differentiable(backward)
FAULTS = {name: fault for name, fault in load_all().items() if hasattr(fault.function, "backward")}

REJECTED_BY = {
    "gradients_agree_with_the_oracle": (
        "the_rowsum_is_forgotten", "the_rowsum_is_that_of_the_first_head", "the_rowsum_is_that_of_the_first_batch_entry",
        "the_lse_is_that_of_the_first_head", "the_lse_is_taken_for_base_two", "the_scale_is_forgotten_in_dk",
        "the_scale_is_applied_twice_in_dq", "the_slope_of_the_softcap_is_forgotten", "the_slope_of_the_softcap_is_not_squared",
        "score_gradients_are_off_by_one_in_a_thousand", "score_gradients_are_rounded_to_bfloat16",
        "sixteen_bits_are_widened_in_the_forward_pass_alone", "hidden_scores_are_zeroed_after_the_exponential",
        "one_query_and_one_key_give_nan", "the_last_key_beyond_a_block_gets_no_gradient", "keys_beyond_a_block_give_nan",
        "the_tail_of_the_last_block_repeats_the_last_query", "the_first_head_of_a_group_alone_counts",
        "groups_are_summed_in_the_wrong_order", "wide_heads_have_the_maximum_of_another_entry", "offsets_into_dq_have_twelve_bits",
        "the_last_block_does_not_reach_dq_under_causality", "weights_of_the_backward_pass_are_not_rescaled_beyond_a_block",
        "dk_is_allocated_as_q_is", "dk_of_sliced_keys_has_gaps", "the_lse_is_read_as_if_packed",
        "an_entry_without_queries_leaves_nan_at_its_keys", "the_lse_is_kept_in_half_precision", "the_lse_knows_nothing_of_the_sink",
    ),
    "bias_and_sink_gradients_agree_with_the_oracle": (
        "the_bias_gradient_is_a_mean", "the_bias_gets_no_gradient", "the_bias_gradient_is_scaled", "the_bias_alone_has_no_lse",
        "the_bias_gradient_is_summed_over_the_batch", "the_slope_of_the_softcap_is_that_of_the_bias_too",
        "the_sinks_have_the_sign_of_a_key", "the_sinks_get_no_gradient",
    ),
    "keys_that_nobody_sees_get_no_gradient": ("hidden_keys_count_in_backward", "key_lengths_are_ignored_in_backward"),
    "an_output_gradient_in_one_row_reaches_one_query": ("the_last_query_is_dropped_from_dv",),
    "empty_rows_give_no_gradient": ("rows_without_keys_have_no_guard", "rows_without_keys_count_all_keys_alike"),
    "layout_of_the_output_gradient_does_not_matter": (
        "strides_of_the_output_gradient_are_ignored", "expanded_output_gradients_raise",
    ),
    "gradient_has_the_shape_and_dtype_of_its_argument": (
        "no_queries_are_refused", "without_queries_the_gradients_of_keys_are_not_written",
    ),
    "same_gradient_twice_gives_the_same_bits": ("every_second_dk_is_off_by_one_rounding", "a_race_overwrites_the_keys_of_dq"),
    "recording_gradients_does_not_change_the_output": ("outputs_are_rounded_when_recording",),
}  # fmt: skip
"""Property -> the faults that it must reject."""

ROW_SUMS = ("the_rowsum_is_forgotten", "the_rowsum_is_that_of_the_first_head", "the_rowsum_is_that_of_the_first_batch_entry")


SHAPES = [Shape(2, 4, 2, 5, 7, 8, 8), Shape(1, 2, 1, 17, 33, 16, 4), Shape(2, 2, 2, 1, 4, 4, 4), Shape(2, 6, 2, 3, 20, 4, 8)]
THRESHOLDS = [Shape(3, 4, 2, 2, 5, 256, 8), Shape(1, 2, 2, 1, 1, 8, 8), Shape(2, 2, 2, 20, 20, 8, 8)]
NO_QUERIES = [Shape(2, 2, 2, 0, 4, 4, 4)]
load_properties()

GRADIENT_PROPERTIES = sorted(
    name for name, property_ in PROPERTIES.items() if property_.gradient and property_.spec == "attention"
)


@pytest.fixture(scope="module")
def cases():
    """Edge cases of padded queries, and a few dozen small calls, most in float32; some of size 0, some just beyond a threshold."""
    drawn = [(SHAPES, ["float32"], 60), (NO_QUERIES, ["float32"], 2), (THRESHOLDS, ["float32"], 48)]
    drawn += [(SHAPES[:1], ["bfloat16", "float16", "float64"], 12)]
    padded = [case for case in EDGE_CASES["attention"] if case.problem.query_lengths]
    return padded + [case for start, (shapes, dtypes, n) in enumerate(drawn) for case in draw(balanced(shapes, dtypes), n, start)]


@pytest.fixture
def findings_of(subject_of, cases):
    """The findings of one property on all cases, one after the other."""

    def findings(function, property_):
        under_test = subject_of(function)
        for case in cases:
            under_test.forget()
            x = realise(case)
            if applies(under_test, PROPERTIES[property_], x):
                yield from judge(under_test, x, [PROPERTIES[property_]])

    return findings


@pytest.mark.slow
@pytest.mark.parametrize("property_", GRADIENT_PROPERTIES)
def test_a_sound_backward_pass_is_not_rejected(property_, findings_of):
    findings = list(findings_of(CONTROL, property_))
    assert [finding.verdict.message for finding in findings if finding.wrong] == []
    assert "agrees" in {finding.outcome for finding in findings}


@pytest.mark.parametrize(
    ("property_", "fault"), [(property_, fault) for property_, faults in REJECTED_BY.items() for fault in faults]
)
def test_each_fault_is_rejected_by_its_property(property_, fault, findings_of):
    assert any(finding.wrong for finding in findings_of(FAULTS[fault].function, property_))


@pytest.mark.parametrize("fault", ROW_SUMS)
def test_row_sums_reject_a_wrong_mean_without_an_oracle(fault, findings_of):
    assert any(
        finding.wrong for finding in findings_of(FAULTS[fault].function, "score_gradients_sum_to_zero_and_are_zero_where_masked")
    )


def test_each_fault_of_the_catalogue_has_its_property():
    assert sorted(FAULTS) == sorted(fault for faults in REJECTED_BY.values() for fault in faults)
    assert {(fault.spec, describe(fault.function, name).gradient) for name, fault in FAULTS.items()} == {("attention", True)}


def test_who_declares_no_gradient_is_not_asked(subject_of, cases):
    function = differentiable(backward)
    function.gradient = False
    assert not any(
        applies(subject_of(function), property_, realise(cases[0])) for property_ in PROPERTIES.values() if property_.gradient
    )


ASKED = {name: np.ones((1, 1, 1, 1)) for name in "qkv"}, {}, ("v",), np.ones((1, 1, 1, 1))


def test_a_numpy_function_without_a_backward_pass_has_no_gradient(findings_of):
    def attention(q, k, v):
        return 2 * v

    attention.gradient = True
    with pytest.raises(NotImplementedError, match="framework=numpy, but should be one that differentiates"):
        frameworks.gradient(numpy_arrays, attention, *ASKED)
    assert {finding.outcome for finding in findings_of(attention, "gradients_agree_with_the_oracle")} == {"unsupported"}


@pytest.mark.parametrize("own", [{}, {"out": np.full((1, 1, 1, 1), 7.0)}])
def test_the_output_beside_gradients_is_that_of_a_plain_call_or_the_one_that_comes_with_them(own):
    def attention(q, k, v):
        return 2 * v

    attention.backward = lambda arrays, options, wrt, dout: {"v": 2 * dout, "q": 0 * dout} | own
    out, gradients = frameworks.gradient(numpy_arrays, attention, *ASKED)
    assert (out.item(), list(gradients), gradients["v"].item()) == (7.0 if own else 2.0, ["v"], 2.0)


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_a_backward_pass_that_is_declared_counts_before_the_framework(framework):
    pytest.importorskip(framework)
    verbs = frameworks.load(framework)
    arrays, dout = {name: verbs.from_numpy(np.ones((1, 1, 1, 1)), "cpu") for name in "qkv"}, verbs.from_numpy(ASKED[3], "cpu")

    def attention(q, k, v):
        return 2 * v

    for factor in (2.0, 3.0):
        _, gradients = frameworks.gradient(verbs, attention, arrays, {}, ("v",), dout)
        assert verbs.to_numpy(gradients["v"]).item() == factor
        attention.backward = lambda arrays, options, wrt, dout: {"v": 3 * dout}


def test_gradients_are_a_dictionary():
    def attention(q, k, v):
        return 2 * v

    attention.backward = lambda arrays, options, wrt, dout: (dout, dout, 2 * dout)
    with pytest.raises(TypeError, match="gradients=tuple, but should be a dictionary"):
        frameworks.gradient(numpy_arrays, attention, *ASKED)


def test_a_gradient_that_is_asked_for_must_be_given():
    def attention(q, k, v):
        return 2 * v

    attention.backward = lambda arrays, options, wrt, dout: {"q": dout}
    with pytest.raises(TypeError, match="gradients=q, but should be those of v"):
        frameworks.gradient(numpy_arrays, attention, *ASKED)


def test_a_module_by_the_protocol_may_have_a_backward_pass():
    class Module:
        gradient = True
        backward = staticmethod(backward)

        @staticmethod
        def prepare(problem):
            return CONTROL

    attend = from_protocol(Module)
    assert describe(attend, "mine").gradient
    out, gradients = frameworks.gradient(numpy_arrays, attend, *ASKED)
    assert (out.item(), gradients["v"].item()) == (1.0, 1.0)
