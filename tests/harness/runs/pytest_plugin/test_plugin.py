"""The plug-in in a repository of somebody else: beside its packages, its profile of Hypothesis, its warnings as errors."""

from __future__ import annotations

import pytest

CONFORMS = """
from attention_harness import parametrize_with_properties
from mine import tiled


@parametrize_with_properties(tiled, properties=["P1", "P2", "P4", "P6"], expected_failed={"P2": "wrong"}, dtypes=["float32"])
def test_conforms(check):
    check()


@parametrize_with_properties(tiled, properties=["P2"], examples=3)
def test_with_its_own(check):
    check()
"""
OWN = """
from attention_harness import parametrize_with_properties
from mine import tiled


@parametrize_with_properties(tiled, properties=["P1", "P2", "P4"], examples=3, seed=1)
def test_own(check):
    try:
        check()
    except AssertionError as failure:
        raise AssertionError(f"{failure} judged: {' '.join({row.property for row in check.shared.record.rows if row.clause > 'P1'})}")
"""
OUTCOMES = {
    "test_conforms[tiled-P1]": "passed",
    "test_conforms[tiled-P2]": "failure",
    "test_conforms[tiled-P4]": "failure",
    "test_conforms[tiled-P6]": "skipped",
    "test_with_its_own[tiled-P2]": "passed",
    "test_their_profile_holds": "passed",
}
P4 = "P4 output agrees with the oracle (float32): out[0,2,0,0]=1.304, but should be 0.94708 +- 8.69e-07"
CASE = "B=1 Hq=4 Hkv=2 Lq=1 Lk=1 D=1 Dv=1 float32 recipe=normal seed=0"
TARGET = ("--attention-target", "mine.py:tiled")
FEW = ("--attention-examples", "2")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def theirs(repository):
    return repository(test_mine=CONFORMS)


@pytest.fixture(scope="module")
def plain(theirs):
    return theirs.test(*FEW, "--attention-seed", "5", "-p", "no:xdist")


@pytest.fixture(scope="module")
def target(theirs):
    return theirs.test(*TARGET, *FEW, "-k", "P2 or P4 or P6")


def test_their_tests_end_as_they_should_beside_their_own_packages(plain):
    assert plain.outcomes == OUTCOMES


def test_options_of_the_command_line_hold_where_a_decorator_has_none(plain):
    line = "check_attention(tiled, properties=['P4'], examples=2, seed=5, dtypes=['float32'])"
    assert plain.properties["test_conforms[tiled-P4]"]["replay"] == line
    assert f"replay: {line}" in plain.messages["test_conforms[tiled-P4]"]


def test_a_decorators_own_options_come_first_and_the_selected_properties_alone_are_judged(theirs):
    theirs.write("test_own.py", OWN)
    session = theirs.test(*FEW, "--attention-seed", "5", "test_own.py", "-k", "P4")
    replay = session.properties["test_own[tiled-P4]"]["replay"]
    assert replay == "check_attention(tiled, properties=['P4'], examples=3, seed=1)"
    assert "judged: output_agrees_with_the_oracle" in session.messages["test_own[tiled-P4]"]
    assert "Captured stdout" not in session.output


def test_the_report_has_seed_versions_case_and_replay_line(plain):
    passed, failed = (plain.properties[f"test_conforms[tiled-{id}]"] for id in ("P1", "P4"))
    assert set(passed) == {"seed", "attention-harness", "numpy"}
    assert passed["seed"] == "5"
    assert all(passed.values())
    assert set(failed) - set(passed) == {"case", "replay"}
    assert failed["case"].startswith("B=1 Hq=4 Hkv=2 Lq=1 Lk=1")
    assert plain.properties["test_their_profile_holds"] == {}


def test_a_failure_shows_no_code_of_the_harness(plain):
    assert "pytest_plugin" not in plain.messages["test_conforms[tiled-P4]"]
    assert "check()" in plain.messages["test_conforms[tiled-P4]"]


def test_a_target_is_checked_without_a_file_and_alone(target):
    assert target.outcomes["tiled-P4"] == "failure"
    assert target.outcomes["tiled-P2"] == "passed"
    assert target.outcomes["tiled-P6"] == "skipped"
    assert not any(name.startswith("test_") for name in target.outcomes)
    assert target.status == 1


def test_a_failure_of_a_target_is_the_sentence_the_problem_and_the_replay_line(target):
    replay = "attention-harness check mine.py:tiled --property output_agrees_with_the_oracle --examples 2 --seed 0"
    _, _, section = target.output.partition("tiled-P4 __")
    sentence, looks_like, last, end = section.splitlines()[1:5]
    assert (sentence, last) == (f"{P4} [{CASE}]", f"  replay: {replay}")
    assert looks_like.startswith("  looks like: query head h reads key head h % Hkv")
    assert end.startswith("---")
    assert target.properties["tiled-P4"]["replay"] == replay
    assert target.properties["tiled-P4"]["case"] == CASE


def test_a_target_is_checked_beside_files_and_by_module_and_name(theirs):
    session = theirs.test(*TARGET, *FEW, "test_theirs.py", "mine.py:tiled::tiled-P2")
    assert session.outcomes == {"test_their_profile_holds": "passed", "tiled-P2": "passed"}
    several = theirs.test("--attention-target", "mine:tiled", "--attention-target", "numpy-eager", "--collect-only", "-q")
    assert {"mine:tiled::tiled-P4", "numpy-eager::numpy-eager-P4"} < set(several.output.splitlines())
    assert "test_theirs" not in several.output


def test_an_id_can_be_given_again_where_it_was_printed(theirs):
    theirs.write("inner/right.py", "from attention_implementations.numpy.eager import attention\n")
    named = (*FEW, "--attention-target", "right.py:attention")
    listed = theirs.test(*named, "--collect-only", "-q", within="inner").output.splitlines()
    assert "inner/right.py:attention::attention-P4" in listed
    again = theirs.test(*named, "right.py:attention::attention-P4", "-v", within="inner")
    assert again.outcomes == {"attention-P4": "passed"}
    assert "\nright.py:attention::attention-P4 PASSED" in again.output
    assert (
        "should be one that `--collect-only` shows"
        in theirs.test(*named, "right.py:attention::attention-P99", within="inner").output
    )


def test_a_target_of_the_configuration_hides_no_test(theirs):
    collected = theirs.test("-o", f"addopts={' '.join(TARGET)}", "--collect-only", "-q").output
    assert "mine.py:tiled::tiled-P4" in collected
    assert "test_theirs.py::test_their_profile_holds" in collected


@pytest.mark.parametrize("mode", ["append", "importlib"])
def test_every_import_mode_will_do(theirs, mode):
    session = theirs.test(f"--import-mode={mode}", *TARGET, "--collect-only", "-q", "test_mine.py", "-o", "pythonpath=.")
    assert session.status == 0
    assert {"mine.py:tiled::tiled-P4", "test_mine.py::test_conforms[tiled-P4]"} < set(session.output.splitlines())


def test_workers_share_one_check(theirs):
    pytest.importorskip("xdist")
    theirs.calls()
    session = theirs.test("-n", "2", "-v", *FEW, "-k", "conforms")
    assert session.outcomes == {name: outcome for name, outcome in OUTCOMES.items() if "conforms" in name}
    assert {"[gw0]", "[gw1]"} < set(session.output.split())
    assert session.properties["test_conforms[tiled-P4]"]["case"] == CASE
    assert theirs.calls() == 1
    assert list((theirs.folder / "tmp").glob("attention-harness-*")) == []


def test_a_dead_worker_keeps_nobody_waiting(repository):
    pytest.importorskip("xdist")
    theirs = repository(test_mine=CONFORMS)
    theirs.write("mine.py", "import os\n\n\ndef tiled(q, k, v):\n    os._exit(3)\n")
    session = theirs.test("-n", "2", *FEW, "-k", "conforms and not P2")
    crashed = [name for name, message in session.messages.items() if "crashed" in message]
    others = {name: message for name, message in session.messages.items() if name not in crashed}
    assert len(crashed) == 1
    assert len(others) == 2
    assert all("check of tiled=ended with the process of its tests, but should be" in one for one in others.values())


def test_it_can_be_switched_off(theirs):
    off = ("-p", "no:attention_harness")
    assert theirs.test(*off, "-k", "its_own").outcomes == {"test_with_its_own[tiled-P2]": "passed"}
    assert "unrecognized arguments: --attention-target" in theirs.test(*off, *TARGET).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--attention-target", "absent.py:f"), "target=absent.py:f, but should name a file that can be read"),
        (("--attention-target", "mine:tiled", "--attention-examples", "0"), "--attention-examples=0, but should be above 0"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_collected(theirs, arguments, message):
    session = theirs.test(*arguments)
    assert session.status == pytest.ExitCode.USAGE_ERROR
    assert message in session.output
    assert session.outcomes == {}


def test_nothing_passes_where_the_target_cannot_be_loaded_or_has_another_spec(theirs):
    arrays = "query, key, value, w_q, w_k, w_v, w_o, b_q, b_k, b_v, b_o"
    theirs.write("layer.py", f"def f({arrays}, *, heads):\n    return query\n\n\nf.spec = 'multi-head'\n")
    layer = theirs.test("--attention-target", "layer.py:f", *FEW, "-k", "P4 or P6")
    absent = theirs.test("--attention-target", "mine.py:absent", "-k", "P4")
    assert set(layer.outcomes.values()) == set(absent.outcomes.values()) == {"failure"}
    assert "spec of layer.py:f=another, but should be attention for P4" in layer.messages["f-P4"]
    assert "but should name a function of that module: tiled" in absent.messages["absent-P4"]


def test_a_session_without_checks_imports_nothing(theirs):
    text = """
import sys


def test_modules():
    ours = {name for name in sys.modules if name.startswith("attention_")}
    assert ours == {"attention_harness", "attention_harness.runs", "attention_harness.runs.pytest_plugin"}
    assert not {"numpy", "torch", "jax", "pandas", "rich"} & set(sys.modules)
"""
    theirs.write("test_modules.py", text)
    assert theirs.test("test_modules.py", "-p", "no:hypothesispytest").outcomes == {"test_modules": "passed"}
