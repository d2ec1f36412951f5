"""Further functions of other people in their own form, beside the twelve of `test_twelve.py`, with at most three declarations each."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from attention_harness import check_attention

HERE = Path(__file__).parent / "own_forms"
DECLARED = tomllib.loads((HERE / "attention-harness.toml").read_text())

FEW = {"examples": 4, "dtypes": ["float32"]}

RIGHT = {
    "tutorial.py:with_weights": ("P4", "P7"),
    "tutorial.py:in_any_order": ("P4", "T7"),
    "tutorial.py:by_pointer": ("P4", "R10"),
    "of_torch.py:applied": ("P4",),
    "of_torch.py:operator": ("P4", "P18"),
    "fused.py:qkvpacked": ("P4",),
    "fused.py:kvpacked": ("P4",),
    "fused.py:in_another_order": ("P4",),
    "fused.py:flat_qkv": ("P4", "G2"),
    "fused.py:flat_qkv_by_heads": ("P4", "G2"),
    "fused.py:flat_qkv_of_one_number_of_heads": ("P4", "P17"),
    "fused.py:flat_qkv_of_four_heads": ("P4",),
    "fused.py:flat_kv": ("P4",),
    "fused.py:flat_of_three": ("P4",),
}
"""Function -> properties that it is checked by."""

WRONG = {
    "tutorial.py:with_weights_that_are_scores": ("P7", ""),
    "of_torch.py:operator_without_a_fake": ("P18", "B=1"),
    "fused.py:qkvpacked_of_exchanged_keys_and_values": ("P4", ""),
    "fused.py:flat_qkv_of_exchanged_queries_and_keys": ("P4", ""),
    "fused.py:flat_qkv_that_interleaves_heads": ("P4", "H"),
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


def test_what_is_taken_by_its_name_is_said():
    result = checked("flash_names.py:flash_attn", ["P1"])
    assert "Taken by their names: causal as is_causal, softmax_scale as scale, window_size as window." in result.how
    assert "Left at their defaults: dropout_p." in result.how
