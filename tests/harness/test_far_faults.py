"""Faults that need a row at a level, an option beside a mask, a far size or a number between the usual ones."""

from pathlib import Path

import pytest

from harness.auditing.inside import Inside
from harness.auditing.sound import EAGER, LAYER, SOUND
from harness.auditing.trials import Trial
from harness.conformance import Plan, load_claims
from harness.corners import CORNERS
from harness.faults import load_all
from harness.subject import spec_of
from specs.claims import CLAIMS
from specs.recipes import ROWS_AT

load_claims()
AT_A_LEVEL = {
    "attention": [case for case in CORNERS["attention"] if case.recipe in ROWS_AT.values()],
    "multi-head": [case for case in CORNERS["multi-head"] if case.recipe == "low_scores"],
}
ELSEWHERE = {
    "attention": [
        case
        for case in CORNERS["attention"]
        if case.problem.softcap == 90 or case.problem.query_heads == 128 or case.problem.query_length in (17, 8193)
    ]
}


def planted(module):
    """The faults of that module of the catalogue."""
    return [fault for fault in load_all().values() if fault.function.__module__ == f"harness.faults.{module}"]


def rejected_by(name, function, cases):
    """Which of the properties that are judged by the oracle reject the function on these cases of every run."""
    worker = Inside(function, name)
    spec = worker.description.spec
    trial = Trial(name, worker, Plan(cases, Path()), {spec: spec_of(spec)})
    against_the_oracle = [claim for claim in CLAIMS.values() if claim.spec == spec and claim.clause in ("P4", "L4")]
    for case in cases[spec]:
        trial.step(case, against_the_oracle)
    return {kill.clause for kill in trial.kills.values()}


@pytest.mark.parametrize("fault", planted("levels"), ids=lambda fault: fault.name)
def test_corners_at_a_level_reject_what_loses_such_rows(fault):
    assert rejected_by(fault.name, fault.function, AT_A_LEVEL)


@pytest.mark.parametrize("fault", planted("far_sizes"), ids=lambda fault: fault.name)
def test_corners_reject_what_is_wrong_at_a_far_size_or_between_the_usual_numbers(fault):
    assert rejected_by(fault.name, fault.function, ELSEWHERE)


@pytest.mark.parametrize("name", [EAGER, LAYER, "scores in 16 bits", "online, blocks of 16", "declared matrix unit"])
def test_corners_at_a_level_accuse_nobody_who_is_right(name):
    assert not rejected_by(name, SOUND[name], AT_A_LEVEL | {"attention": AT_A_LEVEL["attention"] + ELSEWHERE["attention"]})
