"""The command line: statuses, one line for every bad call, one document for --json."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from attention_harness.cli.app import main

BROKEN = {
    "unfinished.py": "def attention(q, k, v:\n",
    "raises.py": "raise RuntimeError('at import\\nin two lines')\n",
    "two.py": "def attention(q, k):\n    return q\n",
    "other.py": "def other(q, k, v):\n    return q\n",
    "declares.py": "def attention(q, k, v):\n    return q\n\n\nattention.conventions = {'empty_rows': 'ones'}\n",
    "fine.py": "def attention(q, k, v):\n    return q\n",
    "garbage.json": "{",
    "other.json": '{"case": 1}',
    "old.json": '{"case": {"spec": "attention", "problem": {}, "recipe": "normal", "seed": 0, "layouts": {}}, "property": "gone", '
    '"target": "numpy-eager", "location": "attention_implementations.numpy.eager:"}',
}

BAD_CALLS = [
    (["check", "nothing-like-this"], "target=nothing-like-this, but should be"),
    (["check", "cupy-*"], "target=cupy-*, but should be"),
    (["check", "absent.py:attention"], "target=absent.py:attention, but should name a file that can be read"),
    (["check", "unfinished.py:attention"], "but should name a Python file"),
    (["check", "raises.py:attention"], "raised RuntimeError: at import in two lines"),
    (["check", "other.py:attention"], "should name a function of that module: other"),
    (["check", "two.py:attention"], "signature=attention(q, k), but should take three arrays, q, k and v"),
    (["check", "declares.py:attention"], "empty_rows=ones, but should be one of zeros, nan, uniform"),
    (["check", "absent_package.module:attention"], "with a module that can be imported from here"),
    (["check", "numpy-eager", "--output", "fine.py/run"], "output=fine.py/run, but should be a folder that can be written to"),
    (["check", "numpy-eager", "--resume", "nowhere"], "resume=nowhere, but should be the folder of a run"),
    (["check", "numpy-eager", "--examples", "-1"], "examples=-1, but should be above 0"),
    (["check", "numpy-eager", "--examples", "0"], "examples=0, but should be above 0"),
    (["check", "numpy-eager", "--examples", "many"], "examples"),
    (["check", "numpy-eager", "--jobs", "0"], "jobs=0, but should be a whole number above 0, or auto"),
    (["check", "numpy-eager", "--jobs", "many"], "jobs=many, but should be a whole number above 0, or auto"),
    (["check", "numpy-eager", "--timeout", "-2"], "timeout=-2.0, but should be above 0"),
    (["check", "numpy-eager", "--timeout", "nan"], "timeout=nan, but should be above 0"),
    (["check", "numpy-eager", "--memory", "0"], "memory=0, but should be above 0"),
    (["check", "numpy-eager", "--property", "is_nice"], "property=is_nice, but should be an id, a name or a pattern"),
    (["check", "numpy-eager", "--dtype", "int8"], "dtype=int8, but should be one of float32"),
    (["check", "numpy-eager", "--claim", "colour=red"], "declare=colour"),
    (
        ["check", "numpy-eager", "--claim", "empty_rows=ones"],
        "declare=empty_rows=ones, but should be empty_rows= one of zeros, nan",
    ),
    (["check", "numpy-eager", "--claim", "empty_rows"], "declare=empty_rows, but should be empty_rows= one of"),
    (["check", "numpy-eager", "--executor", "abacus"], "executor=abacus, but should be"),
    (["check", "numpy-eager", "--colour"], "--colour"),
    (["run", "nothing-like-this"], "target=nothing-like-this, but should be"),
    (["run", "numpy-eager", "--examples", "-1"], "examples=-1, but should be above 0"),
    (["bench", "nothing-like-this"], "target=nothing-like-this, but should be"),
    (["list", "nothing-like-this"], "target=nothing-like-this, but should be"),
    (["report", "nowhere"], "nowhere"),
    (["report", "fine.py"], "fine.py"),
    (["report"], "Missing argument"),
    (["replay", "absent.json"], "file=absent.json, but should be a case that can be read: No such file or directory"),
    (["replay", "garbage.json"], "file=garbage.json, but should be a case as a run writes it"),
    (["replay", "other.json"], "file=other.json, but should be a case as a run writes it"),
    (["replay", "old.json"], "property=gone, but should be an id, a name or a pattern"),
    (["frobnicate"], "frobnicate"),
    ([], "Missing command"),
]


@pytest.fixture
def here(folder_of):
    """A working folder with files that are wrong in many ways."""
    return folder_of(BROKEN)


@pytest.mark.parametrize(("arguments", "message"), BAD_CALLS, ids=[" ".join(arguments) for arguments, _ in BAD_CALLS])
def test_a_bad_call_is_one_line_and_leaves_no_folder(here, capsys, arguments, message):
    before = sorted(here.rglob("*.json"))
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("attention-harness: ")
    assert message in err
    assert sorted(here.rglob("*.json")) == before


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["check", "nothing-like-this"], ["report", "nowhere"]])
def test_as_a_process_too(arguments, tmp_path):
    command, environment = (
        [sys.executable, "-m", "attention_harness", *arguments],
        os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    process = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.count("\n") == 1
    assert "Traceback" not in process.stderr


def test_list_says_what_is_there(capsys):
    assert main(["list", "numpy-*", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["implementations"]}
    assert {"numpy-eager", "numpy-multi-head", "numpy-packed", "numpy-merge"} < set(rows)
    assert all(row["available"] and row["framework"] == "numpy" and row["version"] for row in rows.values())
    assert "return_weights" in rows["numpy-eager"]["options"]


def test_list_is_one_line_each_where_there_is_no_terminal(capsys):
    assert main(["list", "numpy-eager", "numpy-online"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["numpy-eager", "numpy-online"]


CHECK = ["check", "numpy-eager", "--examples", "3", "--dtype", "float32", "--property", "output_agrees_with_the_oracle"]


def test_json_is_one_document_and_nothing_else(here, capfd):
    assert main([*CHECK, "--json", "--output", "run"]) == 0
    out, _ = capfd.readouterr()
    document = json.loads(out)
    assert out.count("\n") == 1
    assert {row["property"] for row in document["checks"]} == {"output_agrees_with_the_oracle"}
    columns = "implementation framework version device dtype spec property clause outcome cases vacuous worst_ratio seconds case message"
    assert set(columns.split()) <= set(document["checks"][0])


def test_a_check_leaves_its_folder(here, capsys):
    assert main([*CHECK, "--output", "run"]) == 0
    assert "numpy-eager" in capsys.readouterr().out
    assert {"run.json", "checks.parquet", "agreement.parquet", "report.html", "report.md"} <= {
        p.name for p in (here / "run").iterdir()
    }
    assert json.loads((here / "run" / "run.json").read_text())["complete"]
    (here / "run" / "report.html").unlink()
    assert main(["report", "run"]) == 0
    assert (here / "run" / "report.html").exists()


def test_help_shows_the_commands(capsys):
    main(["--help"])
    output = capsys.readouterr().out
    assert all(command in output for command in ("check", "bench", "run", "report", "replay", "list"))


@pytest.mark.parametrize("call", [["bench", "--workload", "none"], ["run", "--baseline", "none"], ["run", "--workload", "none"]])
def test_a_bad_timing_leaves_no_folder_behind(call, tmp_path, capsys):
    assert main([*call, "--output", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "run").exists()
