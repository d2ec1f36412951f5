"""Modules of other people, checked by their names alone, and a wrong twin of each; one with names that mean nothing is declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from attention_harness import check_attention
from attention_harness.errors import UsageError
from attention_harness.probe import probe
from attention_harness.process.limits import Limits
from attention_harness.registry.targets import resolve

HERE = Path(__file__).parent / "modules"

FEW = {"examples": 6, "dtypes": ["float32"]}

RIGHT = {
    "tutorial.py:MultiHeadAttention": "Empty_rows=uniform by experiment",
    "tutorial.py:layer": "d_model == 32",
    "tutorial.py:CausalSelfAttention": "causal by itself",
    "tutorial.py:MultiHeadAttentionFromScratch": "b_q == 0,b_k == 0,b_v == 0",
    "tutorial.py:Head": "heads == 1",
    "tutorial.py:SeveralHeads": "heads.0.key.weight+heads.1.key.weight as w_k",
    "tutorial.py:Annotated": "Mask taken as a mask [bqk]",
    "tutorial.py:Raw": "Weights stored [out,in]",
    "tutorial.py:Renamed": "Declared: alpha.weight as w_q",
    "grouped.py:GroupedQueryAttention": "key_heads in {2, 1}",
    "grouped.py:layer": "key_heads == 3",
    "grouped.py:FusedGroupedQueryAttention": "Columns of fused weights [3hd]",
    "grouped.py:fused": "key_heads == 1",
    "rotary.py:RotaryAttention": "base 10000, pairs are halves",
    "rotary.py:far": "base 500000, pairs are halves",
    "rotary.py:ComplexRotaryAttention": "pairs are neighbours",
    "of_torch.py:MultiheadAttention": "In_proj_weight as w_qkv",
    "of_torch.py:compiled": "W_q.weight as w_q",
    "of_flax.py:MultiHeadAttention": "inputs_k=key",
    "of_flax.py:SelfAttention": "Columns of fused weights [h3d]",
    "of_equinox.py:MultiheadAttention": "for each entry of the batch by itself",
    "of_equinox.py:SelfAttention": "to_kv as w_kv",
}
"""Module -> a part of what is taken."""

WRONG = {
    "tutorial.py:ScaledByTheModel": "the scale is 1/sqrt(d_model)",
    "tutorial.py:CausalSelfAttentionThatTilesHeads": "",
    "tutorial.py:MultiHeadAttentionThatSeesTheNextKey": "",
    "tutorial.py:AnnotatedWithoutTheMaskOfTheLastEntry": "",
    "tutorial.py:RenamedAndExchanged": "",
    "grouped.py:GroupedQueryAttentionThatTilesHeads": "head h of the layer reads key head h % Hkv",
    "rotary.py:RotaryAttentionThatTurnsValues": "",
    "rotary.py:RotaryAttentionWithQueriesOneAhead": "",
    "rotary.py:declared_with_other_pairs": "halves of the channels are turned, and not neighbours",
    "of_flax.py:SelfAttentionOverQueries": "",
    "of_equinox.py:SelfAttentionUnscaled": "",
}
"""Module with a planted bug -> what it looks like."""


def checked(name, **options):
    """The result; of JAX the gates alone, since each shape is compiled."""
    framework = name.removeprefix("of_").partition(".")[0]
    pytest.importorskip(framework if name.startswith("of_") else "torch")
    few = {"properties": ["L4"]} if framework in ("flax", "equinox") else {}
    return check_attention(f"{HERE / name}", **{**FEW, **few, **options})


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_module_agrees_and_says_what_was_taken(name):
    result = checked(name)
    assert result, str(result)
    assert {"L4"} <= set(result.frame[result.frame["outcome"] == "agrees"]["clause"])
    assert RIGHT[name].lower() in result.how.lower()
    assert "no reading" not in result.how.lower()


@pytest.mark.slow
def test_a_mask_of_the_other_meaning_gets_its_declaration():
    name, only = "tutorial.py:MultiHeadAttentionWithPadding", {"properties": ["L4"]}
    result = checked(name, **only)
    assert not result
    assert "as key_padding_mask: if True is meant so that a key is hidden, declare mask_means=hidden" in result.how
    declared = checked(name, declare={"mask_means": "hidden"}, **only)
    assert declared, str(declared)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_twin_is_rejected(name):
    result = checked(name)
    failures = {failure.id: failure for failure in result.failures}
    assert failures["L4"].outcome == "violates"
    assert WRONG[name] in failures["L4"].looks_like


@pytest.mark.slow
def test_a_wrong_guess_says_how_to_declare():
    how = checked("tutorial.py:RenamedAndExchanged", properties=["L4"], examples=1).how
    assert 'No reading of its parameters gives a multi-head layer: where they are others, declare weights = {"w_q"' in how


def test_positions_from_outside_are_refused_with_what_to_do_instead():
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match=r"forward=\(x, cos, sin\), but should take x.*behind the rotation of queries and keys"):
        checked("rotary.py:PositionsFromOutside")


def test_names_that_mean_nothing_are_to_be_declared():
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match=r"weights=w_q, w_k, w_v unknown.*declare it, weights = .*alpha.weight"):
        checked("of_torch.py:NamesThatMeanNothing")


@pytest.mark.slow
def test_a_module_without_parameters_is_an_attention():
    result = checked("tutorial.py:ScaledDotProductAttention", properties=["P4"], declare={"domain": ["key_heads == query_heads"]})
    judged = result.frame[result.frame["outcome"] == "agrees"]
    assert set(judged["clause"]) <= {"P4"}
    assert set(result.frame["spec"]) == {"attention"}


@pytest.mark.slow
def test_a_probe_asks_a_module_that_turns_by_positions_as_it_is_declared():
    pytest.importorskip("torch")
    report = probe(resolve([f"{HERE / 'rotary.py'}:RotaryAttention"])[0], 0, Limits(60.0))
    precisions = {one.name: one.value for one in report.observations if one.kind == "precision"}
    assert precisions == {
        "precision float32": "exact",
        "precision float64": "exact",
        "precision bfloat16": "weights-rounded",
        "precision float16": "weights-rounded",
    }
    assert report.matches
