"""The picture that is kept with a failing case shows the error."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from attention_harness.cli.app import main
from attention_harness.conformance.failures.reproducers import _picture
from attention_specs.attention.problem import Problem
from attention_specs.case import Case


def tiled(q, k, v):
    """Wrong in the second query head alone, of four on two key heads."""
    k, v = (np.tile(a, (1, q.shape[1] // k.shape[1], 1, 1)) for a in (k, v))
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True) @ v


def test_the_picture_is_of_the_head_that_is_wrong(subject_of):
    under_test = subject_of(tiled)
    case = Case(Problem(query_heads=4, key_heads=2, query_length=3, key_length=5, dtype="float64"))
    picture = _picture(under_test, under_test.spec.realise(case))
    assert np.shape(picture["mask"]) == (3, 5)
    assert np.max(picture["error"]) > 1


MODULES = Path(__file__).parents[3] / "third_party" / "modules"


def ended(program):
    """The exit status and the last line of a program that has nothing of ours on its path."""
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    answer = subprocess.run([sys.executable, program], env=alone, cwd="/", text=True, capture_output=True, timeout=120)
    return answer.returncode, (answer.stderr or answer.stdout).splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "name", "wrong", "right"),
    [
        ("tutorial.py", "ScaledByTheModel", "math.sqrt(self.d_model)", "math.sqrt(self.d_k)"),
        (
            "grouped.py", "GroupedQueryAttentionThatTilesHeads",
            "a.repeat(1, self.num_heads // self.num_key_value_heads, 1, 1)",
            "a.repeat_interleave(self.num_heads // self.num_key_value_heads, 1)",
        ),
    ],
)  # fmt: skip
def test_a_failure_of_a_module_has_a_program_that_fails_until_it_is_corrected(tmp_path, file, name, wrong, right):
    pytest.importorskip("torch")
    mine = Path(shutil.copy(MODULES / file, tmp_path / "mine.py"))
    few = ["--property", "L4", "--examples", "2", "--dtype", "float32", "--output", str(tmp_path / "run")]
    assert main(["check", f"{mine}:{name}", *few]) == 1
    (program,) = (tmp_path / "run" / "cases").glob("*.py")
    status, last = ended(program)
    assert status == 1 and "numbers are beyond the bound" in last
    mine.write_text(mine.read_text().replace(wrong, right))
    assert ended(program)[0] == 0
