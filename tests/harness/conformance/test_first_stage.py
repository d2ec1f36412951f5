"""The first stage: its table, its findings in the standard suite, and what ends a check in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attention_harness.audit.audit import audit
from attention_harness.audit.controls import BASES, CONTROLS, LAYER
from attention_harness.audit.faults import load_all
from attention_harness.audit.selection import from_catalogue
from attention_harness.conformance import first_stage
from attention_harness.conformance.check import check_function, load_properties
from attention_harness.conformance.plan import Listener, Plan
from attention_harness.conformance.schedule import Schedule
from attention_harness.conformance.settings import Settings
from attention_harness.conformance.under_test import UnderTest
from attention_harness.generation.edge_cases import EDGE_CASES
from attention_harness.generation.suite import draw_suite
from attention_harness.process.in_process import InProcessWorker
from attention_implementations.numpy.eager import attention
from attention_specs.case import Case
from attention_specs.formats import DTYPES
from attention_specs.property import PROPERTIES
from attention_specs.worked_example import CASES

load_properties()
SETTINGS = Settings(dtypes=("float32",))


def wrong_with_groups(q, k, v, *, scale=None, is_causal=False):
    k, v = (np.tile(a, (1, q.shape[1] // max(k.shape[1], 1), 1, 1)) for a in (k, v))
    return attention(q, k, v, scale=scale, is_causal=is_causal)


class Heard(list[str]):
    """The failures that a check tells."""

    def __init__(self) -> None:
        self.steps = 0
        super().__init__()

    @property
    def listener(self) -> Listener:
        return Listener(self._step, self.append)

    def _step(self) -> None:
        self.steps += 1


def checked(function, folder: Path, settings: Settings = SETTINGS, heard: Heard | None = None):
    plan = Plan(draw_suite(5, settings.seed, settings.dtypes), folder, settings)
    return check_function(InProcessWorker(function, "mine"), plan, (Heard() if heard is None else heard).listener)


MAKE = "python -m attention_harness.audit.first_stage makes the table anew"


def test_the_table_is_of_this_catalogue_and_of_these_cases():
    table, catalogue = first_stage.load(), load_all()
    for spec, cases in table["cases"].items():
        names = {fault.name for fault in catalogue.values() if fault.spec == spec and fault.form == "padded"}
        known = {case.id for case in (*CASES[spec], *EDGE_CASES[spec])}
        ids = {one.id for one in PROPERTIES.values() if one.spec == spec}
        assert table["faults"][spec] == len(names), MAKE
        assert set(table["missed"][spec]) <= names, MAKE
        assert cases.keys() <= known, MAKE
        assert set(" ".join(cases.values()).split()) <= ids, MAKE


def test_it_has_few_cases_and_misses_few_faults():
    covered = first_stage.coverage(("attention", "multi-head"))
    assert 30 <= covered["cases"] <= 60
    assert covered["rejected"] >= 0.95 * covered["faults"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_one_fault_in_ten_is_rejected_by_other_numbers_too(seed):
    missed = {name for names in first_stage.load()["missed"].values() for name in names}
    names = sorted(load_all())[seed::10]
    plan = Plan(draw_suite(0, seed, DTYPES), Path(), Settings(seed=seed, first_stage=True))
    examined = {one.name: one for one in audit(from_catalogue(names), plan, quick=True, jobs=2, step=lambda name: None)}
    survivors = [name for name in names if not examined[name].kills and name not in missed]
    assert len(survivors) <= 0.05 * len(names), survivors
    assert not [one.name for name, one in examined.items() if name not in names and one.kills]


@pytest.mark.slow
@pytest.mark.parametrize("function", [attention, wrong_with_groups])
@pytest.mark.parametrize("seed", [0, 3])
def test_the_rows_are_those_of_a_check_without_it(function, seed, tmp_path, monkeypatch):
    settings = replace(SETTINGS, seed=seed)
    staged = checked(function, tmp_path, settings)
    monkeypatch.setattr(first_stage, "cases", lambda spec: [])
    plain = checked(function, tmp_path, settings)
    assert [replace(row, seconds=0) for row in staged.rows] == [replace(row, seconds=0) for row in plain.rows]


def test_a_failure_is_told_once_and_before_the_standard_suite(tmp_path):
    heard = Heard()
    told_after = []
    listener = replace(heard.listener, failed=lambda sentence: told_after.append((heard.steps, sentence)))
    plan = Plan(draw_suite(5, 0, ("float32",)), tmp_path, SETTINGS)
    check_function(InProcessWorker(wrong_with_groups, "mine"), plan, listener)
    ((steps, sentence),) = told_after
    assert steps == 0
    assert sentence.startswith("violates: output agrees with the oracle: out[")


def test_a_sound_function_is_told_nothing_of(tmp_path):
    heard = Heard()
    assert checked(attention, tmp_path, heard=heard).right
    assert not heard
    assert heard.steps > 100


def test_quick_asks_the_first_stage_alone(tmp_path):
    settings = replace(SETTINGS, first_stage=True)
    result = checked(attention, tmp_path, settings)
    assert result.right
    assert 10 < result.asked <= len(first_stage.cases("attention"))
    assert "not in the first stage" in {row.message for row in result.rows}
    assert checked(wrong_with_groups, tmp_path, settings).wrong


def test_the_numbers_of_the_edge_cases_change_with_the_seed(tmp_path):
    asked: dict[int, set[bytes]] = {0: set(), 1: set()}

    def remembering(seed):
        def remembers(q, k, v, *, scale=None):
            asked[seed].add(q.tobytes())
            return attention(q, k, v, scale=scale)

        return remembers

    for seed in asked:
        only = ("output_agrees_with_the_oracle",)
        checked(remembering(seed), tmp_path, replace(SETTINGS, seed=seed, first_stage=True, properties=only))
    assert len(asked[0] & asked[1]) < len(asked[0]) / 2


def test_fail_fast_stops_at_the_first_failure_and_makes_it_small(tmp_path):
    heard = Heard()
    result = checked(wrong_with_groups, tmp_path, replace(SETTINGS, fail_fast=True), heard)
    assert len(heard) == 1
    wrong = [row for row in result.rows if row.outcome.wrong]
    assert wrong
    assert all(row.cases <= len(first_stage.cases("attention")) for row in wrong)
    assert "Lq=1 Lk=1" in wrong[0].message
    assert "not asked before the check stopped" in {row.message for row in result.rows}


@pytest.mark.slow
def test_fail_fast_asks_a_sound_function_everything(tmp_path):
    usual = checked(attention, tmp_path)
    hurried = checked(attention, tmp_path, replace(SETTINGS, fail_fast=True))
    assert [replace(row, seconds=0) for row in hurried.rows] == [replace(row, seconds=0) for row in usual.rows]


@pytest.mark.slow
def test_a_failure_that_no_known_case_shows_is_told_in_the_standard_suite(tmp_path):
    known = {case.problem.key_length for case in (*EDGE_CASES["attention"], *CASES["attention"])}
    plan = Plan(draw_suite(60, 0, ("float32",)), tmp_path, SETTINGS)
    drawn = [case.problem.key_length for case in plan.suites["attention"].drawn]
    rare = next(length for length in drawn if length not in known)

    def wrong_there(q, k, v, *, scale=None):
        return attention(q, k, v, scale=scale) + (k.shape[2] == rare)

    heard = Heard()
    assert check_function(InProcessWorker(wrong_there, "mine"), plan, heard.listener).wrong
    assert len(heard) == 1
    assert heard.steps > 100


def test_a_plan_is_drawn_when_it_is_looked_at():
    suite = draw_suite(3, 0, ("float32",))["attention"]
    assert "made" not in vars(suite.drawn)
    assert len(suite.drawn) == 3
    assert isinstance(suite.drawn[0], Case)
    assert "made" in vars(suite.drawn)


def test_a_failure_that_comes_once_is_not_lost(tmp_path):
    seen = set()

    def wrong_at_first(q, k, v):
        out = attention(q, k, v)
        new = q.shape not in seen
        seen.add(q.shape)
        return out * 2 if new and q.shape[2:] == (3, 1) else out

    heard = Heard()
    result = checked(wrong_at_first, tmp_path, heard=heard)
    assert heard
    assert result.wrong


def test_a_call_that_fails_after_the_first_stage_is_a_fault_of_the_implementation(tmp_path):
    calls: dict[bytes, int] = {}

    def fails_when_it_sees_them_again(q, k, v):
        number = calls.setdefault(q.tobytes() + k.tobytes() + v.tobytes(), len(calls))
        if len(calls) - number > 30:
            raise RuntimeError("seen before")
        return attention(q, k, v)

    result = checked(fails_when_it_sees_them_again, tmp_path)
    assert result.wrong
    assert not result.ours


@pytest.mark.parametrize("spec", ["attention", "multi-head"])
def test_each_property_is_asked_alone_as_among_the_others(spec, tmp_path):
    process = InProcessWorker(CONTROLS[BASES[0] if spec == "attention" else LAYER])
    under_test = UnderTest(process, process.description)

    def asked(names):
        plan = Plan(draw_suite(0, 0, DTYPES), tmp_path, Settings(first_stage=True, properties=names))
        return {(case.id, one.id) for case, properties in Schedule(under_test, plan).cases() for one in properties}

    together = asked(())
    for property_ in [one for one in PROPERTIES.values() if one.spec == spec]:
        assert {pair for pair in together if pair[1] == property_.id} <= asked((property_.name,))
