"""The cases that onnx generates: the oracle gives their answers, within the bound of the arithmetic that made them."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from dataclasses import replace
from functools import cache
from io import StringIO

import numpy as np
import pytest

from attention_harness.audit import faults
from attention_harness.cli.app import main
from attention_harness.conformance.check import load_properties
from attention_harness.conformance.judging import fails
from attention_harness.generation import suite
from attention_harness.generation.vectors import onnx_cases
from attention_harness.generation.vectors.onnx_masks import masking, visible_from_the_end
from attention_implementations.numpy import eager as numpy_eager
from attention_implementations.numpy import online as numpy_online
from attention_specs.attention.spec import expect, realise
from attention_specs.contract import Conventions
from attention_specs.judge import within
from attention_specs.properties.vectors import generated_within
from attention_specs.property import PROPERTIES

load_properties()
PUBLISHED = onnx_cases.published()
needed = pytest.mark.skipif(not PUBLISHED, reason="onnx is not installed")
every = pytest.mark.parametrize("name", [p.name for p in PUBLISHED])


@cache
def translated(name):
    """The published case, our inputs, the exact answer and the bounds of its arithmetic."""
    published = next(p for p in PUBLISHED if p.name == name)
    x = realise(onnx_cases.translated(published))
    exact = expect(x, Conventions(), None).exact
    return published, x, exact, generated_within(x, exact)


def deviations(name):
    """The differences between the published answers and the oracle's."""
    _, x, exact, bounds = translated(name)
    verdicts = [within(getattr(exact, answer), x.answers[answer], getattr(bounds, answer), answer) for answer in x.answers]
    return [verdict.message for verdict in verdicts if not verdict.holds]


@needed
def test_all_cases_of_the_pinned_version_are_there():
    assert len(PUBLISHED) == len({p.name for p in PUBLISHED}) == onnx_cases.provenance()["cases"]
    assert len(PUBLISHED) >= 93
    assert {p.opset for p in PUBLISHED} >= {23, 24, 25}


@every
def test_the_oracle_gives_the_published_answers(name):
    if name not in onnx_cases.EXPLAINED:
        assert deviations(name) == []


def test_what_is_explained_does_deviate():
    assert [name for name in onnx_cases.EXPLAINED if PUBLISHED and not deviations(name)] == []


@every
def test_a_cache_is_joined_before_the_new_keys(name):
    published, x, *_ = translated(name)
    for output, joined in (("present_key", x.k), ("present_value", x.v)):
        if output in published.outputs:
            assert np.array_equal(published.outputs[output], joined)


STEPS = {0: "scaled", 1: "capped", 2: "biased"}


@every
def test_the_scores_on_the_way_are_the_oracles(name):
    published, x, exact, _ = translated(name)
    mode = published.attributes.get("qk_matmul_output_mode", 0)
    if "qk_matmul_output" not in published.outputs or mode == onnx_cases.AFTER_SOFTMAX:
        return
    capped = exact.scaled if x.softcap is None else x.softcap * np.tanh(exact.scaled / x.softcap)
    wanted = {"scaled": exact.scaled, "capped": capped, "biased": exact.scores}[STEPS[mode]]
    roundoff = np.finfo(x.dtype).eps / 2
    sizes = np.abs(x.q).astype(float) @ np.repeat(np.abs(x.k), x.group, 1).swapaxes(-1, -2) / np.sqrt(x.q.shape[-1])
    bias = 0 if x.bias is None else np.where(np.isinf(x.bias), 0, np.abs(x.bias))
    bound = roundoff * ((x.q.shape[-1] + 4) * sizes + 4 * (x.softcap or 0) + sizes + bias)
    assert within(published.outputs["qk_matmul_output"], wanted, bound, "scores").holds


@needed
@pytest.mark.parametrize("function", [numpy_eager.attention, numpy_online.attention], ids=["eager", "online"])
def test_sound_implementations_agree_with_all(function, subject_of):
    under_test = subject_of(function)
    assert [v.name for v in onnx_cases.vectors() if fails(under_test, PROPERTIES["onnx_vectors"], v.case)] == []


WRONG = {
    "onnx_vectors": (
        "softcap_comes_after_the_mask",
        "causality_is_bottom_right",
        "key_heads_are_tiled",
        "the_window_is_one_key_too_wide",
    ),
    "onnx_weights": ("returned_weights_are_those_before_the_mask", "returned_weights_are_the_mean_over_heads"),
}


@needed
@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, wrong in WRONG.items() for fault in wrong])
def test_both_properties_reject_faults(name, fault, subject_of):
    under_test = subject_of(faults.load_all()[fault].function)
    findings = [fails(under_test, PROPERTIES[name], v.case) for v in onnx_cases.vectors()]
    assert "violates" in {finding.outcome for finding in findings if finding}


@needed
def test_another_question_is_not_held_against_anybody(subject_of):
    """Where an option is taken away, as when a failure is made small, the published answer is of another question."""
    case = onnx_cases.translated(next(p for p in PUBLISHED if p.name == "test_attention_4d_causal"))
    other = replace(case, problem=replace(case.problem, is_causal=False))
    under_test = subject_of(numpy_eager.attention)
    assert PROPERTIES["onnx_vectors"].check(under_test, realise(other)).vacuous
    assert not PROPERTIES["onnx_vectors"].check(under_test, realise(case)).vacuous


@needed
def test_who_counts_causality_from_the_end_is_asked_by_a_mask(subject_of):
    def bottom_right(q, k, v, *, mask=None, is_causal=False):
        queries, keys = q.shape[2], k.shape[2]
        seen = np.tri(queries, keys, keys - queries if is_causal else keys, dtype=bool)
        return numpy_eager.attention(q, k, v, mask=seen if mask is None else seen & mask)

    bottom_right.conventions = {"causal_alignment": "bottom-right"}
    under_test = subject_of(bottom_right)
    causal = [p for p in PUBLISHED if p.attributes.get("is_causal") and "attn_mask" not in p.inputs]
    findings = [fails(under_test, PROPERTIES["onnx_vectors"], onnx_cases.translated(p)) for p in causal]
    assert len(findings) > 10
    assert not any(findings)


def test_lengths_that_are_shorter_than_the_queries_empty_the_first_rows():
    seen = visible_from_the_end(np.array([2, 4]), True, (None, None), 3, 4)
    assert seen[:, 0].astype(int).tolist() == [
        [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]],
        [[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]],
    ]
    narrow = visible_from_the_end(np.array([4]), False, (1, 0), 2, 5)
    assert narrow[0, 0].astype(int).tolist() == [[0, 1, 1, 0, 0], [0, 0, 1, 1, 0]]


def test_a_short_mask_hides_the_keys_beyond_its_end():
    _, arrays = masking({}, {"attn_mask": np.array([True, False])}, 1, 4)
    assert arrays["mask"].tolist() == [[[[True, False, False, False]]]]
    _, arrays = masking({}, {"attn_mask": np.array([[0.5]], np.float32)}, 1, 2)
    assert arrays["bias"].tolist() == [[[[0.5, -np.inf]]]]


def test_generating_the_cases_leaves_the_random_numbers_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    onnx_cases.published.cache_clear()
    assert len(onnx_cases.published()) == len(PUBLISHED)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def checked(folder, *names):
    """The rows of a run for the published answers alone, and their part of run.json."""
    out = StringIO()
    with redirect_stdout(out):
        main(["check", *names, "--property", "onnx_vectors", "--examples", "1", "--json", "--output", str(folder)])
    return json.loads(out.getvalue())["checks"], json.loads((folder / "run.json").read_text())["vectors"]["onnx"]


@pytest.mark.slow
@needed
def test_a_run_counts_what_was_judged_and_says_what_was_published(tmp_path):
    rows, provenance = checked(tmp_path, "numpy-eager")
    assert {row["outcome"] for row in rows} == {"agrees"}
    assert sum(row["cases"] for row in rows if row["property"] == "onnx_vectors") == provenance["cases"] == len(PUBLISHED)
    assert provenance["version"]
    assert provenance["explained"] == onnx_cases.EXPLAINED


@pytest.mark.slow
def test_without_onnx_the_property_says_how_to_get_it(tmp_path, monkeypatch):
    reason = "onnx is not installed: python -m pip install -c constraints.txt -e '.[onnx]'"
    for module in (suite, onnx_cases):
        monkeypatch.setattr(module, "installed", lambda name: reason)
    onnx_cases.published.cache_clear()
    try:
        rows, provenance = checked(tmp_path, "numpy-eager")
    finally:
        onnx_cases.published.cache_clear()
    assert [(row["outcome"], row["message"]) for row in rows if row["property"] == "onnx_vectors"] == [("vacuous", reason)]
    assert provenance == {"version": "", "cases": 0, "explained": onnx_cases.EXPLAINED}
