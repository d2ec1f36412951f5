"""Records a timing with pytest-benchmark, for its JSON, tables and comparisons: our samples, replayed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

from attention_harness.timing.analysis.tables import Row
from attention_harness.timing.bench import Bench

SAMPLES = "ATTENTION_HARNESS_SAMPLES"
"""Environment variable with the path of samples.json, for replayed.py."""

EXTRA_COLUMNS = (
    "ratio",
    "ratio_low",
    "ratio_high",
    "verdict",
    "reason",
    "gflops",
    "peak_memory",
    "compile_seconds",
    "baseline",
    "dtype",
)


def record(bench: Bench, folder: Path) -> Path | None:
    """Writes samples.json and benchmark.json into the folder; returns the latter, or None where nothing was measured.

    Raises RuntimeError with pytest's words.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    samples, recorded = folder / "samples.json", folder / "benchmark.json"
    measured = document(bench)
    samples.write_text(json.dumps(measured, indent=1), encoding="utf-8")
    if not measured["series"]:
        return None  # pytest would find nothing to run
    done = subprocess.run(command(folder, recorded), cwd=folder, env=environment(samples), capture_output=True, text=True)
    if done.returncode or not recorded.exists():
        raise RuntimeError(f"pytest-benchmark ended with status {done.returncode}: {(done.stdout + done.stderr).strip()[-1000:]}")
    return recorded


class Series(TypedDict):
    """The samples of one implementation on one workload: seconds per call, and columns of its row of `timings`."""

    workload: str
    implementation: str
    seconds: list[float]
    extra: dict[str, object]


class Document(TypedDict):
    """All that samples.json has."""

    schedule: dict[str, object]
    noise: dict[str, object]
    series: list[Series]


def document(bench: Bench) -> Document:
    """Samples and their rows of `timings`, as plain data; NaN is null."""
    rows = {(row["workload"], row["implementation"]): row for row in bench.rows}
    series = [
        Series(workload=workload, implementation=name, seconds=seconds, extra=_extra(rows[workload, name]))
        for workload, by_implementation in bench.samples.items()
        for name, seconds in by_implementation.items()
        if seconds
    ]
    return {"schedule": bench.schedule, "noise": bench.noise, "series": series}


def _extra(row: Row) -> dict[str, object]:
    return {name: None if row[name] != row[name] else row[name] for name in EXTRA_COLUMNS}


def command(folder: Path, recorded: Path) -> list[str]:
    """pytest on the replaying module alone, deaf to any project's configuration and plug-ins."""
    options = ["-c", os.devnull, f"--rootdir={folder}", "--import-mode=importlib", "--assert=plain"]
    plugins = ["-p", "no:cacheprovider", "-p", "pytest_benchmark.plugin"]
    benchmark = ["--benchmark-only", f"--benchmark-json={recorded}", f"--benchmark-storage={folder}", "-q"]
    module = Path(__file__).with_name("replayed.py")
    return [sys.executable, "-P", "-m", "pytest", *options, *plugins, *benchmark, str(module)]


def environment(samples: Path) -> dict[str, str]:
    """Ours without pytest's own variables, and the path of the samples."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": path}
    return kept | own | {SAMPLES: str(samples)}
