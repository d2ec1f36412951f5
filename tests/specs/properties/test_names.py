"""Names and clauses of claims: each taken once, each with a sentence."""

from __future__ import annotations

import pytest

from attention_harness.conformance.check import load_properties
from attention_harness.conformance.judging import applies
from attention_implementations.numpy.eager import attention
from attention_specs import masks
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.judge import Verdict
from attention_specs.property import PROPERTIES, properties_of, property_

load_properties()


def test_names_and_clauses_are_taken_once():
    clauses = [c.id for c in PROPERTIES.values()]
    assert len(set(clauses)) == len(clauses)
    assert all(name == c.name == c.check.__name__ for name, c in PROPERTIES.items())


def test_every_claim_says_in_a_sentence_what_it_claims():
    assert [c.name for c in PROPERTIES.values() if not c.summary.endswith((".", ")."))] == []


@pytest.mark.parametrize(("name", "clause"), [("worked_example", "X1"), ("something_new", "P4")])
def test_a_name_or_clause_that_is_taken_is_refused(name, clause):
    def check(attend, x):
        return Verdict(0.0)

    check.__name__ = name
    check.__doc__ = "Anything."
    with pytest.raises(ValueError, match=rf"claim={name} \({clause}\), but should be a name and a clause that are not taken"):
        property_(clause)(check)
    assert PROPERTIES["worked_example"].id == "E1"


def test_claims_that_need_an_option_are_left_out_where_the_signature_lacks_it(subject_of):
    def bare(q, k, v, mask=None):
        return attention(q, k, v, mask=mask)

    subject = subject_of(bare)
    x = subject.spec.realise(Case(Problem(mask=masks.causal())))
    left_out = {c.name for c in properties_of("attention") if c.options and not applies(subject, c, x)}
    assert left_out == {c.name for c in properties_of("attention") if c.options}
