"""Fixtures of all tests: an implementation called without a process, the cases of a run, and made-up runs to compare."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import settings

from attention_harness.conformance.check import load_properties
from attention_harness.conformance.under_test import UnderTest
from attention_harness.generation.suite import Suite, draw_suite
from attention_harness.process.compilation_cache import PLACE
from attention_harness.process.in_process import InProcessWorker
from attention_reports import write_table
from attention_specs.case import Case
from attention_specs.formats import DTYPES

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
os.environ[PLACE] = "off"  # no test writes into the cache of whoever runs it
os.environ.pop("GITHUB_ACTIONS", None)  # no test annotates the job that runs it

AFFORDABLE = 80_000
"""Products of a case that a test takes in a few milliseconds."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Judging whole implementations is a job of its own: `-m conformance`."""
    if "conformance" not in config.option.markexpr:
        slow = [item for item in items if item.get_closest_marker("conformance")]
        items[:] = [item for item in items if not item.get_closest_marker("conformance")]
        config.hook.pytest_deselected(items=slow)


@pytest.fixture(scope="session")
def subject_of() -> Callable[[Callable[..., Any]], UnderTest]:
    """A function on NumPy arrays as the properties see it."""
    load_properties()

    def under_test(function: Callable[..., Any]) -> UnderTest:
        worker = InProcessWorker(function)
        return UnderTest(worker, worker.description)

    return under_test


@pytest.fixture(scope="session")
def suites_of() -> Callable[[int], dict[str, Suite]]:
    """Seed -> spec -> the suite of a default run, without vectors."""
    return cache(lambda seed: draw_suite(150, seed, DTYPES))


@pytest.fixture(scope="session")
def cases_of(suites_of: Callable[[int], dict[str, Suite]]) -> Callable[[int], dict[str, list[Case]]]:
    """Seed -> spec -> the cases of a default run."""
    return cache(lambda seed: {spec: suite.cases for spec, suite in suites_of(seed).items()})


@pytest.fixture(scope="session")
def affordable(cases_of: Callable[[int], dict[str, list[Case]]]) -> Sequence[Case]:
    """Those of the attention spec in two runs that cost little."""

    def products(p: Any) -> int:
        return p.batch * p.query_heads * p.query_length * p.key_length * (p.head_dim + p.value_dim)

    drawn = {case.id: case for seed in (0, 1) for case in cases_of(seed)["attention"]}
    return [case for case in drawn.values() if products(case.problem) <= AFFORDABLE]


MACHINE: dict[str, Any] = {
    "cpu": "AMD EPYC", "cores": 2, "python": "3.11.7", "load": [0.1, 0.2, 0.3],
    "packages": {"attention-harness": "0.1.0", "numpy": "2.4.6", "pandas": "3.1.1"}, "variables": {"OMP_NUM_THREADS": "1"},
}  # fmt: skip


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., Path]:
    """`stored("a", metadata..., checks=[...], timings=[...])`: a completed run on one machine, by name, and its folder."""

    def save(name: str, checks: Any = (), timings: Any = (), **more: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        noise = {"floor": 0.05, "aa_half_width": 0.01, "load": 0.1}
        metadata = {"schema": 1, "complete": True, "arguments": {"seed": 0}, "environment": MACHINE, "noise": noise, **more}
        (folder / "run.json").write_text(json.dumps(metadata), encoding="utf-8")
        for table, rows in (("checks", checks), ("timings", timings)):
            if rows:
                write_table(folder, table, pd.DataFrame(rows))
        return folder

    return save


@pytest.fixture(scope="session")
def checked() -> Callable[..., dict[str, Any]]:
    """`checked("numpy-eager", "a_property", "agrees")`: one row of checks."""

    def row(implementation: str, prop: str, outcome: str, **more: Any) -> dict[str, Any]:
        own = {"implementation": implementation, "property": prop, "outcome": outcome, "spec": "attention", "dtype": "float32"}
        return own | {"clause": "P1", "cases": 9, "message": "", "replay": ""} | more

    return row


@pytest.fixture(scope="session")
def timed() -> Callable[..., dict[str, Any]]:
    """`timed("numpy-eager", 1.3)`: one row of timings, with an interval of 1 % around that ratio to the baseline."""

    def row(implementation: str, ratio: float, width: float = 1.01, **more: Any) -> dict[str, Any]:
        own = {"implementation": implementation, "workload": "gpt2-small", "dtype": "float32", "direction": "forward"}
        ratios = {"ratio": ratio, "ratio_low": ratio / width, "ratio_high": ratio * width, "median": ratio / 1000}
        return own | ratios | {"verdict": "SLOWER", "baseline": "numpy-eager", "description": "a small model"} | more

    return row
