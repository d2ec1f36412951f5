"""The commands of the handbook that stand without output: each runs, with fewer cases and shorter times than it asks for."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from attention_harness.registry.targets import GROUP

ROOT = Path(__file__).parents[2]
README, DOCS = ROOT / "README.md", ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "generated" not in path.parts)


def blocks(page, kind):
    """The texts of the fenced blocks of that kind, in order."""
    every = re.findall(r"^```(\S*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for own, text in every if own == kind]


MINE = blocks(DOCS / "tutorial" / "first-check.md", "python")[0]
THEIRS = """
import numpy as np

from mine import attention


def flash_attn(q, k, v, causal=False):
    q, k, v = (a.swapaxes(1, 2) for a in (q, k, v))
    if causal and q.shape[2] != k.shape[2]:
        raise NotImplementedError("as many queries as keys only")
    out = attention(q, k, v, is_causal=causal)
    return out.swapaxes(1, 2), np.zeros(q.shape[:3])


def padded(q, k, v, ignore=None):
    if q.shape[3] != 64 or v.shape[3] != 64:
        raise NotImplementedError("dims of 64 only")
    scores = q @ k.swapaxes(-1, -2) / 8
    scores = scores if ignore is None else np.where(ignore, -np.inf, scores)
    top = scores.max(-1, keepdims=True, initial=-np.inf)
    powers = np.exp(scores - np.where(np.isinf(top), 0, top))
    total = powers.sum(-1, keepdims=True)
    return (powers / np.where(total == 0, 1, total) @ v).astype(q.dtype)
"""
"""Functions in a form of their own, as the page about declarations has them."""

SHORTER = (
    (r"--examples \d+", "--examples 2"),
    (r"'(torch|numpy)-\*'", "numpy-eager"),
    (r"^attention-harness check numpy-eager --seed", "attention-harness check mine.py:attention --seed"),
    (r"^(attention-harness bench .*)", r"\1 --quick --workload gpt2-small-128 --seconds 0.02 --processes 1"),
    (r"^(attention-harness check (?!.*--(examples|quick)).*)", r"\1 --examples 2"),
    (r"^(pytest --attention-target \S+)", r"\1 --attention-examples 2"),
    (r"^(python -m pytest tests/.*)", r"\1 --collect-only -q"),
)
"""What makes a command short: pattern -> words."""


def commands():
    """Each block of commands, by page."""
    for page in PAGES:
        for number, block in enumerate(blocks(page, "sh")):
            yield pytest.param(block, id=f"{page.relative_to(DOCS)}-{number}")


def shortened(line, folder):
    """The words of a command that takes seconds, and its variables."""
    for pattern, words in SHORTER:
        line = re.sub(pattern, words, line)
    if "ID.json" in line:
        line = line.replace("seed-1/cases/ID.json", str(next((folder / "seed-1" / "cases").glob("*.json"))))
    words = [word for word in shlex.split(line, comments=True) if word]
    variables = dict(word.split("=", 1) for word in words if re.fullmatch(r"[A-Z_]+=.*", word))
    return words[len(variables) :], variables


def ran(words, folder, variables):
    """The ended command, in that folder, or in the repository if it asks for tests that are there."""
    place = ROOT if any(word.startswith("tests/") and (ROOT / word).exists() for word in words[3:4]) else folder
    start = {"attention-harness": ["-m", "attention_harness"], "pytest": ["-m", "pytest"], "python": []}[words[0]]
    own = {name: value for name, value in os.environ.items() if name != "PYTEST_DISABLE_PLUGIN_AUTOLOAD"}
    environment = own | variables | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    call = [sys.executable, *start, *words[1:]]
    return subprocess.run(call, cwd=place, env=environment, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture
def folder(tmp_path):
    for name, text in {"mine.py": MINE, "kernel.py": MINE, "candidate.py": MINE, "theirs.py": THEIRS}.items():
        (tmp_path / name).write_text(text)
    for name in ("rotary.py", "grouped.py"):
        (tmp_path / name).write_bytes((ROOT / "tests" / "third_party" / "modules" / name).read_bytes())
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_own.py").write_text("def test_own():\n    pass\n")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("block", list(commands()))
def test_its_commands_run(block, folder):
    if "samples.json" in block:
        ran(shlex.split("attention-harness bench mine.py:attention --quick --workload gpt2-small-128 --output run"), folder, {})
    for line in filter(None, block.replace("\\\n", " ").splitlines()):
        words, variables = shortened(line, folder)
        ended = ran(words, folder, variables)
        wrong = 2 if words[0] == "attention-harness" else 5
        assert ended.returncode in (0, 1, 3) and ended.returncode != wrong, f"{words}\n{ended.stdout}{ended.stderr}"
        assert "Traceback" not in ended.stderr, ended.stderr


def test_every_kind_of_block_has_a_test():
    """A block of another kind is one that nobody executes."""
    fences = {page: re.findall(r"^ *```(\S*)$", page.read_text(encoding="utf-8"), re.MULTILINE) for page in (README, *PAGES)}
    kinds = {(page, kind) for page, marks in fences.items() for kind in marks[::2]}
    known = {"python", "console", "sh", "toml", "json", "yaml", "text", "{toctree}"}
    assert {(page.name, kind) for page, kind in kinds if kind not in known} == {("README.md", ""), ("install.md", "")}


def test_the_set_up_commands_name_extras_and_environments():
    """They install and run everything from nothing, as tox does in each of its environments."""
    install, tests = blocks(README, "")
    assert blocks(DOCS / "guide" / "install.md", "") == [install.partition(" && ")[0] + "\n"]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(re.findall(r"\[(\w+)\]", install)) <= set(extras)
    assert (ROOT / re.search(r"-c (\S+)", install)[1]).is_file()
    assert install.endswith("&& attention-harness run\n")
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    assert tests == "python -m pip install tox && tox run-parallel\n"
    assert set(re.findall(r"tox -e (\w+)", (ROOT / "CONTRIBUTING.md").read_text())) <= {
        *(name.partition(":")[2] for name in tox.sections()),
        *re.findall(r"\w+", tox["tox"]["env_list"]),
    }


def test_the_entry_point_has_the_group_that_is_read():
    [text] = blocks(DOCS / "guide" / "plug-ins.md", "toml")
    assert list(tomllib.loads(text)["project"]["entry-points"]) == [GROUP]


def test_a_file_of_declarations_is_read(tmp_path):
    from attention_harness.cli.app import main

    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "theirs.py").write_text(THEIRS)
    (tmp_path / "attention-harness.toml").write_text(blocks(DOCS / "guide" / "declare.md", "toml")[0])
    assert main(["check", f"{tmp_path}/theirs.py:flash_attn", "--quick", "--output", str(tmp_path / "run"), "--fail-fast"]) in (
        0,
        1,
    )
    [one] = json.loads((tmp_path / "run" / "run.json").read_text())["implementations"]
    assert (one["layout"], one["conventions"]["causal_alignment"]) == ("blhd", "bottom-right")


@pytest.mark.slow
def test_a_document_is_validated_by_its_schema(folder):
    pytest.importorskip("check_jsonschema")
    check, validation = re.findall(r"^\$ (.*)$", blocks(DOCS / "machines.md", "console")[0], re.MULTILINE)
    command, _, file = check.partition(" > ")
    (folder / file).write_text(ran(shlex.split(command), folder, {}).stdout)
    words = [str(ROOT / word) if word.startswith("schemas/") else word for word in shlex.split(validation)]
    call = [sys.executable, "-m", "check_jsonschema", *words[1:]]
    ended = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
    assert f"$ {validation}\n{ended.stdout}" in blocks(DOCS / "machines.md", "console")[0], ended.stderr


def test_the_inputs_of_the_action_are_there():
    yaml = pytest.importorskip("yaml")
    [*_, step] = yaml.safe_load(blocks(DOCS / "machines.md", "yaml")[0])
    assert set(step["with"]) <= set(yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"])


def test_the_excerpt_about_a_diagnosis_is_that_of_the_first_check():
    [text] = blocks(DOCS / "diagnosis.md", "text")
    check = blocks(DOCS / "tutorial" / "first-check.md", "console")[0]
    assert all(line in check for line in text.splitlines())


EXECUTED = {
    "README.md": "test_handbook_examples.py, test_page.py of closeness",
    "docs/assert-attention-close.md": "test_page.py of closeness",
    "docs/guide/audit.md": "test_handbook_examples.py",
    "docs/guide/compare.md": "test_handbook_examples.py",
    "docs/guide/declare.md": "test_handbook_examples.py",
    "docs/guide/forms.md": "test_handbook_examples.py",
    "docs/guide/matrix.md": "test_features.py",
    "docs/guide/probe.md": "test_handbook_examples.py",
    "docs/guide/serving.md": "test_handbook_examples.py",
    "docs/machines.md": "test_a_document_is_validated_by_its_schema",
    "docs/python.md": "test_python_page.py",
    "docs/tutorial/first-check.md": "test_handbook_examples.py",
    "docs/tutorial/gpu.md": "test_handbook_examples.py",
    "docs/tutorial/layer.md": "test_handbook_examples.py",
    "docs/tutorial/pytest.md": "test_handbook_examples.py",
    "docs/tutorial/torch-function.md": "test_handbook_examples.py",
}
"""Page with Python or with the output of commands -> the test that executes them; a new page names its own here."""


def test_each_page_with_code_has_a_test_that_executes_it():
    pages = {page for page in (README, *PAGES) if blocks(page, "python") or blocks(page, "console")}
    assert {page.relative_to(ROOT).as_posix() for page in pages} == set(EXECUTED)
