"""JUnit XML: a test case for each row, read again by ElementTree and by junitparser."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree

import pytest

from attention_reports import Run
from attention_reports.ci import write_junit
from attention_reports.ci.junit import render

ELEMENTS = {
    "agrees": None, "violates": "failure", "crashed": "error", "timed-out": "error", "out-of-memory": "error", "errored": "error",
    "too-little": "error", "waived": "skipped", "vacuous": "skipped", "unsupported": "skipped", "unavailable": "skipped",
    "of-tomorrow": "error",
}  # fmt: skip
HOSTILE = "out[0]=\x00\x1b[31m<&\"'>]]>\ufffe\u202e, but should be 1"
REPLAY = "attention-harness replay cases/a.json"


def elements(case):
    return [child.tag for child in case if child.tag != "properties"]


@pytest.mark.parametrize(("outcome", "element"), ELEMENTS.items())
def test_each_outcome_has_its_element(make_run, row, outcome, element):
    root = ElementTree.fromstring(render(Run.load(make_run(checks=[row("a", "law", outcome, message="m")]))))
    assert elements(root.find("testsuite/testcase")) == ([element] if element else [])


def test_a_case_for_each_implementation_property_and_dtype(whole_run):
    run = Run.load(whole_run)
    root = ElementTree.fromstring(render(run))
    assert [suite.get("name") for suite in root] == list(dict.fromkeys(run.checks["implementation"]))
    assert len(root.findall("testsuite/testcase")) == len(run.checks) == int(root.get("tests"))
    names = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert ("torch-flex", "P36 nan_in_a_masked_value_stays_out[float16]") in names
    assert len(set(names)) == len(names)


def test_a_failure_has_its_sentence_and_its_replay_line(make_run, row):
    checks = [row("a", "law", "violates", clause="P4", message="out=1, but should be 2 [B=1]", replay=REPLAY, case="a")]
    case = ElementTree.fromstring(render(Run.load(make_run(checks=checks)))).find("testsuite/testcase")
    failure = case.find("failure")
    assert failure.get("message") == "out=1, but should be 2 [B=1]"
    assert failure.text == f"out=1, but should be 2 [B=1]\nreplay: {REPLAY}"
    properties = {entry.get("name"): entry.get("value") for entry in case.iter("property")}
    assert properties["replay"] == REPLAY and (properties["clause"], properties["case"]) == ("P4", "a")


def test_seed_and_versions_are_properties_of_the_suite(whole_run):
    suite = ElementTree.fromstring(render(Run.load(whole_run))).find("testsuite")
    properties = {entry.get("name"): entry.get("value") for entry in suite.findall("properties/property")}
    assert properties == {
        "seed": "0",
        "examples": "100",
        "python": "3.11.7",
        "numpy": "2.4.6",
        "torch": "2.13.0+cpu",
        "jax": "0.9.2",
    }


def test_characters_that_xml_does_not_have_are_spelled_out(make_run, row):
    folder = make_run(checks=[row(HOSTILE, "law", "violates", message=HOSTILE, replay=HOSTILE, dtype=HOSTILE)])
    text = write_junit(Run.load(folder), folder / "junit.xml").read_text(encoding="utf-8")
    assert not re.search(r"[^\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    case = ElementTree.fromstring(text).find("testsuite/testcase")
    assert case.get("classname").startswith("out[0]=\\x00\\x1b[31m<&\"'>]]>")


def test_a_third_party_reader_counts_the_same(whole_run):
    junitparser = pytest.importorskip("junitparser")
    run = Run.load(whole_run)
    read = junitparser.JUnitXml.fromstring(render(run).encode())
    kinds = Counter(type(result).__name__.lower() for suite in read for case in suite for result in case.result)
    expected = Counter(element for outcome in run.checks["outcome"] if (element := ELEMENTS[outcome]))
    assert kinds == expected and sum(expected.values())
    assert (read.tests, read.failures, read.errors, read.skipped) == (
        len(run.checks), expected["failure"], expected["error"], expected["skipped"],
    )  # fmt: skip
    read.update_statistics()
    assert read.tests == len(run.checks) and read.time > 0
    assert {one.name: one.value for one in next(iter(read)).properties()}["seed"] == "0"


def test_a_run_that_checked_nothing_is_an_empty_document(make_run):
    root = ElementTree.fromstring(render(Run.load(make_run())))
    assert (root.get("tests"), len(root)) == ("0", 0)
