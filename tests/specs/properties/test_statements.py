"""The statements of the properties, and the sentences about them."""

from __future__ import annotations

import re

from attention_harness.conformance.check import load_properties
from attention_specs.properties.statements import statements
from attention_specs.property import PROPERTIES


def test_each_property_has_a_statement():
    load_properties()
    assert set(statements()) == {one.id for one in PROPERTIES.values()}
    assert all(text and not text.startswith("**") for text in statements().values())


def test_a_sentence_names_no_class_of_bugs():
    load_properties()
    assert [one.id for one in PROPERTIES.values() if re.search(r"\bC\d\d\b", one.sentence)] == []
    assert [one.id for one in PROPERTIES.values() if not one.summary.startswith(one.sentence.rstrip("."))] == []
