"""Twelve functions of other people in their own form: each agrees, a twin with one planted bug is rejected, and a page has the table."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from attention_harness import check_attention
from attention_harness.conformance.check import check
from attention_harness.conformance.settings import Settings
from attention_harness.registry.sources import written
from attention_harness.registry.targets import resolve
from attention_harness.runs.run import plan_of

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "guide" / "declare.md"


class Form(NamedTuple):
    """A function, its twin, the property that rejects the twin, and a part of the smallest problem or of the sentence."""

    title: str
    function: str
    twin: str
    rejected_by: str = "P4"
    sign: str = ""


TWELVE = (
    Form("a layer of a tutorial", "modules/tutorial.py:MultiHeadAttention", "ScaledByTheModel", "L4", "heads"),
    Form("causal alone, without a batch axis", "own_forms/tutorial.py:decoder", "decoder_sees_the_next_key", sign="is_causal"),
    Form(
        "FlashAttention's argument names", "own_forms/flash_names.py:flash_attn", "flash_attn_reads_a_side_of_minus_one_as_zero",
        sign="window=",
    ),
    Form("a module with fused projections", "modules/tutorial.py:CausalSelfAttention", "CausalSelfAttentionThatTilesHeads", "L4"),
    Form(
        "JAX in [B, L, H, D]", "own_forms/of_jax.py:dot_product_attention", "dot_product_attention_without_the_mask_under_a_bias",
        sign="bias=",
    ),
    Form("always (out, lse)", "own_forms/tutorial.py:with_lse", "with_lse_in_bits", "P6"),
    Form(
        "True in the mask hides", "own_forms/tutorial.py:padding_masked", "padding_masked_but_for_the_last_query", sign="Lq=2 "
    ),
    Form("D = 64 alone", "own_forms/tutorial.py:of_64", "of_64_unchecked", "P17", "D=64"),
    Form("a compiled function", "own_forms/of_torch.py:compiled", "compiled_with_another_scale"),
    Form("a partial", "own_forms/tutorial.py:bound", "bound_to_the_wrong_sign"),
    Form("an instance", "own_forms/tutorial.py:instance", "sharper"),
    Form("an operator of torch.library", "own_forms/of_torch.py:operator", "operator_forgets_causality", sign="is_causal"),
)  # fmt: skip

each = pytest.mark.parametrize("form", TWELVE, ids=lambda form: form.title)


def declared(form, name):
    """The lines of a declaration, as `attention-harness.toml` beside the code has them."""
    file = HERE / Path(form.function).parent / "attention-harness.toml"
    return written(tomllib.loads(file.read_text(encoding="utf-8")).get(name, {}))


def table():
    """The twelve in Markdown."""
    rows = ["| form | function | declared | its twin | rejected by |", "|---|---|---|---|---|"]
    for form in TWELVE:
        name = form.function.rpartition(":")[2]
        lines = ", ".join(f"`{line}`" for line in declared(form, name)) or "nothing"
        rows.append(f"| {form.title} | `{form.function}` | {lines} | `{form.twin}` | {form.rejected_by} |")
    return "\n".join(rows)


def test_there_are_twelve_with_three_lines_at_most():
    assert len(TWELVE) == 12
    names = [(form, name) for form in TWELVE for name in (form.function.rpartition(":")[2], form.twin)]
    assert [name for form, name in names if len(declared(form, name)) > 3] == []
    assert [form.title for form in TWELVE if declared(form, form.function.rpartition(":")[2]) != declared(form, form.twin)] == []


def test_the_page_has_the_table():
    assert table() in PAGE.read_text(encoding="utf-8")


def checked(place, properties, folder):
    """The rows and descriptions; of a file of JAX the first stage, since each shape is compiled."""
    for framework in ("torch", "jax"):
        if framework in place or "modules" in place:
            pytest.importorskip("jax" if framework == "jax" and framework in place else "torch")
    if "of_jax" not in place:
        result = check_attention(f"{HERE / place}", properties=properties, examples=4, dtypes=["float32"])
        return bool(result), result.frame
    settings = Settings(first_stage=True, dtypes=("float32",), properties=("output_agrees_with_the_oracle",))
    ended = check(resolve([f"{HERE / place}"])[0], plan_of(settings, folder))
    return ended.right, ended.frame if hasattr(ended, "frame") else ended.rows


def rows_of(judged):
    """Clause, outcome, and the smallest problem with the sentence, of each row."""
    if isinstance(judged, list):
        return [(row.clause, row.outcome, f"{row.case} {row.message}") for row in judged]
    return list(zip(judged["clause"], judged["outcome"], judged["message"], strict=True))


@pytest.mark.slow
@each
def test_the_function_agrees(form, tmp_path):
    right, judged = checked(form.function, [form.rejected_by, "L4" if form.rejected_by == "L4" else "P4"], tmp_path)
    assert right, rows_of(judged)
    assert (form.rejected_by, "agrees") in [row[:2] for row in rows_of(judged)]


@pytest.mark.slow
@each
def test_its_twin_is_rejected_for_its_bug(form, tmp_path):
    place = f"{form.function.rpartition(':')[0]}:{form.twin}"
    right, judged = checked(place, [form.rejected_by], tmp_path)
    wrong = [text for clause, outcome, text in rows_of(judged) if (clause, outcome) == (form.rejected_by, "violates")]
    assert not right
    assert wrong
    assert form.sign in wrong[0] or form.rejected_by == "L4"
