"""Faults and controls of calls without padding: each property of them rejects some, and right functions are accused by none."""

from __future__ import annotations

from pathlib import Path

import pytest

from attention_harness.audit.audit import Described
from attention_harness.audit.controls import BASES
from attention_harness.audit.faults import load_all
from attention_harness.audit.form_controls import OF_FORMS
from attention_harness.conformance.check import load_properties
from attention_harness.conformance.judging import applies, find
from attention_harness.conformance.plan import Plan
from attention_harness.conformance.schedule import Schedule
from attention_harness.conformance.settings import Settings
from attention_harness.conformance.under_test import UnderTest
from attention_harness.generation.form_cases import FORM_CASES
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import Target
from attention_specs.property import PROPERTIES

load_properties()
FAULTS = {name: fault for name, fault in load_all().items() if fault.form != "padded"}
IN_PROCESS = [name for name, fault in FAULTS.items() if not fault.alone]
ALONE = [name for name, fault in FAULTS.items() if fault.alone]

REJECTED_BY = {
    "a_batch_is_each_entry_alone": "every_sequence_has_as_many_keys_as_the_first",
    "an_empty_entry_leaves_the_others_alone": "sequences_without_queries_are_left_out_of_the_count",
    "the_order_of_pages_does_not_matter": "pages_are_visited_in_the_order_of_memory",
    "the_size_of_pages_does_not_matter": "pages_have_sixteen_slots",
    "what_nobody_may_read_does_not_matter": "the_last_page_counts_whole",
    "a_shared_page_is_a_copied_page": "a_page_that_two_entries_share_belongs_to_the_first",
    "metadata_is_refused_or_the_answer_is_right": "offsets_that_mean_nothing_are_answered",
    "new_keys_stand_in_their_slots": "new_values_are_not_written",
    "appending_then_attending_is_attending_to_the_whole": "new_keys_are_written_and_not_counted",
}


def findings(under_test, cases, properties):
    for case in cases:
        x = under_test.realise(under_test.within_its_options(case))
        for property_ in properties:
            if applies(under_test, property_, x):
                yield find(under_test, property_, x)
        under_test.forget()


@pytest.mark.parametrize("name", REJECTED_BY)
def test_each_property_of_forms_rejects_a_fault(name, subject_of):
    under_test = subject_of(FAULTS[REJECTED_BY[name]].function)
    assert any(finding.wrong for finding in findings(under_test, FORM_CASES, [PROPERTIES[name]]))


def test_a_page_that_is_not_there_is_refused_where_that_is_declared(subject_of):
    under_test = subject_of(FAULTS["a_page_that_is_not_there_is_another"].function)
    wrong = next(
        one for one in findings(under_test, FORM_CASES, [PROPERTIES["metadata_is_refused_or_the_answer_is_right"]]) if one.wrong
    )
    assert "block_table with a page" in wrong.verdict.message


@pytest.mark.parametrize("name", IN_PROCESS)
def test_the_cases_of_forms_and_a_few_others_reject_each_fault(name, subject_of, suites_of):
    under_test = subject_of(FAULTS[name].function)
    suite = suites_of(0)["attention"]
    plain = [property_ for property_ in PROPERTIES.values() if property_.id in ("P1", "P4", "P5", "P6")]
    cases = [*FORM_CASES, *suite.edge_cases, *suite.drawn]
    assert any(finding.wrong for finding in findings(under_test, cases, [*plain, *map(PROPERTIES.get, REJECTED_BY)]))


@pytest.mark.parametrize("name", OF_FORMS)
def test_right_functions_are_accused_by_no_property_of_forms(name, subject_of):
    under_test = subject_of(OF_FORMS[name])
    properties = [property_ for property_ in PROPERTIES.values() if property_.form or property_.id in ("P4", "P6", "P12")]
    assert [one.verdict.message for one in findings(under_test, FORM_CASES, properties) if one.wrong] == []


@pytest.mark.parametrize("name", ALONE)
def test_guard_pages_reject_a_step_beyond_an_array(name):
    fault = FAULTS[name]
    with Worker(Target(name, fault.location)) as worker:
        described = Described(worker)
        under_test = UnderTest(described, described.description)
        touched = {"pages": "k_pages", "output": "out", "offset": "cu_seqlens_q"}
        where = next(array for word, array in touched.items() if word in name)
        finding = next(findings(under_test, FORM_CASES[:1], [PROPERTIES["nothing_beyond_an_array_is_touched"]]))
        wanted = f"memory behind {where} is read or written, but should not be touched"
        assert finding.wrong and finding.verdict.message.startswith(wanted)


def test_cases_of_forms_are_for_forms_alone(subject_of):
    plan = Plan({}, Path(), Settings(first_stage=True))
    asked = {form: len(list(Schedule(subject_of(function), plan).first())) for form, function in OF_FORMS.items()}
    assert min(asked.values()) == len(FORM_CASES)
    assert not {"packed", "paged"} & set(BASES)
