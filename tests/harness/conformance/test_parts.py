"""A check of everything: each implementation is asked the first stage and one part of the suite."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attention_harness.conformance import first_stage
from attention_harness.conformance.check import check_function
from attention_harness.conformance.plan import Plan
from attention_harness.conformance.settings import Settings
from attention_harness.generation.edge_cases import EDGE_CASES
from attention_harness.generation.suite import draw_suite
from attention_harness.process.in_process import InProcessWorker
from attention_implementations.numpy.eager import attention
from attention_specs.attention.inputs import realise
from attention_specs.worked_example import CASES

SETTINGS = Settings(examples=10, dtypes=("float32",), properties=("output_agrees_with_the_oracle",))
NAMES = ("one", "two", "six")


def checked(function, folder, settings, name="mine"):
    return check_function(InProcessWorker(function, name), Plan(draw_suite(10, 0, settings.dtypes), folder, settings))


@pytest.fixture(scope="module")
def covered(tmp_path_factory):
    """The cases of each part, and of the whole under "mine"."""
    folder, of_part = tmp_path_factory.mktemp("parts"), replace(SETTINGS, parts=3)
    whole = {"mine": set(checked(attention, folder, SETTINGS).covered)}
    return whole | {name: set(checked(attention, folder, of_part, name).covered) for name in NAMES}


def test_the_part_is_that_of_the_framework_and_the_seed():
    assert {Settings(parts=3).part(name) for name in NAMES} == {"1/3", "2/3", "3/3"}
    assert {Settings(parts=3, seed=seed).part("one") for seed in range(3)} == {"1/3", "2/3", "3/3"}
    assert Settings(parts=3).part("one-eager") == Settings(parts=3).part("one-online")
    assert (Settings().part("one"), Settings(shard="2/5").part("one")) == ("", "2/5")


def test_the_parts_are_the_suite(covered):
    assert set.union(*(covered[name] for name in NAMES)) == covered["mine"]
    assert all(len(covered[name]) < 0.6 * len(covered["mine"]) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_has_the_first_stage(name, tmp_path):
    known = {case.id: case for case in (*CASES["attention"], *EDGE_CASES["attention"]) if case.problem.dtype == "float32"}
    shape = next(realise(known[name]).q.shape for name, _ in first_stage.cases("attention") if name in known)

    def wrong_for_one_shape(q, k, v, *, scale=None):
        out = attention(q, k, v, scale=scale)
        return out * np.float32(2) if q.shape == shape else out

    assert checked(wrong_for_one_shape, tmp_path, replace(SETTINGS, parts=3), name).wrong
