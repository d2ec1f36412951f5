"""Benchmarks run only where they are asked for: `python -m pytest tests/benchmarks --benchmark-enable`.

Commands of the project run as processes: their seconds, those of the processor, and the memory of each process.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter, sleep

import psutil
import pytest

HERE = Path(__file__).parent
COLD = os.environ | {"ATTENTION_HARNESS_CACHE": "off"}
"""Nothing is compiled before, and nothing kept."""

LOOK_SECONDS = 0.2
MIB = 2**20


@dataclass
class Command:
    """A command that has ended."""

    seconds: float
    processor: float
    """Seconds of the processor, of all its processes."""
    printed: str
    peaks: dict[int, float] = field(default_factory=dict)
    """Process -> the most MiB that it was seen to use."""

    @property
    def peak(self) -> float:
        """MiB of the largest process."""
        return max(self.peaks.values(), default=0.0)


def run_command(*words, environment=COLD, watch=False):
    """Runs `python WORDS` to its end. CalledProcessError where it fails."""
    before, start = getrusage(RUSAGE_CHILDREN), perf_counter()
    command = [sys.executable, *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as process:
        peaks = _watched(process) if watch else {}
        printed = process.communicate()[0]
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, printed)
    after = getrusage(RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Command(perf_counter() - start, processor, printed, peaks)


@pytest.fixture
def python():
    """`python(WORDS)` runs `python WORDS` to its end."""
    return run_command


@pytest.fixture
def harness():
    """`harness(WORDS)` runs a command of the project."""
    return lambda *words, **options: run_command("-m", "attention_harness", *words, **options)


@pytest.fixture
def cache(tmp_path):
    """The environment of commands that keep what they compile in a folder of the test."""
    return COLD | {"ATTENTION_HARNESS_CACHE": str(tmp_path / "cache")}


def _watched(process):
    """The peaks of the process and its descendants, until it ends. Few words are printed: the pipe does not fill."""
    peaks = {}
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            own = psutil.Process(process.pid)
            for one in (own, *own.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    peaks[one.pid] = max(peaks.get(one.pid, 0.0), one.memory_info().rss / MIB)
        sleep(LOOK_SECONDS)
    return peaks


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Elsewhere they are left out, as the tests of whole implementations are."""
    if not config.getoption("benchmark_enable"):
        left_out = [item for item in items if item.path.is_relative_to(HERE)]
        items[:] = [item for item in items if not item.path.is_relative_to(HERE)]
        config.hook.pytest_deselected(items=left_out)
