"""A user's folder may have packages and files of our old names, and of the standard library's: every command works in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("harness", "specs", "reports", "implementations")
FILES = ("statistics.py", "torch.py", "jax.py", "numpy.py", "random.py", "json.py")
ENDS = "raise SystemExit('the file of the user was imported: ' + __file__)\n"
MINE = """
import numpy as np
from beside import scale_of


def attention(q, k, v):
    scores = scale_of(q) * (q @ np.repeat(k, q.shape[1] // max(k.shape[1], 1), 1).swapaxes(-1, -2))
    powers = np.exp(scores - scores.max(-1, keepdims=True, initial=-np.inf))
    weights = powers / np.maximum(powers.sum(-1, keepdims=True), np.finfo(scores.dtype).tiny)
    return weights.astype(q.dtype) @ np.repeat(v, q.shape[1] // max(v.shape[1], 1), 1)
"""
BESIDE = "def scale_of(q):\n    return q.dtype.type(max(q.shape[3], 1) ** -0.5)\n"
FEW = ("--examples", "3", "--property", "output_agrees_with_the_oracle")
COMMANDS = {
    "list": ("list", "numpy-*"),
    "check": ("check", "kernels/mine.py:attention", "--dtype", "float64", *FEW),
    "check a module": ("check", "mypackage.mine:attention", "--dtype", "float64", *FEW),
    "bench": ("bench", "numpy-eager", "numpy-online", "--workload", "bert-base-128", "--seconds", "0.1", "--processes", "1"),
    "run": ("run", "numpy-eager", *FEW, "--workload", "bert-base-128", "--quick"),
    "probe": ("probe", "kernels/mine.py:attention"),
    "audit": ("audit", "kernels/mine.py", "--quick", "--examples", "3"),
    "audit of nothing": ("audit", "no_such_fault"),
}
STATUSES = {"list": (0,), "audit of nothing": (2,)}
LONG = ("audit", "bench", "run")
"""Commands that are tried once: the two ways to start differ before the command is read."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the packages and files of a user, among them an attention and a module beside it."""
    base = tmp_path_factory.mktemp("project")
    for package in PACKAGES:
        (base / package).mkdir()
        (base / package / "__init__.py").write_text(ENDS)
    for file in FILES:
        (base / file).write_text(ENDS)
    for place in ("kernels", "mypackage"):
        (base / place).mkdir()
        (base / place / "mine.py").write_text(
            MINE.replace("from beside", "from mypackage.beside" if place == "mypackage" else "from beside")
        )
        (base / place / "beside.py").write_text(BESIDE)
    (base / "mypackage" / "__init__.py").write_text("")
    return base


def starts():
    """The two ways to start the command: as a module, and as the script that the installation made."""
    script = Path(sys.executable).with_name("attention-harness")
    return {"module": [sys.executable, "-m", "attention_harness"]} | ({"script": [str(script)]} if script.exists() else {})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "command"),
    [(start, command) for start in starts() for command in COMMANDS if command not in LONG or start == [*starts()][-1]],
)
def test_a_command_works_in_a_folder_of_other_packages(folder, start, command, tmp_path):
    arguments = [*starts()[start], *COMMANDS[command]]
    arguments += [] if command == "list" else ["--output", str(tmp_path / "run")] if command != "probe" else []
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    ended = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert "the file of the user was imported" not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.returncode in STATUSES.get(command, (0, 1)), ended.stdout + ended.stderr
