"""A pytest test for each property: ids, one check for all of them, skips with reasons, strict expectations."""

from __future__ import annotations

import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from attention_harness import parametrize_with_properties
from attention_harness.errors import UsageError
from attention_implementations.numpy.eager import attention

HEAD = '''
import numpy as np

from attention_harness import parametrize_with_properties

FEW = {"examples": 2, "dtypes": ["float32"]}
CALLS = []


def tiled(q, k, v):
    """Query head h reads key head h % Hkv."""
    CALLS.append(q.shape)
    k, v = (np.tile(a, (1, q.shape[1] // max(k.shape[1], 1), 1, 1)) for a in (k, v))
    scores = q @ k.swapaxes(-1, -2) * max(q.shape[-1], 1) ** -0.5
    powers = np.exp(scores - scores.max(-1, keepdims=True, initial=-np.inf))
    return powers / powers.sum(-1, keepdims=True) @ v
'''


def judged(folder, text, outcome_of, *options):
    """Test -> its outcome and its message, in a session of pytest of its own."""
    (folder / "test_mine.py").write_text(HEAD + text)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml", "tests.xml", *options]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    tests = ElementTree.parse(folder / "tests.xml").iter("testcase")
    return {test.get("name"): outcome_of(test) for test in tests}


@pytest.fixture(scope="module")
def session(tmp_path_factory, outcome_of):
    text = """

@parametrize_with_properties(
    tiled,
    properties=["P1", "P2", "P4", "permuting_the_batch_permutes_the_output", "R3", "P7", "P6"],
    expected_failed={"R3": "grouped heads, issue 12", "P2": "wrong once", "P6": "no lse yet"},
    **FEW,
)
def test_conforms(check):
    try:
        check()
    finally:
        NUMBERS.append(len(CALLS))


NUMBERS = [len(CALLS)]


def test_nothing_is_called_at_collection_and_one_check_serves_all():
    assert NUMBERS[0] == 0 < NUMBERS[1]
    assert len(NUMBERS) == 8
    assert len(set(NUMBERS[1:])) == 1
"""
    return judged(tmp_path_factory.mktemp("session"), text, outcome_of)


@pytest.mark.slow
def test_each_property_has_an_id(session):
    ids = ["P1", "P2", "P4", "R1", "R3", "P7", "P6"]
    assert [name for name in session if "[" in name] == [f"test_conforms[tiled-{id}]" for id in ids]


@pytest.mark.slow
def test_one_check_serves_all_tests_and_none_runs_at_collection(session):
    assert session["test_nothing_is_called_at_collection_and_one_check_serves_all"] == ("passed", "")


@pytest.mark.slow
def test_what_holds_passes(session):
    assert session["test_conforms[tiled-P1]"] == session["test_conforms[tiled-R1]"] == ("passed", "")


@pytest.mark.slow
def test_what_fails_says_the_element_the_problem_and_the_replay_line(session):
    outcome, message = session["test_conforms[tiled-P4]"]
    assert outcome == "failure"
    assert "P4 output agrees with the oracle (float32): out[0,2,0,0]=" in message
    assert "[B=1 Hq=4 Hkv=2 Lq=1 Lk=1 D=1 Dv=1 float32 recipe=normal seed=0]" in message
    assert "replay: check_attention(tiled, properties=['P4'], examples=2, seed=0, dtypes=['float32'])" in message
    assert "raise AssertionError" not in message


@pytest.mark.slow
def test_what_the_signature_lacks_is_skipped_with_the_reason(session):
    outcome, message = session["test_conforms[tiled-P7]"]
    assert outcome == "skipped"
    assert "return_weights not in its signature" in message


@pytest.mark.slow
def test_what_is_expected_to_fail_and_fails_is_an_xfail(session):
    outcome, message = session["test_conforms[tiled-R3]"]
    assert outcome == "xfail"
    assert "grouped heads, issue 12" in message


@pytest.mark.slow
def test_what_is_expected_to_fail_and_passes_or_is_not_judged_fails(session):
    assert session["test_conforms[tiled-P2]"][0] == session["test_conforms[tiled-P6]"][0] == "failure"
    assert "[XPASS(strict)] wrong once" in session["test_conforms[tiled-P2]"][1]
    assert "P6 is expected to fail, but was not judged: return_lse not in its signature" in session["test_conforms[tiled-P6]"][1]


@pytest.mark.slow
def test_nothing_passes_where_there_is_no_answer_or_too_little(tmp_path, outcome_of):
    text = """

def raises(q, k, v):
    raise RuntimeError("broken")


def refuses(q, k, v):
    raise NotImplementedError("no kernel for it")


@parametrize_with_properties(raises, properties=["P4"], **FEW)
def test_raises(check):
    check()


@parametrize_with_properties(refuses, properties=["P1", "P4"], **FEW)
def test_refuses(check):
    check()


@parametrize_with_properties("absent.py:attention", properties=["P4"], **FEW)
def test_absent(check):
    check()
"""
    tests = judged(tmp_path, text, outcome_of)
    assert tests["test_raises[raises-P4]"][0] == "failure"
    assert "RuntimeError: broken" in tests["test_raises[raises-P4]"][1]
    assert tests["test_refuses[refuses-P1]"][0] == "failure"
    assert tests["test_refuses[refuses-P4]"][0] == "skipped"
    assert tests["test_absent[absent.py:attention-P4]"][0] == "failure"


def test_all_properties_of_its_spec_are_asked_by_default():
    def multi_head():
        """A layer, by its name."""

    ids = {one.id for one in parametrize_with_properties(attention).args[1]}
    layer = {one.id for one in parametrize_with_properties(multi_head).args[1]}
    assert {"attention-P1", "attention-P4", "attention-V2"} < ids
    assert {"multi_head-L1", "multi_head-L4"} < layer
    assert not any(id.startswith("attention-L") for id in ids)


def test_a_pattern_means_several_properties():
    tests = {
        one.id: one for one in parametrize_with_properties(attention, properties=["D*"], expected_failed={"D[12]": "why"}).args[1]
    }
    assert tests.keys() == {f"attention-D{number}" for number in range(1, 9)}
    assert sorted(id for id, one in tests.items() if one.marks) == ["attention-D1", "attention-D2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"properties": ["P99"]}, "property=P99, but should be"),
        ({"expected_failed": {"P99": "why"}}, "property=P99, but should be"),
        ({"properties": ["P4"], "expected_failed": {"P5": "why"}}, "expected_failed=empty_rows_follow_the_declaration, but"),
    ],
)
def test_a_wrong_argument_is_named_at_collection(arguments, message):
    with pytest.raises(UsageError, match=message):
        parametrize_with_properties(attention, **arguments)


def test_an_unknown_argument_is_named_at_collection():
    with pytest.raises(TypeError, match="unexpected keyword argument 'sed'"):
        parametrize_with_properties(attention, sed=1)
