"""Every property of merging can fail: each rejects a planted fault, and none accuses a right merge."""

import pytest

from attention_harness.audit.faults import load_all
from attention_harness.conformance.check import load_properties
from attention_harness.conformance.judging import fails
from attention_harness.generation.edge_cases import EDGE_CASES
from attention_implementations.numpy.merge import merge
from attention_specs.property import PROPERTIES, properties_of

load_properties()

FAULTS = {
    "merge_has_the_shapes_and_dtypes_of_its_parts": "the_lse_comes_back_in_the_dtype_of_the_outputs",
    "merge_leaves_its_parts_alone": "the_first_part_is_merged_in_place",
    "merge_agrees_with_the_oracle": "parts_are_averaged",
    "merged_lse_agrees_with_the_oracle": "the_lse_is_not_carried_on",
    "two_empty_parts_follow_the_declaration": "two_empty_parts_are_nan",
    "an_empty_part_changes_nothing": "one_empty_part_empties_both",
    "the_parts_may_change_places": "the_maximum_is_that_of_the_first_part",
    "a_common_shift_of_the_lse_leaves_the_output": "the_maximum_is_left_out",
    "nan_of_an_empty_part_does_not_spread": "nan_of_an_empty_part_is_multiplied_by_zero",
    "any_order_and_any_tree_give_the_same": "the_lse_is_the_larger_one",
    "parts_of_the_keys_give_the_whole_attention": "parts_are_added_without_rescaling",
}


def raises(out_a, lse_a, out_b, lse_b):
    raise ValueError


def restless():
    turns = iter(range(10**9))

    def merge_in_turn(out_a, lse_a, out_b, lse_b):
        out, lse = merge(out_a, lse_a, out_b, lse_b)
        return out + next(turns) % 2, lse

    merge_in_turn.spec = "merge"
    return merge_in_turn


raises.spec = "merge"
OWN = {"merge_answers_every_problem": raises, "same_merge_twice_gives_the_same_bits": restless()}


def test_every_property_of_merging_has_its_fault():
    assert set(FAULTS) | set(OWN) == {one.name for one in properties_of("merge")}


@pytest.mark.parametrize("name", [*FAULTS, *OWN])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_each_property_rejects_its_fault(name, subject_of):
    under_test = subject_of(OWN[name] if name in OWN else load_all()[FAULTS[name]].function)
    assert any(fails(under_test, PROPERTIES[name], case) for case in EDGE_CASES["merge"])


@pytest.mark.parametrize("name", [*FAULTS, *OWN])
def test_no_property_accuses_a_right_merge(name, subject_of):
    under_test = subject_of(merge)
    assert not any(fails(under_test, PROPERTIES[name], case) for case in EDGE_CASES["merge"])
