"""The page about the assertion, and its section in README.md: code that runs, and a table of what other rules accept."""

from __future__ import annotations

import doctest
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from attention_harness.audit.other_checks._tolerances import DERIVED, LENGTHS, TOLERANCES, Tolerance, accepted, table
from attention_implementations.numpy import eager

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "assert-attention-close.md"
WIDTH = 100


def plain_blocks(text):
    """Code to paste: blocks of Python without a prompt."""
    return [
        block for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) if not block.startswith(">>>")
    ]


def section(title):
    """A section of README.md."""
    return re.split(r"^## ", (ROOT / "README.md").read_text(encoding="utf-8").split(f"## {title}\n")[1], flags=re.MULTILINE)[0]


@pytest.mark.parametrize("text", [PAGE.read_text(encoding="utf-8"), section("In a test of your own")], ids=["page", "README"])
def test_code_to_paste_runs(text, monkeypatch):
    (block,) = plain_blocks(text)
    monkeypatch.setitem(sys.modules, "mine", eager)
    names = {}
    exec(block, names)
    (test,) = (name for name in names if name.startswith("test_"))
    names[test]()


def test_its_examples_print_what_stands_there():
    text = re.sub(r"^```\w*$", "", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    example = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert len(example.examples) > 5
    results = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(example)
    assert results.failed == 0


def test_it_is_wrapped():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > WIDTH and not line.startswith("|")] == []


def test_it_names_the_source_of_each_rule():
    text = PAGE.read_text(encoding="utf-8")
    assert [one.name for one in TOLERANCES if f"| {one.name} | {one.source} |\n" not in text] == []


@pytest.mark.slow
def test_its_table_is_what_the_rules_accept():
    assert table() in PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_rule_of_a_contest_accepts_zeros_and_the_derived_bound_none_but_one():
    rules = accepted()
    assert 8192 in rules["GPU MODE, mixed-mla: 0.1, 5 % wrong"]["zeros"]
    right, *wrong = rules[DERIVED].items()
    assert right[1] == list(LENGTHS)
    assert {name: lengths for name, lengths in wrong if lengths} == {"a sink of logit 1 counted": [8192]}


@pytest.mark.parametrize(
    ("errors", "passes"), [([0, 0, 0, 9], True), ([0, 0, 9, 9], False), ([0.125] * 4, True), ([0, 0, 0, float("nan")], True)]
)
def test_a_share_may_be_wrong_by_any_size(errors, passes):
    right = np.ones(4)
    assert Tolerance("", 0.0625, 0.0625, "", wrong=0.25).accepts(right + errors, right) == passes
