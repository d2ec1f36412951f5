"""A waiver covers the failures of its case alone, and is an error once its case no longer fails."""

from __future__ import annotations

import json

import numpy as np
import pytest

from attention_harness.conformance.check import Plan, load_properties
from attention_harness.conformance.conformance_check import ConformanceCheck
from attention_harness.conformance.failures import waivers
from attention_harness.conformance.failures.waivers import Waiver, load, outlived
from attention_harness.conformance.settings import Settings
from attention_harness.conformance.under_test import UnderTest
from attention_harness.generation.suite import Suite
from attention_harness.process.in_process import InProcessWorker
from attention_harness.registry.targets import Target
from attention_implementations.numpy import eager as numpy_eager
from attention_specs import biases, masks
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.contract import OPTIONS, declares

NAME = "output_agrees_with_the_oracle"
WAIVER = Waiver(
    implementation="numpy-eager",
    property=NAME,
    outcome="violates",
    reason="it halves",
    link="https://example.org/1",
    case=Case(Problem(key_length=2)),
)
SMALL = [Case(Problem(2, 2, 1, 3, 2, 4, 4), seed=1), Case(Problem(1, 1, 1, 2, 1, 3, 3), "steep", seed=2)]
LARGE = Case(Problem(2, 2, 1, 3, 17, 4, 4), seed=3)
load_properties()


@declares(options=OPTIONS)
def halves(q, k, v, **options):
    return numpy_eager.attention(q, k, v, **options) / q.dtype.type(2)


@declares(options=OPTIONS)
def raises(q, k, v, **options):
    raise RuntimeError("no")


def test_the_shipped_waivers_load_and_each_says_why_and_where():
    shipped = load()
    assert all(w.reason and w.link.startswith("https://") and w.outcome.wrong for w in shipped)
    assert len({(w.implementation, w.property, w.case.id) for w in shipped}) == len(shipped)


def rows_under(waiver, function, cases, tmp_path, monkeypatch):
    """The failing and waived rows of float32 of the property that the waiver is about."""
    monkeypatch.setattr(waivers, "load", lambda: [waiver])
    worker = InProcessWorker(function)
    plan = Plan({"attention": Suite(drawn=cases)}, tmp_path, Settings(properties=(waiver.property,), dtypes=("float32",)))
    target = Target(waiver.implementation, "mine.py:f", False)
    rows = ConformanceCheck(UnderTest(worker, worker.description), target, plan).rows()
    return [row for row in rows if row.property == waiver.property and row.outcome not in ("agrees", "vacuous")]


def test_a_known_failure_is_waived_with_its_reason(tmp_path, monkeypatch):
    (row,) = rows_under(WAIVER, halves, [LARGE, *SMALL], tmp_path, monkeypatch)
    assert row.outcome == "waived"
    assert row.message.startswith("it halves (https://example.org/1): out[0,0,0,0]=")
    assert row.others == []


@declares(options=OPTIONS)
def halves_two_keys(q, k, v, **options):
    """The known failure alone: plain problems of few keys."""
    out = numpy_eager.attention(q, k, v, **options)
    return out / q.dtype.type(2) if k.shape[2] <= 2 and not options else out


def also(wrong):
    @declares(options=OPTIONS)
    def function(q, k, v, **options):
        out = halves_two_keys(q, k, v, **options)
        return wrong(out, k, options)

    return function


ALSO = {
    "of another option": (lambda out, k, o: out / out.dtype.type(2) if "softcap" in o else out, "softcap"),
    "of many keys": (lambda out, k, o: out / out.dtype.type(2) if k.shape[2] >= 9 else out, "Lk=9"),
    "that ends in NaN": (lambda out, k, o: out * np.nan if "scale" in o else out, "=nan"),
}


@pytest.mark.parametrize("other", ALSO)
@pytest.mark.parametrize("known", [True, False])
def test_another_failure_of_the_same_property_is_not_waived(other, known, tmp_path, monkeypatch):
    wrong, text = ALSO[other]
    cases = [
        LARGE,
        LARGE.with_problem(softcap=5.0, key_length=3),
        LARGE.with_problem(scale=0.5, key_length=3),
        *(SMALL if known else []),
    ]
    (row,) = rows_under(WAIVER, also(wrong), cases, tmp_path, monkeypatch)
    assert row.outcome == "violates"
    assert text in row.message
    assert [(other["outcome"], other["message"]) for other in row.others] == [("waived", str(WAIVER))] * known


def test_what_only_the_known_failure_explains_stays_waived(tmp_path, monkeypatch):
    (row,) = rows_under(WAIVER, halves_two_keys, [LARGE, *SMALL], tmp_path, monkeypatch)
    assert row.outcome == "waived"


def test_a_waiver_is_needed_as_long_as_its_case_fails(subject_of):
    assert list(outlived(subject_of(halves), [WAIVER])) == []


@pytest.mark.parametrize(("function", "outcome"), [(numpy_eager.attention, "agrees"), (raises, "errored")])
def test_a_waiver_whose_case_does_otherwise_is_an_error(function, outcome, subject_of):
    with np.errstate(all="ignore"):
        ((waiver, message),) = outlived(subject_of(function), [WAIVER])
    assert waiver is WAIVER
    assert f"={outcome}, but should be violates: remove it from attention_implementations/waivers.toml" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [({"property": "nothing"}, "property=nothing, but should be "), ({"reason": None}, "fields of Waiver")],
)
def test_a_waiver_that_is_incomplete_is_refused(change, message, tmp_path):
    entry = {"implementation": "a", "property": NAME, "outcome": "violates", "reason": "b", "link": "c"} | change
    lines = [f"{name} = {json.dumps(value)}" for name, value in entry.items() if value is not None]
    case = 'case = { spec = "attention", problem = {}, recipe = "normal", seed = 0, layouts = {} }'
    path = tmp_path / "waivers.toml"
    path.write_text("\n".join(["[[waiver]]", *lines, case]))
    with pytest.raises(ValueError, match=message):
        load(path)


OF_A_BIAS = Waiver(
    implementation="numpy-eager",
    property=NAME,
    outcome="violates",
    reason="a bias of -3e38 is wrong",
    link="https://example.org/2",
    case=Case(Problem(key_length=2)).with_problem(bias=biases.filler(masks.block(0, 1), -3e38)),
    bias_below=-2.3e38,
)
BIASED = [
    Case(Problem(1, 1, 1, 4, 9, 4, 4, window=(0, 1), bias=biases.filler(masks.hidden_query(3), -3e38)), seed=1),
    Case(Problem(2, 2, 1, 3, 5, 4, 4, key_lengths=(2, 3), bias=biases.filler(masks.block(0, 2), -3e38)), seed=2),
]


def low_bias(wrong):
    @declares(options=OPTIONS)
    def function(q, k, v, **options):
        out = numpy_eager.attention(q, k, v, **options)
        low = options.get("bias") is not None and options["bias"].min() < -2.3e38
        return out / q.dtype.type(2) if low or wrong(k, options) else out

    return function


def test_a_waiver_of_a_bias_covers_it_in_any_size_and_beside_any_option(tmp_path, monkeypatch):
    (row,) = rows_under(OF_A_BIAS, low_bias(lambda k, options: False), [*BIASED, LARGE], tmp_path, monkeypatch)
    assert row.outcome == "waived"


@pytest.mark.parametrize("case", [LARGE, BIASED[0], BIASED[0].with_problem(bias=biases.noise(1, 5.0, "hij"))])
def test_a_waiver_of_a_bias_covers_nothing_that_fails_without_such_a_bias(case, tmp_path, monkeypatch):
    (row,) = rows_under(OF_A_BIAS, low_bias(lambda k, options: k.shape[2] > 2), [case], tmp_path, monkeypatch)
    assert row.outcome == "violates"
