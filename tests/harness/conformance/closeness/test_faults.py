"""The assertion rejects each numerical fault of the catalogue, and no control."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from attention_harness import assert_attention_close
from attention_harness.audit.conforming import declaring
from attention_harness.audit.controls import CONTROLS
from attention_harness.audit.faults import FAULTS, load_all
from attention_harness.conformance.judging import fails
from attention_harness.errors import CallFailed
from attention_harness.generation.domain import CONDITIONS, Domain
from attention_harness.generation.vectors.files import vectors
from attention_harness.registry.loading import describe
from attention_harness.runs.mutation_score import TABLE, numerical
from attention_specs.attention.problem import Problem
from attention_specs.attention.spec import call
from attention_specs.property import PROPERTIES

pytestmark = pytest.mark.slow

load_all()
OUTPUT = {"P4": "output_agrees_with_the_oracle", "P5": "empty_rows_follow_the_declaration"}
"""Ids and names of the properties that say that an output is out of its bound."""
AUDIT = json.loads(TABLE.read_text(encoding="utf-8"))
NUMERICAL = [name for name in numerical() if name in FAULTS]
"""Faults whose outputs were beyond the bound in the last full audit, and are so whenever the call is repeated."""


OF_ARRAYS = [name for name, fault in FAULTS.items() if (fault.spec, fault.form) == ("attention", "padded")]
NEW = [
    name
    for name in OF_ARRAYS
    if name not in AUDIT["killers"]["attention"]
    and not getattr(FAULTS[name].function, "storage", None)
    and not getattr(FAULTS[name].function, "domain", ())
]
"""Faults that the last full audit does not know yet. Codes with scales are no arrays that an assertion could take, and those with
a domain are wrong outside of it alone."""


def raised(under_test, case):
    """The text of the assertion on this case; "" if it accepts the answer, None without an answer or a bound."""
    under_test.forget()
    described = under_test.description
    if described.dtypes and case.problem.dtype not in described.dtypes:
        return None
    try:
        x = under_test.lowered(under_test.realise(under_test.within_its_options(case)))
        out = under_test(x)
    except CallFailed:
        return None
    declared = {name: getattr(described.conventions, name) for name in ("causal_alignment", "window_alignment", "empty_rows")}
    asked = call(x)
    try:
        assert_attention_close(out, **asked.arrays, **asked.options, precision=described.precision.get(x.dtype), **declared)
    except AssertionError as error:
        return str(error)
    return ""


def by_cost(cases):
    return sorted(cases, key=lambda case: case.problem.products)


@pytest.fixture(scope="module")
def problems(affordable):
    """Cheap ones."""
    return by_cost(affordable)


@pytest.fixture(scope="module")
def further_problems(problems, cases_of):
    """Those, recorded failures, other ones of three runs, and all of these moved as for a function that refuses most: a fault
    is tried until one of them rejects it."""
    drawn = [case for seed in (0, 1, AUDIT["seed"]) for case in cases_of(seed)["attention"]]
    recorded = [vector.case for vector in vectors() if isinstance(vector.case.problem, Problem)]
    moved = [Domain((condition,)).moved(case) for condition in CONDITIONS for case in drawn]
    return [*problems, *recorded, *by_cost(drawn), *by_cost(filter(None, moved))]


def test_most_faults_of_the_catalogue_are_numerical():
    assert len(NUMERICAL) > 300


@pytest.mark.parametrize("name", [*NUMERICAL, *NEW])
def test_it_rejects(name, subject_of, further_problems):
    under_test = subject_of(FAULTS[name].function)
    texts = ((raised(under_test, case), case) for case in further_problems)
    text, case = next(((text, case) for text, case in texts if text), ("", None))
    assert "but should be" in text
    assert any(fails(under_test, PROPERTIES[known], under_test.within_its_options(case)) for known in OUTPUT.values())


@cache
def controls():
    """The controls that answer the attention spec in NumPy, on arrays that are numbers and not codes with scales."""
    functions = CONTROLS | {name: one for name, one in declaring().items() if "torch" not in name}
    described = {name: describe(one, name) for name, one in functions.items()}
    return {name: functions[name] for name, one in described.items() if one.spec == "attention" and not one.storage}


@pytest.mark.parametrize("name", controls())
def test_it_accepts(name, subject_of, problems):
    under_test = subject_of(controls()[name])
    texts = [raised(under_test, case) for case in problems[::2]]
    assert [text for text in texts if text] == []
    assert np.mean([text == "" for text in texts]) > 0.25
