"""Workflows, the action and the hooks name commands, options, environments and versions that there are."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FILES = [*WORKFLOWS, ROOT / "action.yml"]
LINE = re.compile(r"^ *(attention-harness .*?)(?: \|\| .*)?$", re.MULTILINE)


@pytest.fixture(scope="module")
def read():
    yaml = pytest.importorskip("yaml")
    return lambda path: yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(document):
    """All steps of a workflow or an action."""
    jobs = document["jobs"].values() if "jobs" in document else [document["runs"]]
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_command_is_one_with_options_that_there_are(path, read):
    import typer

    from attention_harness.cli.app import app

    commands = typer.main.get_command(app).commands
    lines = [line for step in steps(read(path)) for line in LINE.findall(step.get("run", ""))]
    for line in lines:
        _, command, *words = shlex.split(line)
        commands[command].make_context(command, ["1" if word == "$seed" else word for word in words if "[@]" not in word])
    assert lines or path.name == "conformance.yml"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_script_has_the_text_of_an_input_in_it(path, read):
    """An input is handed over in a variable: in the script itself its text would be run."""
    assert not [step["run"] for step in steps(read(path)) if re.search(r"\$\{\{ *(inputs|github)\.", step.get("run", ""))]


def test_the_environments_of_the_push_are_those_of_tox(read):
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    usual = {name.strip() for name in tox["tox"]["env_list"].split(",")}
    matrix = read(ROOT / ".github/workflows/conformance.yml")["jobs"]["tox"]["strategy"]["matrix"]
    assert {*matrix["environment"]} == usual - {"bench"}  # the machines of a service are too busy for times


def test_hooks_have_the_versions_of_the_constraints(read):
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    repos = {repo["repo"].rpartition("/")[2]: repo.get("rev") for repo in read(ROOT / ".pre-commit-config.yaml")["repos"]}
    assert repos == {"ruff-pre-commit": f"v{pinned['ruff']}", "check-jsonschema": pinned["check-jsonschema"], "local": None}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "status", "code"),
    [("numpy-eager", "agrees", 0), ("wrong.py:attention", "violates", 1), ("none.py:f", "invalid-request", 2)],
)
def test_the_script_of_the_action_runs(read, tmp_path, target, status, code):
    (script,) = [step["run"] for step in steps(read(ROOT / "action.yml")) if step.get("id") == "check"]
    (tmp_path / "wrong.py").write_text("def attention(q, k, v):\n    return q\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "attention-harness").write_text(f'#!/bin/sh\nexec {sys.executable} -m attention_harness "$@"\n')
    (tmp_path / "bin" / "attention-harness").chmod(0o755)
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    environment = os.environ | {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path),
        "GITHUB_OUTPUT": f"{tmp_path}/output", "GITHUB_STEP_SUMMARY": f"{tmp_path}/summary.md", "GITHUB_ACTIONS": "true",
        "TARGETS": target, "OPTIONS": "--quick --dtype float32 --property P4", "FOLDER": "results",
    }  # fmt: skip
    bash = [shutil.which("bash"), "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    ended = subprocess.run(bash, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == code, ended.stderr
    assert (tmp_path / "output").read_text() == f"status={status}\n"
    assert json.loads((tmp_path / "results" / "verdict.json").read_text())["status"] == status
    assert ("::error file=wrong.py,line=1,title=" in ended.stderr) == (status == "violates")
    assert (tmp_path / "summary.md").exists() == (tmp_path / "results" / "junit.xml").exists() == (code != 2)
