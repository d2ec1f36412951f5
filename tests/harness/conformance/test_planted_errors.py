"""Planted errors, from the command line: each is rejected, made small, written down and replayed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from attention_harness.cli.app import main
from attention_specs.attention.inputs import realise
from attention_specs.case import Case

pytestmark = pytest.mark.slow

PLANTED = """
import os
import time

import numpy as np


def soft(scores, axis=-1):
    top = scores.max(axis, keepdims=True, initial=-1e30)
    powers = np.exp(scores - top)
    total = powers.sum(axis, keepdims=True)
    return powers / np.where(total == 0, 1, total)


def scores(q, k, scale=None):
    k = np.repeat(k, q.shape[1] // max(k.shape[1], 1), 1)
    return (max(q.shape[-1], 1) ** -0.5 if scale is None else scale) * (q @ k.swapaxes(-1, -2))


def values(q, v):
    return np.repeat(v, q.shape[1] // max(v.shape[1], 1), 1)


def drops_the_scale(q, k, v):
    return soft(scores(q, k, 1.0)) @ values(q, v)


def inverts_the_mask(q, k, v, *, mask=None):
    s = scores(q, k)
    return soft(s if mask is None else np.where(mask, -np.inf, s)) @ values(q, v)


def softmax_over_the_wrong_axis(q, k, v):
    return soft(scores(q, k), -2) @ values(q, v)


def right(q, k, v):
    return soft(scores(q, k)) @ values(q, v)


def leaves_at_two_keys(q, k, v):
    if k.shape[2] >= 2:
        os._exit(0)
    return soft(scores(q, k)) @ values(q, v)


def hangs_at_two_keys(q, k, v):
    if k.shape[2] >= 2:
        time.sleep(600)
    return soft(scores(q, k)) @ values(q, v)


def refuses_everything(q, k, v):
    raise NotImplementedError("not today")
"""
WRONG = ("drops_the_scale", "inverts_the_mask", "softmax_over_the_wrong_axis")
PROPERTY = "output_agrees_with_the_oracle"


def called(*arguments):
    """Exit status, standard output, standard error."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main([str(argument) for argument in arguments])
    return status, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("planted") / "planted.py"
    path.write_text(PLANTED)
    return path


@pytest.fixture(scope="module")
def checked(file, tmp_path_factory):
    """The exit status and the rows of one check of all three."""
    folder = tmp_path_factory.mktemp("planted-run")
    options = ["--examples", 16, "--property", PROPERTY, "--dtype", "float32", "--json", "--output", folder]
    status, out, _ = called("check", *(f"{file}:{name}" for name in WRONG), *options)
    return status, json.loads(out)["checks"]


@pytest.fixture(params=WRONG)
def failure(request, checked):
    """The row of the violated property, and its case file."""
    rows = [row for row in checked[1] if row["implementation"].endswith(request.param) and row["property"] == PROPERTY]
    assert [row["outcome"] for row in rows] == ["violates"]
    return rows[0], Path(rows[0]["replay"].removeprefix("attention-harness replay "))


def test_planted_errors_make_check_fail(checked):
    assert checked[0] == 1


def test_the_counterexample_is_small(failure):
    case = Case.from_json(json.loads(failure[1].read_text())["case"])
    problem = case.problem
    assert realise(case).score_shape == problem.score_shape
    assert (problem.batch, problem.query_heads, problem.key_heads) == (1, 1, 1)
    assert problem.query_length <= 3
    assert problem.key_length <= 3
    assert problem.head_dim <= 3
    assert len(problem.options()) <= 1


def test_the_message_says_what_came_what_should_have_come_and_for_which_problem(failure):
    row, path = failure
    assert row["message"].startswith("out[")
    assert ", but should be " in row["message"]
    assert "[B=1 Hq=1 Hkv=1 Lq=" in row["message"]
    assert row["case"] == path.stem
    assert row["worst_ratio"] is None or row["worst_ratio"] > 1


def test_replay_meets_the_failure_again(failure):
    status, out, _ = called("replay", failure[1])
    assert (status, out.partition(":")[0]) == (1, "violates")
    assert failure[0]["message"] in out


def test_replay_on_a_right_implementation_agrees(failure):
    status, out, _ = called("replay", failure[1], "numpy-eager")
    assert (status, out.partition(":")[0]) == (0, "agrees")


def test_the_program_beside_it_runs_alone(failure, tmp_path):
    program = failure[1].with_suffix(".py")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        [sys.executable, "-P", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 1
    assert "beyond the bound" in ran.stderr
    assert float(ran.stdout.splitlines()[-1]) > 0
    assert "attention_harness" not in program.read_text()


def test_a_right_function_passes(file, tmp_path):
    status, out, _ = called("check", f"{file}:right", "--examples", 12, "--dtype", "float64", "--json", "--output", tmp_path)
    rows = json.loads(out)["checks"]
    assert status == 0, [row["message"] for row in rows if row["outcome"] not in ("agrees", "vacuous")]
    assert "agrees" in {row["outcome"] for row in rows}
    assert not list(tmp_path.glob("cases/*"))


@pytest.mark.parametrize(("name", "outcome"), [("leaves_at_two_keys", "crashed"), ("hangs_at_two_keys", "timed-out")])
def test_disasters_are_outcomes_with_their_case(name, outcome, file, tmp_path):
    options = ["--examples", 2, "--dtype", "float64", "--timeout", 1, "--property", PROPERTY, "--json", "--output", tmp_path]
    status, out, _ = called("check", f"{file}:{name}", *options)
    assert status == 1
    failing = [row for row in json.loads(out)["checks"] if row["outcome"] == outcome]
    assert {row["property"] for row in failing} == {"every_problem_is_answered"}
    case = json.loads(Path(failing[0]["replay"].rpartition(" ")[2]).read_text())["case"]
    assert realise(Case.from_json(case)).k.shape[2] >= 2


def test_where_everything_is_refused_nothing_could_be_judged(file, tmp_path):
    status, out, _ = called("check", f"{file}:refuses_everything", "--examples", 2, "--json", "--output", tmp_path)
    assert status == 3
    outcomes = {row["property"]: row["outcome"] for row in json.loads(out)["checks"]}
    assert outcomes["every_problem_is_answered"] == "unsupported"
    assert set(outcomes.values()) <= {"unsupported", "vacuous", "too-little"}
