"""Properties by id, name and pattern, and the one that a wrong word stands for."""

from __future__ import annotations

import pytest

from attention_harness.conformance.check import load_properties
from attention_specs.property import PROPERTIES, matching


@pytest.fixture(autouse=True)
def properties():
    load_properties()


@pytest.mark.parametrize("word", ["P4", "output_agrees_with_the_oracle", "output_agrees_with_the_*"])
def test_an_id_a_name_and_a_pattern_mean_the_same(word):
    assert [one.name for one in matching([word])] == ["output_agrees_with_the_oracle"]


def test_a_pattern_over_ids_means_all_of_a_kind_and_each_once():
    ids = [one.id for one in matching(["M*", "M1", "P4"])]
    assert set(ids) == {one.id for one in PROPERTIES.values() if one.id.startswith("M")} | {"P4"}
    assert len(ids) == len(set(ids)) > 5


def test_no_word_means_none_and_a_star_means_all():
    assert matching([]) == []
    assert matching(["*"]) == list(PROPERTIES.values())


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("p4", "P4"),
        ("output_agrees_with_oracle", "output_agrees_with_the_oracle"),
        ("is_nice", "an id, a name or a pattern, such as P4"),
    ],
)
def test_a_wrong_word_gets_the_nearest_or_the_command_that_lists_them(word, meant):
    with pytest.raises(ValueError, match=f"^property={word}, but should be {meant}") as raised:
        matching([word])
    assert len(str(raised.value)) < 200
