"""Benchmarks run only where they are asked for: `python -m pytest tests/benchmarks --benchmark-enable`."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Elsewhere they are left out, as the tests of whole implementations are."""
    if not config.getoption("benchmark_enable"):
        left_out = [item for item in items if item.path.is_relative_to(HERE)]
        items[:] = [item for item in items if not item.path.is_relative_to(HERE)]
        config.hook.pytest_deselected(items=left_out)
