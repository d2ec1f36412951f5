"""Recorded timings as pytest-benchmark's tests: a clock that ticks off samples that were measured elsewhere.

pytest-benchmark runs one test after the other in one process; the samples were taken side by side in processes of their own.
So nothing is timed here. `timer` is its documented way to bring another clock, and `pedantic` takes as many rounds as there
are samples, with two readings of the clock each.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attention_harness.timing.pytest_benchmark.recording import SAMPLES, Series

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture


class Replay:
    """A clock in seconds: each second reading comes one sample after the reading before it."""

    __name__ = "replayed"  # pytest-benchmark writes the timer's name into its JSON

    def __init__(self) -> None:
        self.load([])

    def load(self, seconds: Sequence[float]) -> None:
        """Begins anew, with these samples."""
        self.seconds, self.readings, self.now = seconds, 0, 0.0

    def __call__(self) -> float:
        """The time now."""
        if self.readings % 2:
            self.now += self.seconds[self.readings // 2]
        self.readings += 1
        return self.now


REPLAY = Replay()


def series() -> list[object]:
    """One parameter per workload and implementation."""
    path = os.environ.get(SAMPLES)
    recorded = json.loads(Path(path).read_text(encoding="utf-8"))["series"] if path else []
    return [pytest.param(one, id=f"{one['workload']}-{one['implementation']}") for one in recorded]


@pytest.mark.benchmark(timer=REPLAY)
@pytest.mark.parametrize("measured", series())
def test_speed(benchmark: BenchmarkFixture, measured: Series) -> None:
    """Replays the samples of one implementation on one workload."""
    benchmark.group = measured["workload"]
    REPLAY.load(measured["seconds"])
    benchmark.pedantic(lambda: None, rounds=len(measured["seconds"]), iterations=1)
    benchmark.extra_info.update(measured["extra"], implementation=measured["implementation"], workload=measured["workload"])
