"""The choice of the first stage from a matrix of rejections."""

from __future__ import annotations

from attention_harness.audit.first_stage import choose, cover
from attention_harness.conformance.check import load_properties

load_properties()
A, B, C, D = (("attention", place) for place in range(4))
P4, G2, W1 = (frozenset({one}) for one in ("P4", "G2", "W1"))


def costs(**of):
    return {place: of.get(name, 1.0) for name, place in (("A", A), ("B", B), ("C", C), ("D", D))}


def test_cases_that_reject_most_come_first():
    rejections = {A: {"one": P4}, B: {"one": P4, "two": P4, "three": P4}, C: {"four": P4, "three": P4}}
    assert list(choose(rejections, costs(), 10)) == [B, C, A]


def test_a_case_that_costs_more_must_reject_more():
    rejections = {A: {"one": P4, "two": P4}, B: {"one": P4}, C: {"two": P4}}
    assert list(choose(rejections, costs(A=3.0), 10)) == [B, C, A]


def test_each_fault_is_rejected_twice_where_there_are_so_many_cases():
    rejections = {A: {"one": P4}, B: {"one": P4}, C: {"one": P4}, D: {"two": P4}}
    assert list(choose(rejections, costs(), 10)) == [A, D, B]


def test_no_more_cases_than_wanted():
    assert list(choose({A: {"one": P4}, B: {"two": P4}, C: {"three": P4}}, costs(), 2)) == [A, B]


def test_of_each_case_as_few_properties_as_reject_its_faults_each_by_two_if_it_can():
    assert choose({A: {"one": P4 | W1, "two": W1, "three": G2}}, costs(), 10) == {A: ["G2", "P4", "W1"]}


def test_the_most_frequent_property_covers_first():
    assert cover([P4 | W1, P4 | G2, P4]) == ["P4"]
    assert cover([P4 | W1 | G2, P4 | G2, P4], 2) == ["G2", "P4"]
    assert cover([]) == []


def test_a_fault_counts_for_each_seed_by_itself():
    rejections = {A: {("one", 0): P4, ("one", 1): P4}, B: {("one", 0): P4, ("two", 0): P4}, C: {("two", 1): P4}}
    assert list(choose(rejections, costs(), 2)) == [A, B]
    assert list(choose(rejections, costs(), 10)) == [A, B, C]
