"""A package of somebody else's is found through its metadata, listed and checked; one that is broken stops nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
NAMES = {"foreign-plain", "foreign-prepared", "foreign-broken"}


def harness(*arguments):
    """Exit status and the document that a command prints, with the package on the path."""
    path = os.pathsep.join([str(HERE), *sys.path])
    command = [sys.executable, "-m", "attention_harness", *map(str, arguments), "--json"]
    ran = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in ran.stderr
    return ran.returncode, json.loads(ran.stdout)


@pytest.fixture(scope="module")
def listed():
    status, document = harness("list", "foreign-*")
    assert status == 0
    return {row["name"]: row for row in document["implementations"]}


def test_all_entry_points_are_listed(listed):
    assert set(listed) == NAMES


def test_a_function_and_a_module_are_available_with_what_they_declare(listed):
    assert [listed[name]["reason"] for name in ("foreign-plain", "foreign-prepared")] == ["", ""]
    assert listed["foreign-plain"]["options"] == ["mask", "scale"]
    assert listed["foreign-plain"]["version"] == f"{np.__version__}, foreign_attention 0.1"
    assert listed["foreign-prepared"]["dtypes"] == ["float32"]
    assert listed["foreign-prepared"]["summary"].startswith("An attention as a module")


def test_what_cannot_be_imported_is_unavailable_with_the_reason(listed):
    assert not listed["foreign-broken"]["available"]
    assert "No module named 'a_library_that_is_not_there'" in listed["foreign-broken"]["reason"]


@pytest.mark.slow
def test_all_are_checked_and_the_broken_one_stops_nothing(tmp_path):
    chosen = ("--property", "output_agrees_with_the_oracle", "--dtype", "float32", "--examples", 12)
    status, document = harness("check", "foreign-*", *chosen, "--output", tmp_path)
    wrong = [
        row["message"] for row in document["checks"] if row["outcome"] not in ("agrees", "vacuous", "unsupported", "unavailable")
    ]
    assert (status, wrong) == (0, [])
    outcomes = {name: {row["outcome"] for row in document["checks"] if row["implementation"] == name} for name in NAMES}
    assert "agrees" in outcomes["foreign-plain"] & outcomes["foreign-prepared"]
    assert outcomes["foreign-broken"] == {"unavailable"}


def test_without_the_package_there_is_nothing_of_it():
    from attention_harness.registry.targets import registered

    assert not NAMES & {target.name for target in registered()}
