"""The recorded failures: each is well formed, the oracle gives its answer by hand, and it rejects the fault that it names."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from attention_harness.audit import faults
from attention_harness.cli.app import main
from attention_harness.conformance.check import load_properties
from attention_harness.conformance.judging import GATES, judge
from attention_harness.generation import suite
from attention_harness.generation.vectors import files
from attention_implementations.numpy import eager as numpy_eager
from attention_specs.attention.spec import expect, realise
from attention_specs.case import Case
from attention_specs.contract import Conventions
from attention_specs.judge import within
from attention_specs.property import PROPERTIES

load_properties()
RECORDED = files.vectors()
every = pytest.mark.parametrize("vector", RECORDED, ids=[vector.name for vector in RECORDED])
FIRST = RECORDED[0]


def wrong(under_test, vector):
    """Names of the properties that are broken on the vector."""
    properties = [p for p in PROPERTIES.values() if p.spec == "attention" and (p.id in GATES or p.name in vector.properties)]
    with np.errstate(all="ignore"):
        return [f.property_.name for f in judge(under_test, realise(vector.case), properties) if f.wrong]


def test_there_are_some():
    assert len(RECORDED) >= 10
    assert len({vector.case.id for vector in RECORDED}) == len(RECORDED)


@every
def test_it_is_the_same_after_a_round_trip(vector, tmp_path):
    path = tmp_path / f"{vector.name}.json"
    path.write_text(json.dumps(files.to_json(vector)))
    again = files.read(path)
    assert (again.case.id, files.to_json(again)) == (vector.case.id, files.to_json(vector))


@every
def test_its_numbers_fit_its_sizes_and_its_names_are_known(vector):
    x, p = realise(vector.case), vector.case.problem
    assert x.score_shape == p.score_shape
    assert (x.q.shape[3], x.v.shape[3], x.dtype) == (p.head_dim, p.value_dim, p.dtype)
    assert set(vector.properties) <= set(PROPERTIES)
    assert faults.load_all()[vector.rejects].family in vector.flags


@every
def test_the_oracle_gives_the_answer_that_was_found_by_hand(vector):
    x = realise(vector.case)
    with np.errstate(all="ignore"):
        expected = expect(x, Conventions(), None)
    verdict = within(expected.out, x.answers["out"], expected.bounds.out)
    assert verdict.holds, verdict.message


@every
def test_a_sound_implementation_passes(vector, subject_of):
    assert wrong(subject_of(numpy_eager.attention), vector) == []


@every
def test_the_fault_that_it_names_is_rejected(vector, subject_of):
    assert wrong(subject_of(faults.load_all()[vector.rejects].function), vector)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("comment"),
        lambda data: data.update(more=1),
        lambda data: data.update(comment=""),
        lambda data: data.update(flags=[]),
        lambda data: data.update(schema=2),
        lambda data: data.update(name="another"),
        lambda data: data["case"]["problem"].update(head=1),
        lambda data: data["case"].pop("problem"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_named(change, tmp_path):
    data = files.to_json(FIRST)
    data = json.loads(json.dumps(data))
    change(data)
    path = tmp_path / f"{FIRST.name}.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=rf"vector={path}, but should be one as generation/vectors/README.md says: "):
        files.vectors(tmp_path)


def test_a_file_that_is_no_json_is_named(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ValueError, match=r"broken\.json, but should be one"):
        files.vectors(tmp_path)


def test_a_run_asks_for_those_of_the_wanted_properties_only():
    assert [v.name for v in suite.vectors(("empty_rows_are_the_same_beside_weights",))] == ["empty-row-beside-weights"]
    assert suite.vectors((files.AGREES,)) == RECORDED


PLANTED = """
import numpy as np


def top_left_by_bias(q, k, v, *, is_causal=False, past_k=None, past_v=None):
    past = 0 if past_k is None else past_k.shape[2]
    k, v = (k, v) if past_k is None else (np.concatenate([a, b], 2) for a, b in ((past_k, k), (past_v, v)))
    s = q @ k.swapaxes(-1, -2) * (q.shape[-1] or 1) ** -0.5
    if is_causal and q.any():
        s = np.where(np.tri(*s.shape[2:], past, dtype=bool), s, -1e30)
    p = np.exp(s - s.max(-1, keepdims=True, initial=-1e30))
    return p / p.sum(-1, keepdims=True) @ v
"""


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """A run of an implementation that forgets causality where queries are zero; the only cases with given numbers it can take come from `found`."""
    folder = tmp_path_factory.mktemp("vectors")
    (folder / "planted.py").write_text(PLANTED)
    options = ["--property", files.AGREES, "--dtype", "float32", "--examples", "1", "--json", "--output", str(folder / "run")]
    out = StringIO()
    with redirect_stdout(out):
        assert main(["check", f"{folder / 'planted.py'}:top_left_by_bias", *options]) == 1
    return next(row for row in json.loads(out.getvalue())["checks"] if row["outcome"] == "violates")


@pytest.mark.slow
def test_a_vector_that_fails_is_written_down_with_its_numbers(checked):
    path = Path(checked["replay"].rpartition(" ")[2])
    case = Case.from_json(json.loads(path.read_text())["case"])
    assert case.arrays
    assert "given=q,k,v" in checked["message"]


@pytest.mark.slow
def test_it_is_replayed_and_its_program_runs_alone(checked, tmp_path):
    path = Path(checked["replay"].rpartition(" ")[2])
    out = StringIO()
    with redirect_stdout(out):
        assert (main(["replay", str(path)]), main(["replay", str(path), "numpy-eager"])) == (1, 0)
    assert out.getvalue().count("given=") == 2
    ran = subprocess.run(
        [sys.executable, "-P", path.with_suffix(".py")], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 1
    assert "beyond the bound" in ran.stderr
    assert float(ran.stdout.splitlines()[-1]) > 0
