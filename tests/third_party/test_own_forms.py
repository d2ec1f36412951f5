"""Functions of other people in their own form, each with at most three declarations; a wrong twin beside most of them is rejected."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from attention_harness import check_attention
from attention_harness.conformance.check import check
from attention_harness.conformance.settings import Settings
from attention_harness.registry.targets import resolve
from attention_harness.runs.run import plan_of

HERE = Path(__file__).parent / "own_forms"
DECLARED = tomllib.loads((HERE / "attention-harness.toml").read_text())

FEW = {"examples": 4, "dtypes": ["float32"]}

RIGHT = {
    "flash_names.py:flash_attn": ("P4", "P6", "R10"),
    "tutorial.py:padding_masked": ("P3", "P4"),
    "tutorial.py:with_weights": ("P4", "P7"),
    "tutorial.py:of_64": ("P4", "P17"),
    "tutorial.py:decoder": ("P4", "W6"),
    "tutorial.py:bound": ("P4",),
    "tutorial.py:instance": ("P4",),
    "tutorial.py:in_any_order": ("P4", "T7"),
    "tutorial.py:by_pointer": ("P4", "R10"),
    "of_torch.py:compiled": ("P4",),
    "of_torch.py:operator": ("P4",),
    "of_torch.py:applied": ("P4",),
    "fused.py:qkvpacked": ("P4",),
    "fused.py:kvpacked": ("P4",),
    "fused.py:in_another_order": ("P4",),
}
"""Function -> properties that it is checked by."""

WRONG = {
    "flash_names.py:flash_attn_reads_a_side_of_minus_one_as_zero": ("P4", "window="),
    "tutorial.py:padding_masked_but_for_the_last_query": ("P4", "Lq=2 "),
    "tutorial.py:with_weights_that_are_scores": ("P7", ""),
    "tutorial.py:of_64_unchecked": ("P17", "D=64"),
    "tutorial.py:decoder_sees_the_next_key": ("P4", "is_causal"),
    "tutorial.py:bound_to_the_wrong_sign": ("P4", ""),
    "tutorial.py:sharper": ("P4", ""),
    "of_torch.py:compiled_with_another_scale": ("P4", ""),
    "of_torch.py:operator_forgets_causality": ("P4", "is_causal"),
    "fused.py:qkvpacked_of_exchanged_keys_and_values": ("P4", ""),
}
"""Function -> the property that rejects it, and what its problem must have."""


def checked(name, properties):
    """The result; the framework of the file has to be here."""
    if name.startswith("fused"):
        pytest.importorskip("torch")
    if name.startswith("of_"):
        pytest.importorskip(name.removeprefix("of_").partition(".")[0])
    return check_attention(f"{HERE / name}", properties=properties, **FEW)


def test_none_declares_more_than_three_things():
    assert [name for name, table in DECLARED.items() if len(table) > 3] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_function_agrees(name):
    result = checked(name, RIGHT[name])
    assert result, str(result)
    judged = result.frame[result.frame["outcome"] == "agrees"]
    assert set(judged["clause"]) >= set(RIGHT[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_twin_is_rejected_for_its_fault(name):
    property_, sign = WRONG[name]
    result = checked(name, (property_,))
    failure = result.failures[0]
    assert (failure.id, failure.outcome) == (property_, "violates")
    assert sign in failure.case


def first_stage(name, folder):
    """The result of the first stage: where each shape is compiled, more takes a minute."""
    settings = Settings(first_stage=True, dtypes=("float32",), properties=("output_agrees_with_the_oracle",))
    return check(resolve([f"{HERE / name}"])[0], plan_of(settings, folder))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "right"), [("dot_product_attention", True), ("dot_product_attention_without_the_mask_under_a_bias", False)]
)
def test_compiled_functions_of_jax_are_told_apart(name, right, tmp_path):
    pytest.importorskip("jax")
    checked = first_stage(f"of_jax.py:{name}", tmp_path)
    assert checked.right == right
    assert checked.description.notes == ("taken from its code: framework=jax",)
    wrong = [row for row in checked.rows if row.outcome == "violates"]
    assert right or "bias=" in wrong[0].message


def test_what_is_taken_by_its_name_is_said():
    result = checked("flash_names.py:flash_attn", ["P1"])
    assert "Taken by their names: causal as is_causal, softmax_scale as scale, window_size as window." in result.how
    assert "Left at their defaults: dropout_p." in result.how
