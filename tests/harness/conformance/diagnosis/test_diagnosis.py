"""The reading that explains a failure is named, and no other; what is right, or fails once, has none."""

from __future__ import annotations

import numpy as np
import pytest

from attention_harness.audit.controls import CONTROLS
from attention_harness.audit.faults import load_all
from attention_harness.conformance.diagnosis import diagnosis
from attention_harness.conformance.diagnosis.diagnosis import Diagnosis, load_readings, nearest_fault, planted_faults
from attention_harness.conformance.diagnosis.larger import larger, resized
from attention_harness.conformance.diagnosis.observations import observe
from attention_harness.errors import CallFailed, Outcome
from attention_implementations.numpy.eager import attention as right
from attention_specs import biases, masks
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.contract import declares
from attention_specs.multi_head.problem import LayerProblem

FAULTS = load_all()
MASK, BIAS = masks.random(7, 0.5, "bhij"), biases.noise(1, 5.0, "bhij")

SMALL = {
    "key_heads_are_tiled": (Problem(query_heads=4, key_heads=2), "key_heads_are_tiled"),
    "the_mask_is_inverted": (Problem(key_length=3, mask=MASK), "the_mask_is_inverted"),
    "a_mask_is_added_as_zeros_and_ones": (Problem(key_length=2, mask=MASK), "the_mask_is_added"),
    "the_scale_divides": (Problem(key_length=2, head_dim=2), "the default scale is sqrt(D)"),
    "the_scale_is_ignored": (Problem(key_length=2, scale=0.7), "scale is ignored"),
    "causality_is_bottom_right": (Problem(key_length=2, is_causal=True), "is_causal is bottom-right"),
    "causality_is_dropped_without_a_mask": (Problem(key_length=2, is_causal=True), "is_causal is ignored"),
    "the_window_is_one_key_too_wide": (Problem(query_length=4, key_length=2, window=(1, None)), "the_window_is_one_key_too_wide"),
    "softcap_comes_after_the_bias": (Problem(key_length=2, bias=BIAS, softcap=5.0), "the_softcap_comes_after_the_bias"),
    "bias_is_scaled_too": (Problem(key_length=2, bias=BIAS, scale=0.7), "the_bias_is_scaled"),
    "output_is_reshaped_without_transposing": (Problem(query_heads=2, key_heads=2, query_length=2), "the_output_lies_as_blhd"),
    "lse_is_to_base_two": (Problem(), "the_lse_is_to_base_two"),
    "last_partial_block_is_forgotten": (Problem(key_length=33), "keys behind the last full block of 32 are ignored"),
    "empty_rows_give_nan": (Problem(query_length=2, mask=masks.hidden_query(1)), "empty rows are nan (attention)"),
    "the_first_key_length_serves_all": (Problem(batch=2, key_length=3, key_lengths=(3, 2)), "the_first_key_length_serves_all"),
    "the_scale_is_forgotten_in_dk": (Problem(query_length=2, key_length=2, head_dim=2), "dk is not scaled"),
    "the_query_weights_are_transposed": (LayerProblem(key_length=2, d_model=2), "the_query_weights_are_transposed"),
}
"""Fault -> a small problem that it fails on, and the reading that explains it."""


@pytest.mark.parametrize("name", SMALL)
def test_the_cause_is_named(name, subject_of):
    problem, reading = SMALL[name]
    diagnosed = Diagnosis(subject_of(FAULTS[name].function), seconds=60)
    diagnosed.hear(Case(problem))
    assert diagnosed.of(Case(problem)).name == reading


@pytest.mark.parametrize("name", ["padding_lanes_hold_garbage_under_causality", "the_order_of_summation_is_random"])
def test_another_cause_has_no_name(name, subject_of):
    diagnosed, case = Diagnosis(subject_of(FAULTS[name].function), seconds=60), Case(Problem(key_length=20, is_causal=True))
    diagnosed.hear(case)
    assert diagnosed.of(case) is None
    assert diagnosed.sentence(case) == ""


@pytest.mark.parametrize("name", [name for name, one in CONTROLS.items() if getattr(one, "spec", "attention") == "attention"][:6])
def test_a_right_function_looks_like_nothing(name, subject_of):
    diagnosed = Diagnosis(subject_of(CONTROLS[name]), seconds=60)
    for problem, _ in SMALL.values():
        if isinstance(problem, Problem):
            diagnosed.hear(Case(problem))
            assert diagnosed.sentence(Case(problem)) == ""


def inverted_for(shapes):
    """Attention that inverts masks of these shapes alone."""

    def attention(q, k, v, *, mask=None):
        return right(q, k, v, mask=~mask if mask is not None and mask.shape in shapes else mask)

    return attention


@pytest.mark.parametrize("shapes, named", [([(1, 1, 1, 3)], False), ([(1, 1, 1, 3), (2, 2, 3, 5)], True)])
def test_a_reading_explains_two_failing_calls(shapes, named, subject_of):
    case = Case(Problem(key_length=3, mask=MASK, dtype="float64"))
    diagnosed = Diagnosis(subject_of(once(inverted_for(shapes))), seconds=60)
    diagnosed.hear(case)
    assert (diagnosed.of(case) is not None) == named


def once(attention):
    """The function for a first look at each call: wrong for the numbers of seed 0, right for others of their shape."""
    first = {}

    def called(q, k, v, *, mask=None):
        known = first.setdefault(q.shape, q.tobytes())
        return attention(q, k, v, mask=mask) if known == q.tobytes() else right(q, k, v, mask=mask)

    return called


def test_failures_of_one_cause_share_the_reading_that_explains_most(subject_of):
    ambiguous, telling = (
        Case(Problem(key_length=800, window=(700, None), past=800)),
        Case(Problem(window=(0, 0), past=1)),
    )
    diagnosed = Diagnosis(subject_of(FAULTS["the_window_is_counted_without_the_cache"].function), seconds=60)
    for case in (ambiguous, telling):
        diagnosed.hear(case)
    assert {diagnosed.of(case).name for case in (ambiguous, telling)} == {"the_window_counts_without_the_cache"}


def test_nothing_is_asked_once_the_time_is_over(subject_of):
    diagnosed, case = Diagnosis(subject_of(FAULTS["the_mask_is_inverted"].function), seconds=0.0), Case(Problem(mask=MASK))
    diagnosed.hear(case)
    assert diagnosed.of(case) is None


def test_after_a_call_that_hangs_no_other_is_made(subject_of, monkeypatch):
    diagnosed, asked = Diagnosis(subject_of(FAULTS["the_mask_is_inverted"].function), seconds=60), []

    def hangs_at_last(under_test, case):
        asked.append(case)
        if len(asked) == 6:
            raise CallFailed(Outcome.TIMED_OUT, "no answer")
        return observe(under_test, case)

    monkeypatch.setattr(diagnosis, "observe", hangs_at_last)
    for case in (Case(Problem(key_length=3, mask=MASK)), Case(Problem(key_length=4, mask=MASK))):
        diagnosed.hear(case)
    assert len(asked) == 6


def test_of_several_readings_none_is_named_before_all_cases_were_asked(subject_of, monkeypatch):
    case, now = Case(Problem(key_length=2, is_causal=True)), iter(range(1000))
    diagnosed = Diagnosis(subject_of(FAULTS["causality_is_bottom_right"].function), seconds=3.5)
    monkeypatch.setattr(diagnosis, "monotonic", lambda: next(now))
    diagnosed.hear(case)
    assert diagnosed.of(case) is None


def test_a_convention_comes_with_its_declaration(subject_of):
    case = Case(Problem(key_length=2, is_causal=True))
    diagnosed = Diagnosis(subject_of(FAULTS["causality_is_bottom_right"].function), seconds=60)
    diagnosed.hear(case)
    sentence = diagnosed.sentence(case)
    assert sentence.startswith("is_causal counts from the last query and the last key; if it is meant so, declare ")
    assert 'attention.conventions = {"causal_alignment": "bottom-right"}' in sentence


def test_a_result_beside_a_right_output_is_named(subject_of):
    case = Case(Problem(key_length=2, head_dim=2, softcap=5.0))
    diagnosed = Diagnosis(subject_of(FAULTS["lse_leaves_out_the_softcap"].function), seconds=60)
    diagnosed.hear(case)
    assert diagnosed.sentence(case).startswith("softcap is ignored in the returned lse")


def test_the_nearest_planted_fault_is_named_with_its_bug():
    assert nearest_fault(load_readings()["key_heads_are_tiled"]) == "; planted fault key_heads_are_tiled (onnx/onnx#7274)"


def test_the_table_of_planted_faults_names_readings_and_faults_that_there_are():
    table = planted_faults()
    assert set(table) == {name for name, fault in FAULTS.items() if not fault.alone}
    assert {reading for fault in table.values() for reading in fault["readings"]} <= set(load_readings())
    assert {name: fault["link"] for name, fault in table.items()} == {name: FAULTS[name].link for name in table}


def test_sentences_are_plain_text():
    sentences = [reading.sentence for reading in load_readings().values()]
    assert all(sentence[0].islower() and not sentence.endswith(".") and "\n" not in sentence for sentence in sentences)


@pytest.mark.parametrize("problem", [problem for problem, _ in SMALL.values()], ids=str)
def test_larger_cases_keep_the_options(problem):
    case = Case(problem)
    for like in larger(case):
        assert [option.partition("=")[0] for option in like.problem.options()] == [
            option.partition("=")[0] for option in problem.options()
        ]
        assert like.problem.products >= problem.products


def test_lengths_and_a_cache_grow_with_the_keys():
    case = Case(Problem(batch=1, key_length=4, key_lengths=(3,), past=2))
    grown = resized(case, {"batch": 2, "key_length": 60}).problem
    assert grown.key_lengths == (41, 42)
    assert grown.past == 57
    assert np.diff([grown.past, grown.key_length]) > 0


def test_larger_cases_of_a_layer_keep_self_attention():
    case = Case(LayerProblem(batch=2, query_length=9, key_length=9, d_model=4, self_attention=True))
    assert {like.problem.self_attention for like in larger(case)} == {True}


def in_blhd(q, k, v):
    return right(*(a.swapaxes(1, 2) for a in (q, k, v))).swapaxes(1, 2)


def nan_but_zeros_without_keys(q, k, v, mask=None):
    scores = q @ k.swapaxes(-1, -2) * max(q.shape[-1], 1) ** -0.5
    scores = scores if mask is None else np.where(mask, scores, -np.inf)
    with np.errstate(all="ignore"):
        powers = np.exp(scores - scores.max(-1, keepdims=True, initial=-np.inf))
        return powers / powers.sum(-1, keepdims=True) @ v


@pytest.mark.parametrize(
    ("function", "problem", "declared", "declaration"),
    [
        (in_blhd, Problem(1, 2, 2, 4, 4, 4, 4), {}, 'declare attention.layout = "blhd"'),
        (
            nan_but_zeros_without_keys, Problem(key_length=0), {"empty_rows": "nan"},
            'declare attention.conventions = {"empty_rows": {"mask": "nan", "no_keys": "zeros"}}',
        ),
    ],
)  # fmt: skip
def test_a_form_that_may_be_meant_comes_with_its_declaration(function, problem, declared, declaration, subject_of):
    diagnosed = Diagnosis(subject_of(declares(conventions=declared)(function)), seconds=60)
    diagnosed.hear(Case(problem))
    assert declaration in diagnosed.sentence(Case(problem))
