"""What the tests share: an implementation called without a process, and the cases of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest

from harness.agenda import agenda
from harness.auditing.inside import Inside
from harness.conformance import load_claims
from harness.subject import Subject
from specs.dtypes import DTYPES
from specs.problem import Case

AFFORDABLE = 80_000
"""Products of a case that a test takes in a few milliseconds."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Judging whole implementations is a job of its own: `-m conformance`."""
    if "conformance" not in config.option.markexpr:
        slow = [item for item in items if item.get_closest_marker("conformance")]
        items[:] = [item for item in items if not item.get_closest_marker("conformance")]
        config.hook.pytest_deselected(items=slow)


@pytest.fixture(scope="session")
def subject_of() -> Callable[[Callable[..., Any]], Subject]:
    """A function on NumPy arrays as the properties see it."""
    load_claims()

    def subject(function: Callable[..., Any]) -> Subject:
        worker = Inside(function)
        return Subject(worker, worker.description)

    return subject


@pytest.fixture(scope="session")
def cases_of() -> Callable[[int], dict[str, list[Case]]]:
    """Seed -> spec -> the cases of a default run."""
    return cache(lambda seed: agenda(150, seed, DTYPES))


@pytest.fixture(scope="session")
def affordable(cases_of: Callable[[int], dict[str, list[Case]]]) -> Sequence[Case]:
    """Those of the attention spec in two runs that cost little."""

    def products(p: Any) -> int:
        return p.batch * p.query_heads * p.query_length * p.key_length * (p.head_dim + p.value_dim)

    drawn = {case.id: case for seed in (0, 1) for case in cases_of(seed)["attention"]}
    return [case for case in drawn.values() if products(case.problem) <= AFFORDABLE]
