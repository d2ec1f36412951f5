"""The page about Python (docs/python.md): each of its blocks runs, and prints what stands below it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def blocks():
    """Kind and text of each fenced block, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_each_block_runs_and_prints_what_stands_below_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, printed = {"__name__": "page"}, StringIO()
    for kind, text in blocks():
        if kind == "text":
            assert printed.getvalue() == text
        elif kind == "python":
            printed = StringIO()
            with redirect_stdout(printed):
                exec(compile(text, str(PAGE), "exec", dont_inherit=True), names)
    assert list(tmp_path.iterdir()) == []


def output(folder, command):
    """What pytest prints in that folder."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "120"}
    arguments = [*shlex.split(command)[2:], "-p", "no:cacheprovider", "-o", "console_output_style=classic"]
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False).stdout


def test_its_tests_end_as_it_says(tmp_path):
    (tmp_path / "test_mine.py").write_text("".join(text for kind, text in blocks() if kind == "python"))
    command, *lines = next(text for kind, text in blocks() if kind == "console").splitlines()
    printed = output(tmp_path, command).splitlines()
    assert [line.strip() for line in printed if re.match(r"test_mine\.py::test_conforms", line)] == lines


def test_a_target_fails_as_it_says(tmp_path):
    function = re.search(r"^def attention\(.*?(?=^\S)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL).group()
    (tmp_path / "mine.py").write_text(f"import numpy as np\n\n\n{function}\n\nattention.dtypes = ('float32',)\n")
    _, text = (text for kind, text in blocks() if kind == "console")
    command, _, lines = text.partition("\n")
    assert f"_\n{lines}" in output(tmp_path, command)
