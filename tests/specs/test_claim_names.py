"""Names and clauses of claims: each taken once, each with a sentence."""

from __future__ import annotations

import pytest

from harness.conformance import load_claims
from specs.claims import CLAIMS, claim
from specs.judge import Verdict

load_claims()


def test_names_and_clauses_are_taken_once():
    clauses = [c.clause for c in CLAIMS.values()]
    assert len(set(clauses)) == len(clauses)
    assert all(name == c.name == c.check.__name__ for name, c in CLAIMS.items())


def test_every_claim_says_in_a_sentence_what_it_claims():
    assert [c.name for c in CLAIMS.values() if not c.summary.endswith((".", ")."))] == []


@pytest.mark.parametrize(("name", "clause"), [("worked_example", "X1"), ("something_new", "P4")])
def test_a_name_or_clause_that_is_taken_is_refused(name, clause):
    def check(attend, x):
        return Verdict(0.0)

    check.__name__ = name
    check.__doc__ = "Anything."
    with pytest.raises(ValueError, match=rf"claim={name} \({clause}\), but should be a name and a clause that are not taken"):
        claim(clause)(check)
    assert CLAIMS["worked_example"].clause == "E1"
