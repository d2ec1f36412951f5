"""No object of foreign code is made where it is judged: nobody there reads a pickle, and results of a pool are text."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def modules():
    return {path: ast.parse(path.read_text()) for path in sorted((ROOT / "harness").rglob("*.py"))}


SERVERS = ("process/server.py", "timing/process/server.py")
"""Modules of the processes that run foreign code: they read what the parent sends."""

READERS = {"loads", "load", "Unpickler", "eval", "exec"}
UNSAFE = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def unpickles(tree):
    """Calls that make objects of bytes, by the module that they come from."""
    names = {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in UNSAFE
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in UNSAFE and node.attr in READERS:
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Name) and (node.id in names or node.id in ("eval", "exec")):
            yield node.id
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle" and getattr(node.value, "value", None) is not False:
            yield "allow_pickle"


def test_no_module_but_the_servers_reads_a_pickle():
    readers = {str(path.relative_to(ROOT / "harness/attention_harness")): [*unpickles(tree)] for path, tree in modules().items()}
    assert {name for name, calls in readers.items() if calls} == set(SERVERS)


@pytest.mark.parametrize(
    "text",
    ["import pickle\npickle.loads(b'')", "from pickle import loads\nloads(b'')", "eval('1')", "np.load(f, allow_pickle=True)"],
)
def test_a_pickle_is_found(text):
    assert [*unpickles(ast.parse(text))]


LISTENS = """
import json, os, sys
classes = []
sys.addaudithook(lambda event, given: classes.append(".".join(map(str, given))) if event == "pickle.find_class" else None)
from attention_harness.cli.app import main
if __name__ == "__main__":
    try:
        status = main(sys.argv[2:])
    except SystemExit as left:
        status = left.code
    with open(sys.argv[1], "w") as file:
        json.dump({"status": status, "classes": sorted(set(classes))}, file)
"""

EVIL = """
import numpy as np

class Touches:
    def __reduce__(self):
        return eval, ("1 + 1",)

class Named(np.ndarray):
    def __reduce__(self):
        return eval, ("1 + 1",)

def attention(q, k, v, *, scale=None):
    if q.shape[2] % 3 == 0:
        out = np.empty(q.shape, object)
        out.fill(Touches())
        return out
    if q.shape[2] % 3 == 1:
        return q.view(Named)
    raise ValueError(Touches(), "x" * 10**6)
"""


def classes_read(tmp_path, *arguments):
    """The classes that the main process of a command takes from pickles."""
    for name in ("evil", "other"):
        (tmp_path / f"{name}.py").write_text(EVIL)
    (tmp_path / "listens.py").write_text(LISTENS)
    result = tmp_path / "result.json"
    files = [f"{tmp_path / name}.py:attention" for name in ("evil", "other")]
    command = [str(result), "check", *files, "--quick", "--dtype", "float32", *arguments, "--output", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, str(tmp_path / "listens.py"), *command], capture_output=True, text=True)
    assert result.exists(), done.stderr
    read = json.loads(result.read_text())
    assert read["status"] == 1, done.stderr
    return read["classes"]


@pytest.mark.slow
def test_a_check_in_one_process_reads_no_pickle(tmp_path):
    assert classes_read(tmp_path, "--jobs", "1") == []


@pytest.mark.slow
def test_results_of_a_pool_are_text(tmp_path):
    strange = [name for name in classes_read(tmp_path, "--jobs", "2") if not name.startswith("concurrent.futures.process.")]
    assert strange == []
