"""Functions are judged by their declarations: every value and pair of conventions agrees, and another value than the declared one does not."""

from __future__ import annotations

from collections import defaultdict
from importlib import import_module
from itertools import combinations

import numpy as np
import pytest

from attention_harness.audit import conforming as catalogue
from attention_harness.audit.conforming import absent, choices, conforming, declaring
from attention_harness.conformance.judging import fails, find, judge
from attention_specs import biases, masks
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.contract import CHOICES, Conventions
from attention_specs.property import PROPERTIES, properties_of

HIDDEN = Case(Problem(1, 2, 1, 3, 20, 4, 4, mask=masks.hidden_query(1)))
CASES = [
    HIDDEN,
    Case(Problem(1, 2, 1, 3, 20, 4, 4, bias=biases.minus_infinity(masks.hidden_query(1)))),
    Case(Problem(1, 2, 1, 3, 0, 4, 4)),
    Case(Problem(2, 2, 1, 9, 5, 4, 4, is_causal=True)),
    Case(Problem(2, 2, 1, 5, 9, 4, 4, is_causal=True, mask=masks.random(3, 0.5, "bhij"))),
    Case(Problem(2, 2, 1, 9, 12, 4, 4, window=(1, 1))),
    Case(Problem(2, 2, 1, 9, 6, 4, 4, window=(1, 1), is_causal=True)),
    Case(Problem(2, 2, 1, 5, 9, 4, 4, query_lengths=(3, 0), key_lengths=(9, 0))),
    Case(Problem(1, 2, 1, 4, 9, 4, 4, bias=biases.filler(masks.hidden_query(0), -3e38), scale=0.0)),
    Case(Problem(1, 2, 1, 4, 9, 4, 4, mask=masks.hidden_key(8), bias=biases.noise(1, 5.0, "bhij"))),
    Case(Problem(2, 2, 1, 4, 9, 4, 4, is_causal=True, past=3, sinks=1.0)),
    Case(Problem(2, 2, 1, 4, 9, 4, 4, window=(1, 0), past=7, softcap=3.0)),
    Case(Problem(2, 2, 1, 4, 9, 4, 4, is_causal=True, past=2, key_lengths=(9, 0), mask=masks.hidden_query(1))),
    Case(Problem(1, 2, 1, 3, 40, 4, 4, "float64")),
]


def test_every_two_choices_meet_in_some_function():
    rows = [{name: str(value) for name, value in chosen.items()} for chosen in choices()]
    values = defaultdict(set)
    for row in rows:
        for name, value in row.items():
            values[name].add(value)
    assert set(values) == {*CHOICES, "layout", "cache"}
    assert all({str(value) for value in CHOICES[name]} <= values[name] for name in CHOICES)
    met = {pair for row in rows for pair in combinations(sorted(row.items()), 2)}
    wanted = [
        ((a, x), (b, y)) for a, b in combinations(sorted(values), 2) for x in values[a] for y in values[b]
    ]  # fmt: skip
    assert [pair for pair in wanted if pair not in met] == []


JUDGED = {"P4", "P6", "P7", "W4", "G2", "G3", "G10"}
"""Clauses about the output, lse, weights and gradients, of which all functions are asked."""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(declaring()))
def test_what_does_as_it_declares_agrees(name, subject_of):
    under_test, agreed = subject_of(declaring()[name]), set()
    for case in CASES:
        under_test.forget()
        findings = list(judge(under_test, under_test.realise(case), properties_of("attention")))
        assert [(f.property_.id, f.verdict.message) for f in findings if f.wrong] == []
        agreed |= {f.property_.id for f in findings if f.outcome == "agrees"}
    assert agreed >= JUDGED


def declarations_of(function):
    """The declarations of a function, with its cache, layout and gradient."""
    conventions = Conventions.declared(function.conventions)
    chosen = {name: str(getattr(conventions, name)) for name in CHOICES}
    return chosen | {"cache": "past_k" in function.options, "layout": function.layout, "gradient": function.gradient}


def test_caches_weights_lse_and_gradients_stand_beside_every_form_of_empty_rows_and_every_alignment():
    functions = [f for name, f in declaring().items() if "torch" not in name]
    assert all({"return_weights", "return_lse"} <= set(f.options) and f.gradient for f in functions)
    met = {(name, declarations_of(f)[name]) for f in functions if "past_k" in f.options for name in CHOICES}
    assert met == {(name, declarations_of(f)[name]) for f in functions for name in CHOICES}


@pytest.mark.skipif(bool(absent()), reason=absent() or "torch is there")
def test_functions_of_torch_declare_every_value_of_every_convention_that_torch_can_keep():
    rows = [declarations_of(f) for name, f in declaring().items() if "torch" in name]
    assert all(f.framework == "torch" and f.gradient for name, f in declaring().items() if "torch" in name)
    for name in CHOICES:
        every = {str(one["empty_rows"]) for one in choices()} if name == "empty_rows" else set(map(str, CHOICES[name]))
        assert {row[name] for row in rows} >= (every - {"True"} if name == "batch_invariant" else every)
    assert {row["layout"] for row in rows} == {"bhld", "blhd"} and {row["cache"] for row in rows} == {True, False}


def test_without_torch_its_functions_are_left_out_and_the_audit_says_why(monkeypatch):
    monkeypatch.setattr(catalogue, "installed", lambda framework: f"{framework} is not installed")
    assert len(declaring.__wrapped__()) == len(list(choices()))
    assert absent() == "controls of torch were not tried: torch is not installed"


FRAMEWORKS = ("numpy", *(() if absent() else ("torch",)))


def declared_otherwise(does, declares, framework):
    steps = import_module(f"attention_harness.audit.conforming_{framework}")
    function = conforming(steps, **does)
    function.conventions = declares
    return function


@pytest.mark.parametrize(
    ("does", "declares", "case", "identifier"),
    [
        ({"causal_alignment": "bottom-right"}, {}, CASES[3], "P4"),
        ({}, {"causal_alignment": "bottom-right"}, CASES[4], "P4"),
        ({"window_alignment": "bottom-right"}, {}, CASES[5], "P4"),
        ({}, {"window_alignment": "bottom-right"}, CASES[5], "P4"),
        ({"empty_rows": "nan"}, {"empty_rows": {"mask": "zeros", "bias": "nan"}}, HIDDEN, "P5"),
        ({"empty_rows": "unspecified"}, {"empty_rows": "uniform"}, HIDDEN, "P5"),
        ({"empty_rows": "uniform"}, {"empty_rows": {"float32": "zeros", "mask": "uniform"}}, HIDDEN, "P5"),
        ({"empty_rows": "nan"}, {"empty_rows": {"mask": "nan", "no_keys": "zeros"}}, CASES[2], "P5"),
        ({"masked_nan_safe": "keys"}, {"masked_nan_safe": True}, CASES[9], "S1"),
        ({"masked_nan_safe": "values"}, {"masked_nan_safe": "keys"}, CASES[9], "S1"),
        ({"deterministic": False, "empty_rows": "uniform"}, {"empty_rows": "uniform", "lse_base": "2"}, HIDDEN, "P6"),
    ],
)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_another_value_than_the_declared_one_is_rejected(does, declares, case, identifier, framework, subject_of):
    property_ = next(property_ for property_ in PROPERTIES.values() if property_.id == identifier)
    finding = fails(subject_of(declared_otherwise(does, declares, framework)), property_, case)
    assert finding is not None
    assert finding.outcome == "violates"


def test_a_tiny_number_is_no_zero_in_a_mapping_either(subject_of):
    """1e-8 passed as zeros: the declaration was compared with the word, and the bound of a mean was taken."""

    def attention(q, k, v, *, mask=None):
        out = conforming()(q, k, v, mask=mask)
        return (
            out
            if mask is None
            else np.where(np.broadcast_to(mask, (*q.shape[:3], k.shape[2])).any(-1)[..., None], out, 1e-8).astype(q.dtype)
        )

    attention.conventions = {"empty_rows": {"mask": "zeros", "bias": "zeros"}}
    under_test = subject_of(attention)
    assert find(under_test, PROPERTIES["empty_rows_follow_the_declaration"], under_test.realise(HIDDEN)).outcome == "violates"


@pytest.mark.parametrize("rows", ["uniform", {"mask": "uniform"}])
def test_two_sums_of_a_mean_are_both_right(rows, subject_of):
    """S4, P9 and P10 judged the mean of a row that sees nothing by a bound near 0."""
    calls = []

    def attention(q, k, v, *, mask=None, return_weights=False, return_lse=False):
        calls.append(1)
        late = len(calls) % 2 == 1
        k, v = (np.repeat(a, q.shape[1] // k.shape[1], 1) for a in (k, v))
        scores = q.shape[-1] ** -0.5 * (q @ k.swapaxes(-1, -2))
        scores = np.where(True if mask is None else mask, scores, np.float32(-1e30))
        top = scores.max(-1, keepdims=True)
        powers = np.exp(scores - top)
        total = powers.sum(-1, keepdims=True)
        out = ((powers @ v) / total if late else (powers / total) @ v).astype(q.dtype)
        lse = np.where(top <= -1e29, -np.inf, np.log(total) + top)[..., 0]
        more = [a for a, wanted in ((powers / total, return_weights), (lse, return_lse)) if wanted]
        return (out, *more) if more else out

    attention.conventions = {"empty_rows": rows, "deterministic": False}
    under_test = subject_of(attention)
    case = Case(Problem(1, 1, 1, 3, 40, 8, 8, mask=masks.hidden_query(1)))
    names = ("S4", "P5", "P8", "P9", "P10")
    properties = [property_ for property_ in PROPERTIES.values() if property_.id in names]
    findings = [find(under_test, property_, under_test.realise(case)) for property_ in properties for _ in range(3)]
    assert [(f.property_.id, f.verdict.message) for f in findings if f.wrong] == []


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="empty_rows of masks, but should be of mask, bias, causal, lengths"):
        Conventions.declared({"empty_rows": {"masks": "nan"}})
