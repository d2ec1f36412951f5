"""A check returns for all answers of an implementation, and names faults of the harness as its own."""

from __future__ import annotations

import errno
from dataclasses import replace

import numpy as np
import pytest

from attention_harness.cli.exit_status import status_of
from attention_harness.conformance import check as conformance
from attention_harness.conformance.check import Plan, check, load_properties
from attention_harness.conformance.conformance_check import ConformanceCheck
from attention_harness.conformance.failures import reproducers
from attention_harness.conformance.judging import Finding, Tally, find
from attention_harness.conformance.settings import Settings
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import CallFailed, Outcome, printable
from attention_harness.generation.suite import Suite
from attention_harness.process.in_process import InProcessWorker
from attention_harness.registry.targets import Target
from attention_harness.runs.ending import OURS
from attention_implementations.numpy.eager import attention
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.judge import Verdict
from attention_specs.property import PROPERTIES, properties_of

load_properties()
ORACLE = PROPERTIES["output_agrees_with_the_oracle"]
CASE = Case(Problem(1, 2, 1, 2, 3, 4, 4))
STRANGE = {
    "object": lambda a: np.full(a.shape, None),
    "str": lambda a: a.astype(str),
    "datetime": lambda a: a.astype("datetime64[s]"),
    "complex": lambda a: a.astype(complex),
    "bool": lambda a: a > 0,
}


def answering(change, *which):
    """A control with some of its results (out, weights, lse) changed."""

    def strange(q, k, v, *, return_weights=False, return_lse=False):
        names = ("out", *["weights"] * return_weights, *["lse"] * return_lse)
        results = attention(q, k, v, return_weights=return_weights, return_lse=return_lse)
        results = results if isinstance(results, tuple) else (results,)
        changed = tuple(change(a) if name in which else a for name, a in zip(names, results, strict=True))
        return changed if len(changed) > 1 else changed[0]

    return strange


def subject_of(function):
    worker = InProcessWorker(function)
    return UnderTest(worker, worker.description)


@pytest.mark.parametrize("which", ["out", "weights", "lse"])
@pytest.mark.parametrize("kind", STRANGE)
def test_a_strange_dtype_is_a_violation_wherever_it_comes(kind, which):
    under_test = subject_of(answering(STRANGE[kind], which))
    x = under_test.realise(CASE)
    properties = [
        property_
        for property_ in properties_of("attention")
        if set(property_.options) <= {"return_weights", "return_lse"} and property_.needs(x)
    ]
    properties = [
        property_
        for property_ in properties
        if not property_.gradient and (which == "out" or f"return_{which}" in property_.options)
    ]
    outcomes = {property_.name: find(under_test, property_, x) for property_ in properties}
    messages = {f.verdict.message for f in outcomes.values() if f.outcome == "violates" and "dtype of" in f.verdict.message}
    assert f"dtype of {which}=" in next(iter(messages))
    assert outcomes[ORACLE.name].outcome == "violates" if which == "out" else len(messages) == 1


def test_single_precision_in_place_of_half_is_a_number_and_is_judged():
    under_test = subject_of(answering(lambda a: a.astype(np.float64), "lse", "weights"))
    x = under_test.realise(CASE)
    assert find(under_test, PROPERTIES["weights_sum_to_one"], x).outcome == "agrees"


def checking(tmp_path, function=attention, **plan):
    worker = InProcessWorker(function)
    under_test = UnderTest(worker, worker.description)
    return ConformanceCheck(
        under_test,
        Target("mine", "mine.py:f", False),
        Plan({"attention": Suite(drawn=[CASE])}, tmp_path, Settings(**plan)),
    )


def test_an_exception_in_a_property_is_named_as_ours_and_the_other_cases_are_judged(tmp_path, monkeypatch):
    monkeypatch.setattr("attention_harness.conformance.agreement.ErrorRecorder.add", lambda *_: 1 / 0)
    checked = checking(tmp_path, properties=(ORACLE.name,))
    rows = checked.rows()
    assert checked.ours
    assert [row.outcome for row in rows if row.property == ORACLE.name and row.cases] == ["agrees"]
    assert rows[-1].outcome == "errored"
    assert "fault of attention-harness: ZeroDivisionError: division by zero (" in rows[-1].message
    assert "please report" in rows[-1].message


def test_without_a_fault_of_ours_nothing_is_said_of_one(tmp_path):
    checked = checking(tmp_path, properties=(ORACLE.name,))
    assert not any("fault of attention-harness" in row.message for row in checked.rows())
    assert not checked.ours


def test_an_exception_in_the_driver_ends_the_check_of_its_target_alone(tmp_path, monkeypatch):
    def fails(*_):
        raise KeyError("no such \udcff thing")

    monkeypatch.setattr(conformance, "_begun", fails)
    checked = check(Target("mine", "mine.py:f", False), Plan({}, tmp_path))
    assert checked.ours
    assert "fault of attention-harness: KeyError" in checked.rows[0].message
    checked.rows[0].message.encode()
    assert (status_of([checked]), status_of([replace(checked, ours=False)])) == (OURS, 1)


def test_what_cannot_be_loaded_again_is_an_error_that_the_report_knows():
    under_test = subject_of(attention)
    for outcome in ("unloadable", "unavailable"):

        def gone(request, outcome=outcome):
            raise CallFailed(outcome, "no module")

        under_test.worker.call = gone
        under_test.forget()
        assert find(under_test, ORACLE, under_test.realise(CASE)).outcome == "errored"


def test_the_text_of_an_exception_can_be_written_and_shown():
    def raises(q, k, v):
        raise ValueError("bad byte \udcff, \x1b[31m and \x00")

    under_test = subject_of(raises)
    message = find(under_test, ORACLE, under_test.realise(CASE)).verdict.message
    assert message == r"ValueError: bad byte \udcff, \x1b[31m and \x00"
    assert message.encode().decode() == message
    assert printable("two\nlines, é and 你") == "two lines, é and 你"


@pytest.mark.parametrize("message", ["bad byte \udcff", "a NUL \x00 here"])
def test_a_case_is_written_whatever_the_message_says(message, tmp_path):
    path = reproducers.write(tmp_path, Target("mine", "mine.py:f"), subject_of(attention), ORACLE, CASE, message)
    compile(path.with_suffix(".py").read_text(), "script", "exec")


def test_a_full_disk_is_not_a_fault_of_ours(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("attention_harness.conformance.agreement.ErrorRecorder.add", full)
    with pytest.raises(OSError, match="No space left"):
        checking(tmp_path, properties=(ORACLE.name,)).rows()


@pytest.mark.parametrize("worst", [np.nan, np.inf])
def test_the_worst_ratio_is_never_forgotten(worst):
    tally = Tally()
    for ratio in (0.5, worst, 0.3, np.inf, 2.0):
        tally.add(CASE, Finding(ORACLE, Outcome.AGREES if ratio <= 1 else Outcome.VIOLATES, Verdict(ratio)))
    assert np.array_equal(tally.worst, worst, equal_nan=True)
