"""Declarations from beside the function: the command counts before the file, and the file before the attributes."""

from __future__ import annotations

import json

import pytest

from attention_harness.cli.app import main
from attention_harness.registry.loading import LoadError, load
from attention_harness.registry.sources import FILE, parsed, written
from attention_specs.contract import Conventions

CODE = """
def attention(q, k, v, *, masked=None, scaled=None):
    return q


attention.layout = "blhd"
attention.names = {"mask": "masked"}
attention.conventions = {"lse_base": "2", "empty_rows": "nan"}
"""


@pytest.fixture
def described(tmp_path):
    """The description of a function of a file, with what is declared beside it and by the command."""
    (tmp_path / "mine.py").write_text(CODE)

    def describe(file="", *texts, name="attention"):
        if file:
            (tmp_path / FILE).write_text(file)
        return load("mine", f"{tmp_path / 'mine.py'}:{name}", json.dumps(parsed(texts)))[1]

    return describe


def test_a_later_source_counts_before_an_earlier_one_and_dictionaries_are_joined(described):
    file = '[attention]\nlayout = "lhd"\nnames = { scale = "scaled" }\nconventions = { lse_base = "e" }\n'
    description = described(file)
    assert (description.layout, description.names) == ("lhd", {"mask": "masked", "scale": "scaled"})
    assert (description.conventions.lse_base, description.conventions.empty_rows) == ("e", "nan")
    assert described(file, "layout=hld").layout == "hld"


def test_the_table_of_the_file_and_function_counts_before_that_of_the_function(described):
    file = '[attention]\nlayout = "lhd"\nnames = { scale = "scaled" }\n["mine.py:attention"]\nlayout = "hld"\n["other.py:attention"]\nlayout = "bhld"\n'
    assert described(file).layout == "hld"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("[attention\n", f"{FILE}="),
        ('attention = "blhd"\n', "attention=blhd in attention-harness.toml, but should be a table"),
        ('[attention]\nlayouts = "blhd"\n', "layouts in attention-harness.toml, but should be layout"),
        ('[attention]\nlayout = "bdlh"\n', "layout=bdlh, but should be"),
        ('[attention]\nnames = { masks = "masked" }\n', "names=masks, but should be mask"),
    ],
)
def test_a_file_that_cannot_be_read_so_is_one_line(file, message, described):
    with pytest.raises(LoadError, match=message) as caught:
        described(file)
    assert "\n" not in str(caught.value)


def test_texts_are_read_as_they_are_written():
    texts = [
        "layout=blhd", "names=mask:attn_mask,scale:sm_scale", "positional=q,k,v,mask", "contiguous=True", "precision=exact",
        "lse_base=2", "domain=head_dim in {64, 128},batch == 1",
    ]  # fmt: skip
    assert written(parsed(texts)) == texts
    assert parsed(["dtypes=float32", "dtypes=float16", "precision=float16:exact"]) == {
        "dtypes": ["float32", "float16"],
        "precision": {"float16": "exact"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour=red", "declare=colour, but should be one of empty_rows, "),
        ("names", "declare=names, but should be names=mask:attn_mask,scale:sm_scale"),
        ("lse_base=10", "declare=lse_base=10, but should be lse_base= one of e, 2"),
        ("backward=mine", "declare=backward, but should be one of"),
    ],
)
def test_a_text_that_declares_nothing_is_one_line(text, message):
    with pytest.raises(ValueError, match=message):
        parsed([text])


def test_a_declared_object_of_conventions_is_joined_too(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from attention_specs.contract import Conventions\n\n\ndef attention(q, k, v):\n    return q\n\n\n"
        'attention.conventions = Conventions(empty_rows="nan")\n'
    )
    description = load("mine", f"{tmp_path / 'mine.py'}:attention", json.dumps({"conventions": {"lse_base": "2"}}))[1]
    assert description.conventions == Conventions(empty_rows="nan", lse_base="2")


HEADS_LAST = """
import numpy as np


def attention(q, k, v, hidden):
    k, v = (np.repeat(a, q.shape[2] // max(k.shape[2], 1), 2) for a in (k, v))
    scores = np.einsum("blhd,bmhd->bhlm", q, k) * max(q.shape[-1], 1) ** -0.5
    scores = np.where(hidden, -np.inf, scores)
    powers = np.exp(scores - scores.max(-1, keepdims=True, initial=-1e30))
    total = powers.sum(-1, keepdims=True)
    out = np.einsum("bhlm,bmhd->blhd", powers / np.where(total == 0, 1, total), v)
    return (out if q.shape[1] < 5 else out[::-1] * 2).astype(q.dtype)
"""


@pytest.mark.slow
def test_the_commands_declare_and_a_replay_and_its_program_keep_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(HEADS_LAST)
    declared = ["--declare", "layout=blhd", "--declare", "names=mask:hidden", "--declare", "mask_means=hidden"]
    few = ["--property", "output_agrees_with_the_oracle", "--dtype", "float64", "--examples", "4", "--output", "run"]
    assert main(["check", "mine.py:attention", *declared, *few]) == 1
    (case,) = (tmp_path / "run" / "cases").glob("*-P4-*.json")
    assert json.loads(case.read_text())["declared"]["mask_means"] == "hidden"
    assert main(["replay", str(case)]) == 1
    program = case.with_suffix(".py").read_text()
    assert "'hidden': " in program
    assert main(["replay", str(case), "--declare", "mask_means=visible"]) == 1
    assert main(["replay", str(case), "--declare", "layout=bdhl"]) == 2
    capsys.readouterr()
