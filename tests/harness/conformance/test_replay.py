"""A replay judges as the run did and says where it did not judge; the program beside the case is right by itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from attention_harness.cli.app import main
from attention_harness.conformance import check, replay
from attention_harness.conformance.check import Plan, load_properties
from attention_harness.conformance.failures import reproducers
from attention_harness.conformance.settings import Settings
from attention_harness.conformance.under_test import UnderTest
from attention_harness.generation.suite import Suite
from attention_harness.generation.vectors import onnx_cases
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import Target
from attention_specs import masks
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.property import PROPERTIES

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
CACHE = (
    RIGHT
    + """
right = attention
def attention(q, k, v, *, mask=None, before_k=None, before_v=None):
    if before_k is not None:
        k, v = np.concatenate([before_k, k], 1), np.concatenate([before_v, v], 1)
    return right(*(a.swapaxes(1, 2) for a in (q, k, v)), mask=mask).swapaxes(1, 2)
attention.layout, attention.names = "blhd", {"past_k": "before_k", "past_v": "before_v"}
"""
)
PREPARE = RIGHT.replace("def attention", "def inner") + "def prepare(problem): return inner\n"
P4, P5, P10 = "output_agrees_with_the_oracle", "empty_rows_follow_the_declaration", "same_call_twice_gives_the_same_bits"
PLAIN = Case(Problem(1, 2, 1, 3, 4, 5, 5))


@pytest.fixture
def written(tmp_path):
    """Writes a case file of a function as a run does: source, property, case, conventions of the command line -> its path."""
    load_properties()

    def write(source, property_, case=PLAIN, declared=(), attribute="attention", when=""):
        (tmp_path / "mine.py").write_text(source)
        bare = Target("mine.py:attention", f"{tmp_path / 'mine.py'}:{attribute}", registered=False)
        target = bare.declaring(Settings(declared=dict(declared)).attributes)
        with Worker(target) as worker:
            given = worker.description()
            return reproducers.write(
                tmp_path / "run", target, UnderTest(worker, given), PROPERTIES[property_], case, "what was wrong", when
            )

    return write


@pytest.mark.slow
def test_the_conventions_of_the_run_are_those_of_its_replay(written):
    case = Case(Problem(1, 1, 1, 2, 3, 2, 2, mask=masks.hidden_query(0)))
    assert replay.replay(written(RIGHT, P5, case, {"empty_rows": "nan"})).sentence.startswith("agrees: ")
    assert replay.replay(written(RIGHT, P5, case)).wrong  # NaN where zeros are declared
    assert not replay.replay(written(RIGHT, P5, case), declared={"empty_rows": "nan"}).wrong


def test_limits_are_those_of_the_run(written):
    path = written("import time\n" + RIGHT + "    \n", P4)
    data = json.loads(path.read_text())
    assert data["limits"] == {"seconds": 30.0, "memory": 6144}
    (path.parent.parent.parent / "mine.py").write_text("import time\ndef attention(q, k, v): time.sleep(60)\n")
    path.write_text(json.dumps(data | {"limits": {"seconds": 0.5}}))
    assert replay.replay(path).sentence.startswith("timed-out: no answer after 0.5 s")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("property_", "reason"),
    [
        ("lse_agrees_with_the_oracle", "return_lse not in its signature"),
        ("gradients_agree_with_the_oracle", "gradient not declared"),
        (P5, "does not apply"),
        ("errors_have_no_preferred_sign", "all cases of a run are judged together"),
    ],
)
def test_a_property_that_is_not_judged_has_a_status_of_its_own(property_, reason, written, capsys):
    path = written(RIGHT, P4)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"property": property_}))
    assert main(["replay", str(path)]) == 3
    output = capsys.readouterr().out
    assert output.startswith("not judged: ")
    assert reason in output


@pytest.mark.slow
def test_a_vector_whose_option_is_not_in_the_signature_is_not_judged(written):
    load_properties()
    path = written(RIGHT, P4)
    for vector in (v for v in onnx_cases.vectors() if v.case.problem.softcap and "out" in v.case.arrays):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"property": "onnx_vectors", "case": vector.case.to_json()}))
        replayed = replay.replay(path)
        assert not replayed.judged
        assert not replayed.wrong


CAUSAL = (
    RIGHT.replace("mask=None", "is_causal=False")
    .replace("s if mask is None", "s if not is_causal")
    .replace("np.where(mask,", "np.where(np.tri(*s.shape[2:]),")
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"softcap": 2.0}, "softcap not in its signature"),
        ({"scale": 0.5, "softcap": 2.0, "past": 1}, "scale, softcap not in its signature"),
        ({"mask": masks.hidden_key(1)}, "mask not in its signature"),
        ({"window": (1, 0), "key_lengths": (2,)}, "window, key_lengths not in its signature"),
        ({"is_causal": True, "past": 1}, "past_k not in its signature"),
        ({"is_causal": True}, ""),
        ({"past": 1}, ""),
    ],
)
def test_a_case_with_an_option_that_the_target_has_no_words_for_is_not_judged(options, reason, written, capsys, tmp_path):
    path = written(RIGHT, P4, PLAIN.with_problem(is_causal=True))
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"case": PLAIN.with_problem(**options).to_json()}))
    (tmp_path / "other.py").write_text(CAUSAL)
    status = main(["replay", str(path), f"{tmp_path / 'other.py'}:attention"])
    output = capsys.readouterr().out
    assert (status, output.partition(":")[0]) == ((3, "not judged") if reason else (0, "agrees"))
    assert f": {reason} [" in output if reason else True


def test_an_option_that_is_written_out_in_another_is_judged(written):
    path = written(WRONG, P4, PLAIN.with_problem(is_causal=True, window=(1, 0), key_lengths=(3,), past=1))
    assert replay.replay(path).wrong
    path = written(RIGHT, P4, PLAIN.with_problem(is_causal=True, window=(1, 0), key_lengths=(3,), past=1))
    assert replay.replay(path).sentence.startswith("agrees: ")


@pytest.mark.slow
@pytest.mark.parametrize("when", ["only after other calls", "not repeatable, 1 of 31 times"])
def test_one_call_that_is_right_says_nothing_of_a_failure_that_did_not_come_at_each(when, written):
    right, wrong = (replay.replay(written(source, P4, when=when)) for source in (RIGHT, WRONG))
    assert (right.judged, right.wrong, wrong.judged, wrong.wrong) == (False, False, True, True)
    assert f"holds alone, and the run said of its failure: {when} [" in right.sentence


@pytest.mark.slow
def test_chance_is_asked_several_times(written):
    assert "call" in replay.replay(written(FLAKY, P10)).sentence
    assert replay.replay(written(FLAKY, P10)).wrong
    assert "20 times in a row" in replay.replay(written(RIGHT, P10)).sentence


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


def test_a_cache_comes_in_the_declared_layout_to_the_worker_and_in_the_program(written):
    path = written(CACHE, P4, Case(Problem(2, 4, 2, 3, 7, 5, 6, past=4)))
    assert replay.replay(path).sentence.startswith("agrees: ")
    ran = subprocess.run([sys.executable, str(path.with_suffix(".py"))], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


def test_single_numbers_are_numbers_in_the_program(written):
    text = written(RIGHT, P4, Case(Problem())).with_suffix(".py").read_text()
    assert "'q': np.array([[[[" in text
    assert ": array(" not in text


MALFORMED = {
    "complex": ("out.astype(complex)", "violates"),
    "objects": ("out.astype(object)", "violates"),
    "words": ("out.astype(str)", "violates"),
    "booleans": ("out > 0", "violates"),
    "other floats": ("out.astype(np.float16 if out.dtype == np.float64 else np.float64)", "violates"),
    "no queries": ("out[:, :, :0]", "violates"),
    "three axes": ("out[0]", "violates"),
    "None": ("None", "errored"),
    "a list": ("out.tolist()", "errored"),
    "a masked array": ("np.ma.masked_array(out)", "errored"),
    "a tuple": ("(out, out)", "errored"),
    "no lse": ("(out,) if return_lse else out", "errored"),
    "lse twice": ("(out, out[..., 0], out[..., 0]) if return_lse else out", "errored"),
    "lse of another shape": ("(out, out) if return_lse else out", "violates"),
    "complex lse": ("(out, out[..., 0].astype(complex)) if return_lse else out", "violates"),
    "lse of None": ("(out, None) if return_lse else out", "errored"),
    "a crash": ("os._exit(3)", "crashed"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "outcome"), MALFORMED.values(), ids=MALFORMED)
def test_what_a_check_sees_of_a_malformed_answer_its_replay_sees_too(answer, outcome, tmp_path, capsys):
    path = tmp_path / "mine.py"
    malformed = (
        f"\n\nright = attention\ndef attention(q, k, v, *, return_lse=False):\n    out = right(q, k, v)\n    return {answer}\n"
    )
    path.write_text("import os\n" + RIGHT + malformed)
    plan = Plan({"attention": Suite(drawn=[PLAIN])}, tmp_path / "run", Settings(dtypes=("float32", "float64")))
    failed = [row for row in check.check(Target("mine", f"{path}:attention", False), plan).rows if row.outcome.wrong]
    assert {row.outcome for row in failed} == {outcome}
    for row in {(row.property, row.outcome, row.message): row for row in failed}.values():
        assert "not repeatable" not in row.message
        assert main(["replay", row.replay.split(" replay ")[1]]) == 1
        assert capsys.readouterr().out.startswith(f"{row.outcome}: {row.message.partition(' [')[0]}")
