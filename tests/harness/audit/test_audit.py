"""An audit rejects every fault and no control, and its short cut gives the verdicts of the long way."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from attention_harness.audit import audit, tables
from attention_harness.audit.audit import Examined
from attention_harness.audit.conforming import declaring
from attention_harness.audit.controls import BASES, CONTROLS, quiet
from attention_harness.audit.faults import load_all
from attention_harness.audit.selection import from_catalogue
from attention_harness.audit.transcripts import ComparedWorker, RecordingWorker
from attention_harness.audit.trials import Base, Kill, MutantRun
from attention_harness.cli.app import main
from attention_harness.conformance.check import Plan, load_properties
from attention_harness.conformance.oracle_cache import CachedOracle
from attention_harness.conformance.under_test import UnderTest
from attention_harness.generation.suite import Suite, draw_suite
from attention_implementations.numpy.eager import attention
from attention_specs import masks
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.formats import DTYPES
from attention_specs.spec import spec_of

load_properties()
SUBTLE = (
    "the_softcap_is_dropped_for_one_query",
    "the_scale_is_that_of_the_first_call",
    "small_weights_are_flushed",
    "masks_of_three_axes_are_taken_per_batch_entry",
    "a_hidden_first_block_gives_nan",
    "nan_outside_the_window_spreads",
    "large_batches_are_summed_in_another_order",
    "sixteen_bit_weights_are_stored_undeclared",
)


@pytest.fixture(scope="module")
def plan():
    cases = draw_suite(24, 5, DTYPES)["attention"].cases
    near = [case for case in cases if max(case.problem.query_length, case.problem.key_length) < 500]
    return Plan({"attention": Suite(drawn=near[::2])}, Path())


def side_by_side(plan, functions, bases):
    """Name -> trial: the functions on all cases, compared with these bases, as an audit tries them."""
    specs = {spec: CachedOracle(spec_of(spec)) for spec in audit.SPECS}
    controls = [Base(base, CONTROLS[base], plan, specs) for base in bases]
    trials = [MutantRun(name, function, plan, specs, controls) for name, function in functions.items()]
    audit._all_cases([*controls, *trials], specs["attention"], quick=False, tick=lambda name: None)
    return {trial.name: trial for trial in trials}


@pytest.fixture(scope="module")
def both_ways(plan):
    """The trials of subtle faults by the short cut, and by the long way."""
    faults = {name: load_all()[name].function for name in SUBTLE}
    return [side_by_side(plan, faults, bases) for bases in (BASES, ())]


@pytest.mark.slow
@pytest.mark.parametrize("name", SUBTLE)
def test_the_short_cut_kills_what_the_long_way_kills(name, both_ways):
    short, long = (sorted((kill.property, kill.cases, kill.case) for kill in ways[name].kills.values()) for ways in both_ways)
    if name == "the_scale_is_that_of_the_first_call":  # its calls differ, and so do the cases that show it
        short, long = ({property_ for property_, *_ in kills} for kills in (short, long))
        assert short & long
    else:
        assert short == long


def test_what_refuses_most_is_tried_where_it_answers():
    cases = [Case(Problem(2, 2, 1, 3, 5 + n, 8, 16, mask=masks.random(n, 0.5, "bhij"))) for n in range(4)]
    name = "dims_of_sixty_four_alone_with_one_mask"
    trial = side_by_side(Plan({"attention": Suite(drawn=cases)}, Path()), {name: load_all()[name].function}, BASES)[name]
    assert "head_dim == 64" in trial.checking.answer_counts.domain.conditions
    assert "output_agrees_with_the_oracle" in trial.kills


def test_a_declared_domain_is_left_on_purpose():
    cases = [Case(Problem(2, 2, 1, 3, 5 + n, 20, 16, is_causal=n % 2 == 0)) for n in range(4)]
    names = ("declared_blocks_of_four_keys_lose_the_tail", "declared_vectors_of_sixteen_channels_lose_the_rest")
    functions = {name: load_all()[name].function for name in names} | {"control": CONTROLS["declared domain"]}
    trials = side_by_side(Plan({"attention": Suite(drawn=cases)}, Path()), functions, BASES)
    outside = {"outside_of_its_domain_it_refuses_or_is_right"}
    assert {name: set(trial.kills) for name, trial in trials.items()} == {**dict.fromkeys(names, outside), "control": set()}


def test_a_compared_function_is_asked_what_the_control_was_asked(plan):
    case, spec = plan.suites["attention"].drawn[0], spec_of("attention")
    control, twin = RecordingWorker(quiet(attention)), ComparedWorker(quiet(attention))
    UnderTest(control, control.description)(spec.realise(case))
    assert len(control.script) == 1
    assert twin.follows(control.script)

    def off_by_a_bit(q, k, v, **o):
        return np.nextafter(attention(q, k, v, **o), np.asarray(9, q.dtype))

    assert not ComparedWorker(quiet(off_by_a_bit)).follows(control.script)


@pytest.fixture
def counting():
    """A function that counts its calls, and the calls."""
    calls = []

    def counts(q, k, v, **o):
        calls.append(1)
        return attention(q, k, v, **o) + 1

    return ComparedWorker(quiet(counts)), calls


def test_answers_to_a_script_are_not_asked_for_again(counting):
    (compared, calls), x = counting, spec_of("attention").realise(Case(Problem(key_length=3)))
    control = RecordingWorker(quiet(attention))
    UnderTest(control, control.description)(x)
    assert not compared.follows(control.script)
    compared.restart()
    under_test = UnderTest(compared, compared.description)
    under_test(x)
    assert len(calls) == 1
    under_test.again(x)
    assert len(calls) == 2


def test_properties_share_what_they_ask_once_and_not_what_they_ask_again(counting):
    (compared, calls), x = counting, spec_of("attention").realise(Case(Problem(key_length=3)))
    for _ in range(3):
        compared.property_()
        under_test = UnderTest(compared, compared.description)
        under_test(x)
        under_test.again(x)
    assert len(calls) == 1 + 3


def test_the_oracle_that_is_shared_says_what_it_says_alone(plan):
    spec = spec_of("attention")
    shared = CachedOracle(spec)
    for case in plan.suites["attention"].drawn[:6]:
        x = shared.realise(case)
        again, alone = (s.expect(x, audit_conventions(), None) for s in (shared, spec))
        assert shared.expect(x.replace(), audit_conventions(), None) is again
        np.testing.assert_array_equal(again.out, alone.out)
        np.testing.assert_array_equal(again.bounds.out, alone.bounds.out)


def audit_conventions():
    return UnderTest(ComparedWorker(quiet(attention)), ComparedWorker(quiet(attention)).description).description.conventions


def kill(name="output_agrees_with_the_oracle"):
    return Kill(name, "P4", "violates", "float32", 3, 0.5, "B=1", "out=1, but should be 0")


def test_survivors_and_accusations_and_holes_make_it_fail():
    selection, name = from_catalogue(["the_softcap_is_dropped"]), "the_softcap_is_dropped"
    rows = tables.fault_rows(selection, [Examined(name, (), 9, 1.0, {})])
    assert (rows[0]["killed_by"], rows[0]["family"]) == ("", "C05")
    assert tables.survivors(rows) == ["survivors=the_softcap_is_dropped, but should be none"]
    assert tables.survivors(tables.fault_rows(selection, [Examined(name, (kill(),), 9, 1.0, {})])) == []
    accused = tables.control_rows(selection, [Examined("eager", (kill(),), 9, 1.0, {})])
    assert "it is a control" in tables.accusations(accused)[0]
    assert tables.accusations(tables.control_rows(selection, [Examined("eager", (), 9, 1.0, {})])) == []
    assert tables.holes([{"region": "bias", "value": "alibi", "cases": 0}]) == ["cases of bias alibi=0, but should be some"]


def test_a_property_that_tells_nothing_makes_it_fail():
    seen = {"output_agrees_with_the_oracle": (70, 30), "answers_every_problem": (99, 1)}
    sentences = tables.vacuous(tables.vacuity_rows(from_catalogue([]), [Examined("eager", (), 9, 1.0, seen)]))
    assert sentences == ["vacuous cases of output_agrees_with_the_oracle=30%, but should be at most 20%"]


@pytest.fixture
def few_cases(monkeypatch, affordable, cases_of):
    """Small cases of all specs: some sixty functions are asked, and those of a whole suite take minutes."""
    small = [*affordable[::12], Case(Problem(key_length=3, head_dim=2, value_dim=4))]
    others = {spec: Suite(drawn=cases_of(0)[spec][::24]) for spec in ("multi-head", "merge")}
    few = {"attention": Suite(drawn=small), **others}
    run = import_module("attention_harness.audit.run")
    monkeypatch.setattr(run, "draw_suite", lambda *given: few)
    monkeypatch.setattr(run, "vectors", lambda names: ())


@pytest.mark.slow
@pytest.mark.usefixtures("few_cases")
def test_from_the_command_line_no_control_is_accused_and_faults_are_rejected(tmp_path, capsys):
    names = ["the_softcap_is_dropped", "leaves_with_status_zero"]
    assert main(["audit", *names, "--quick", "--examples", "9", "--json", "--output", str(tmp_path)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(row["fault"], row["class"]) for row in document["faults"]] == [(names[0], "C05"), (names[1], "C36")]
    assert all(row["killed_by"] and row["cases"] and row["seconds"] >= 0 for row in document["faults"])
    assert {row["name"] for row in document["sound"]} == {*CONTROLS, *declaring()}
    assert {row["name"]: row["accused_by"] for row in document["sound"] if row["accused_by"]} == {}
    assert (tmp_path / "report.html").exists() and (tmp_path / "kills.parquet").exists()


def test_an_unknown_fault_is_a_wrong_call(capsys):
    assert main(["audit", "no_such_fault"]) == 2
    assert "fault=no_such_fault, but should be" in capsys.readouterr().err
