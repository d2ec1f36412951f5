"""Names and ids of properties: each taken once, each with a sentence."""

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


def test_names_and_ids_are_taken_once():
    ids = [known.id for known in PROPERTIES.values()]
    assert len(set(ids)) == len(ids)
    assert all(name == known.name == known.check.__name__ for name, known in PROPERTIES.items())


def test_every_property_has_a_sentence():
    assert [known.name for known in PROPERTIES.values() if not known.summary.endswith((".", ")."))] == []


@pytest.mark.parametrize(
    ("name", "id", "message"),
    [
        ("worked_example", "X1", "property=worked_example, but should be a name that is not taken"),
        ("something_new", "P4", "id=P4, but should be an id that is not taken"),
    ],
)
def test_a_name_or_id_that_is_taken_is_refused(name, id, message):
    def check(attend, x):
        return Verdict(0.0)

    check.__name__ = name
    check.__doc__ = "Anything."
    with pytest.raises(ValueError, match=message):
        property_(id)(check)
    assert PROPERTIES["worked_example"].id == "E1" and "something_new" not in PROPERTIES


def test_properties_that_need_an_option_are_left_out_where_the_signature_lacks_it(subject_of):
    def bare(q, k, v, mask=None):
        return attention(q, k, v, mask=mask)

    under_test = subject_of(bare)
    x = under_test.spec.realise(Case(Problem(mask=masks.causal())))
    properties = [known for known in properties_of("attention") if known.options]
    assert [known.name for known in properties if applies(under_test, known, x)] == []
