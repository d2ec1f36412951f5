"""A replay judges as the run did, says what it did not judge, and the program beside the case is right by itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from harness import casefiles, conformance, replaying
from harness.cli import main
from harness.conformance import Plan, load_claims
from harness.isolation import Worker
from harness.subject import Subject
from harness.targets import Target
from harness.vectors import onnx_cases
from specs import masks
from specs.claims import CLAIMS
from specs.problem import Case, Problem

RIGHT = """
import numpy as np
def attention(q, k, v, *, mask=None):
    k, v = (np.repeat(a, q.shape[1] // max(k.shape[1], 1), 1) for a in (k, v))
    s = max(q.shape[-1], 1) ** -0.5 * (q @ k.swapaxes(-1, -2))
    s = s if mask is None else np.where(mask, s, -np.inf)
    with np.errstate(all="ignore"):
        p = np.exp(s - s.max(-1, keepdims=True, initial=-np.inf))
        return (p / p.sum(-1, keepdims=True) @ v).astype(q.dtype)
"""
WRONG = RIGHT + "right = attention\ndef attention(q, k, v, *, mask=None): return 2 * right(q, k, v, mask=mask)\n"
FLAKY = (
    RIGHT
    + """
right, calls = attention, []
def attention(q, k, v, *, mask=None):
    calls.append(1)
    return right(q, k, v, mask=mask) * (1 + (len(calls) % 7 == 0))
"""
)
BLHD = (
    RIGHT
    + """
right = attention
def attention(q, k, v, *, mask=None):
    return right(*(a.swapaxes(1, 2) for a in (q, k, v)), mask=mask).swapaxes(1, 2)
attention.layout = "blhd"
"""
)
PREPARE = RIGHT.replace("def attention", "def inner") + "def prepare(problem): return inner\n"
P4, P5, P10 = "output_agrees_with_the_oracle", "empty_rows_follow_the_declaration", "same_call_twice_gives_the_same_bits"
PLAIN = Case(Problem(1, 2, 1, 3, 4, 5, 5))


@pytest.fixture
def written(tmp_path):
    """Writes a case file of a function as a run does: source, property, case, conventions of the command line -> its path."""
    load_claims()

    def write(source, claim, case=PLAIN, claims=(), attribute="attention", when=""):
        (tmp_path / "mine.py").write_text(source)
        target = Target("mine.py:attention", f"{tmp_path / 'mine.py'}:{attribute}", registered=False)
        with Worker(target) as worker:
            given = conformance._with_claims(worker.description(), target, Plan({}, tmp_path, claims=dict(claims)))
            return casefiles.write(tmp_path / "run", target, Subject(worker, given), CLAIMS[claim], case, "what was wrong", when)

    return write


def test_the_conventions_of_the_run_are_those_of_its_replay(written):
    case = Case(Problem(1, 1, 1, 2, 3, 2, 2, mask=masks.hidden_query(0)))
    assert replaying.replay(written(RIGHT, P5, case, {"empty_rows": "nan"})).sentence.startswith("agrees: ")
    assert replaying.replay(written(RIGHT, P5, case)).wrong  # NaN where zeros are declared
    assert not replaying.replay(written(RIGHT, P5, case), claims={"empty_rows": "nan"}).wrong


def test_limits_are_those_of_the_run(written):
    path = written("import time\n" + RIGHT + "    \n", P4)
    data = json.loads(path.read_text())
    assert data["limits"] == {"seconds": 30.0, "memory": 6144}
    (path.parent.parent.parent / "mine.py").write_text("import time\ndef attention(q, k, v): time.sleep(60)\n")
    path.write_text(json.dumps(data | {"limits": {"seconds": 0.5}}))
    assert replaying.replay(path).sentence.startswith("timed-out: no answer after 0.5 s")


@pytest.mark.parametrize(
    "claim, reason",
    [
        ("lse_agrees_with_the_oracle", "return_lse not in its signature"),
        ("gradients_agree_with_the_oracle", "gradient not declared"),
        (P5, "does not apply"),
        ("errors_have_no_preferred_sign", "all cases of a run are judged together"),
    ],
)
def test_what_is_not_judged_is_said_so_with_a_status_of_its_own(claim, reason, written, capsys):
    path = written(RIGHT, P4)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"property": claim}))
    assert main(["replay", str(path)]) == 3
    told = capsys.readouterr().out
    assert told.startswith("not judged: ")
    assert reason in told


def test_a_vector_whose_option_is_not_in_the_signature_is_not_judged(written):
    load_claims()
    path = written(RIGHT, P4)
    for vector in (v for v in onnx_cases.vectors() if v.case.problem.softcap and "out" in v.case.arrays):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"property": "onnx_vectors", "case": vector.case.to_json()}))
        replayed = replaying.replay(path)
        assert not replayed.judged
        assert not replayed.wrong


@pytest.mark.parametrize("when", ["only after other calls", "not repeatable, 1 of 31 times"])
def test_one_call_that_is_right_says_nothing_of_a_failure_that_did_not_come_at_each(when, written):
    right, wrong = (replaying.replay(written(source, P4, when=when)) for source in (RIGHT, WRONG))
    assert (right.judged, right.wrong, wrong.judged, wrong.wrong) == (False, False, True, True)
    assert f"holds alone, and the run said of its failure: {when} [" in right.sentence


def test_chance_is_asked_several_times(written):
    assert "call" in replaying.replay(written(FLAKY, P10)).sentence
    assert replaying.replay(written(FLAKY, P10)).wrong
    assert "20 times in a row" in replaying.replay(written(RIGHT, P10)).sentence


@pytest.mark.parametrize(
    "source, attribute, status",
    [(RIGHT, "attention", 0), (WRONG, "attention", 1), (BLHD, "attention", 0), (PREPARE, "", 0)],
    ids=["right", "wrong", "blhd", "prepare"],
)
def test_the_program_says_by_its_status_whether_the_answer_is_right(source, attribute, status, written):
    path = written(source, P4, attribute=attribute).with_suffix(".py")
    ran = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60)
    assert ran.returncode == status, ran.stderr
    assert "largest difference" in ran.stdout
    assert ("beyond the bound" in ran.stderr) == bool(status)


def test_single_numbers_are_numbers_in_the_program(written):
    text = written(RIGHT, P4, Case(Problem())).with_suffix(".py").read_text()
    assert "'q': np.array([[[[" in text
    assert ": array(" not in text
