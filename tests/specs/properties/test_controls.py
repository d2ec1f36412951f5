"""Right attentions have all properties, each in a case that shows it."""

from __future__ import annotations

import pytest

from attention_harness.conformance.check import load_properties
from attention_harness.conformance.judging import judge
from attention_harness.registry.loading import describe
from attention_implementations.numpy import eager as numpy_eager
from attention_implementations.numpy import online as numpy_online
from attention_specs.property import properties_of

load_properties()
ATTENTION = [
    property_
    for property_ in properties_of("attention")
    if not (property_.gradient or property_.over_run or property_.about or property_.form or property_.id.startswith("V"))
]
"""Gradients, forms, published vectors and properties of whole runs or of declarations have tests of their own."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "control",
    [numpy_eager.attention, numpy_online.attention, numpy_online.online(3, 5)],
    ids=["eager", "online", "tiles of 3 x 5"],
)
def test_controls_have_all_properties(control, subject_of, affordable):
    under_test = subject_of(control)
    judged = set()
    for case in affordable:
        under_test.forget()
        x = under_test.spec.realise(case)
        for finding in judge(under_test, x, ATTENTION):
            assert not finding.wrong, f"{finding.property_.name}: {finding.verdict.message} [{case}]"
            judged |= {finding.property_.name} if finding.outcome == "agrees" else set()
    options = describe(control, "control").options
    assert judged == {property_.name for property_ in ATTENTION if set(property_.options) <= set(options)}
