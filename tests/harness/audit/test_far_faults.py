"""Faults that need a row at a level, an option beside a mask, a far size, a number between the usual ones, or a declaration."""

from pathlib import Path

import pytest

from attention_harness.audit.controls import CONTROLS, EAGER, LAYER
from attention_harness.audit.faults import load_all
from attention_harness.audit.trials import Trial
from attention_harness.conformance.check import Plan, load_properties
from attention_harness.generation.edge_cases import EDGE_CASES, LEVELLED
from attention_harness.generation.suite import Suite
from attention_harness.process.in_process import InProcessWorker
from attention_specs import biases, masks
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.property import PROPERTIES
from attention_specs.spec import spec_of

load_properties()
ORACLE = ("P2", "P4", "P5", "L4")
"""The properties by the oracle, and the shape."""
WITH_MORE_CELLS = (*ORACLE, "R14")
"""The same, and as many keys once more: sizes that no case has by itself."""

AT_A_LEVEL = {
    "attention": LEVELLED,
    "multi-head": [case for case in EDGE_CASES["multi-head"] if case.recipe == "low_scores"],
}
HIDING_BIAS = biases.minus_infinity(masks.hidden_query(1))
SMALL = {
    "maxima": [Case(Problem(1, 2, 2, 40, 40, 8, 8, is_causal=True), "huge_scores")],
    "ranges": [
        *(Case(Problem(1, 2, 2, 5, 9, 8, 8, softcap=cap), "steep") for cap in (2.6, 90.0)),
        *(Case(Problem(1, 2, 2, 5, 9, 8, 8, scale=scale)) for scale in (1.376, -0.7)),
        Case(Problem(1, 2, 2, 5, 9, 8, 8, sinks=40.0)),
        *(Case(Problem(1, 2, 2, 40, 300, 8, 8, window=window)) for window in ((23, 3), (3, 270))),
    ],
    "beside_masks": [
        Case(Problem(2, 2, 2, 9, 20, 8, 8, mask=mask, **rule))
        for mask in (masks.random(5, 0.5, "hij"), masks.key_padding((9, 20)))
        for rule in ({"is_causal": True}, {"window": (2, 1)}, {"query_lengths": (9, 4)}, {"key_lengths": (9, 14)})
    ]
    + [Case(Problem(2, 2, 2, 9, 20, 8, 8, bias=biases.noise(1, 5.0, "bhij"), is_causal=True))],
    "declared": [
        Case(Problem(2, 2, 2, 5, 9, 8, 8, mask=masks.random(5, 0.5, "hij"), is_causal=True)),
        Case(Problem(2, 4, 2, 5, 9, 8, 8, key_lengths=(9, 4), is_causal=True, window=(2, 1), sinks=1.0)),
        Case(Problem(2, 4, 2, 5, 9, 8, 8, key_lengths=(9, 4), query_lengths=(5, 3), is_causal=True, window=(2, 1))),
        Case(Problem(1, 2, 2, 9, 5, 8, 8, window=(2, 1))),
        Case(Problem(2, 4, 2, 5, 9, 8, 8, key_lengths=(9, 6), query_lengths=(5, 3))),
        *(Case(Problem(2, 4, 2, 5, 9, 8, 8, dtype, mask=masks.hidden_query(1))) for dtype in ("bfloat16", "float32")),
        Case(Problem(2, 4, 2, 5, 9, 8, 8, bias=HIDING_BIAS)),
        Case(Problem(1, 2, 2, 1, 9, 8, 8, mask=masks.hidden_key(3))),
    ],
    "refusals": [
        Case(Problem(1, 2, 2, 9, 9, 8, 8, is_causal=True, scale=0.7)),
        Case(Problem(1, 2, 2, 1, 33, 8, 8)),
        Case(Problem(2, 2, 2, 3, 5, 64, 64, mask=masks.random(5, 0.5, "bhij"))),
        Case(Problem(1, 1, 1, 9, 5, 8, 8, mask=masks.hidden_key(3), is_causal=True)),
    ],
    "returned": [Case(Problem(2, 2, 2, 5, 9, 8, 8, mask=masks.hidden_key(3), sinks=1.0))],
}
"""Module -> few small cases, each at what some of its faults are wrong in."""


def planted(module):
    """The faults of that module of the catalogue."""
    return [fault for fault in load_all().values() if fault.function.__module__ == f"attention_harness.audit.faults.{module}"]


def tried(name, function, cases, identifiers=()):
    """The trial of the function on these cases, by these properties or all, until one rejects it."""
    worker = InProcessWorker(function, name)
    spec = worker.description.spec
    trial = Trial(name, worker, Plan({spec: Suite(drawn=cases)}, Path()), {spec: spec_of(spec)})
    asked = [
        property_
        for property_ in PROPERTIES.values()
        if property_.spec == spec and (not identifiers or property_.id in identifiers)
    ]
    for case in cases:
        if not trial.kills:
            trial.step(trial.under_test.within_its_options(case), asked)
    return trial


@pytest.mark.parametrize("fault", planted("levels"), ids=lambda fault: fault.name)
def test_edge_cases_at_a_level_reject_what_loses_such_rows(fault):
    assert tried(fault.name, fault.function, AT_A_LEVEL[fault.spec], ORACLE).kills


@pytest.mark.slow
@pytest.mark.parametrize("fault", planted("far_sizes"), ids=lambda fault: fault.name)
def test_edge_cases_reject_what_is_wrong_at_a_far_size_or_between_the_usual_numbers(fault):
    assert tried(fault.name, fault.function, EDGE_CASES["attention"], WITH_MORE_CELLS).kills


@pytest.mark.slow
@pytest.mark.parametrize("fault", [fault for module in SMALL for fault in planted(module)], ids=lambda fault: fault.name)
def test_some_property_rejects_a_fault_where_it_is_wrong(fault):
    cases = SMALL[fault.function.__module__.rpartition(".")[2]]
    places = [*cases, *LEVELLED] if fault.spec == "attention" else EDGE_CASES["multi-head"]
    assert tried(fault.name, fault.function, places).kills


@pytest.mark.parametrize("name", [EAGER, LAYER, "scores in 16 bits", "online, blocks of 16", "declared matrix unit"])
def test_edge_cases_and_these_cases_accuse_no_control(name):
    function = CONTROLS[name]
    others = [case for cases in SMALL.values() for case in cases]
    cases = EDGE_CASES["multi-head"] if name == LAYER else [*EDGE_CASES["attention"], *others]
    assert not tried(name, function, cases, ORACLE).kills
