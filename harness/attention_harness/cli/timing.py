"""Timing into the folder of a run, for the commands `bench` and `run`."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from time import monotonic

import pandas as pd

import attention_reports as reports
from attention_harness import timing
from attention_harness.errors import UsageError
from attention_harness.registry.targets import Target, resolve
from attention_harness.runs.progress import status_line
from attention_harness.runs.run import Run
from attention_harness.timing.analysis.tables import Row
from attention_harness.timing.workloads import Workload

WRITING = 0.05
"""Part of a budget for the tables and the report, which come after the timing."""
LEAST = 0.25
"""Part of a budget that the timing has in any case: a run whose checks took long has times all the same."""


def workloads(names: Sequence[str], quick: bool, baseline: str) -> list[Workload]:
    """The workloads to time. Raises UsageError, also for an unknown baseline, before anything is written."""
    resolve([baseline])
    return timing.named(names, quick=quick)


def pace(quick: bool, seed: int, baseline: str, seconds: float | None = None, processes: int | None = None) -> timing.Settings:
    """The settings of a timing. Raises UsageError."""
    for name, value in (("seconds", seconds), ("processes", processes)):
        if value is not None and not value > 0:
            raise UsageError(f"{name}={value}, but should be above 0")
    return timing.Settings(quick=quick, seed=seed, baseline=baseline, seconds_per_workload=seconds, replicas=processes)


def bench(
    targets: Sequence[Target], run: Run, workloads: Sequence[Workload], settings: timing.Settings, quiet: bool,
    budget: float | None = None,
) -> list[Row]:  # fmt: skip
    """Times into the folder of the run; returns the rows of `timings`. `budget` is the seconds of the whole run, or None."""
    before = monotonic() - run.began
    left = inf if budget is None else max(budget * (1 - WRITING) - before, budget * LEAST)
    with status_line("timing", quiet) as progress:
        result = timing.bench(targets, workloads, settings, progress, budget=timing.Budget(left))
    reports.write_table(run.folder, "timings", pd.DataFrame(result.rows))
    reports.write_table(run.folder, "rounds", pd.DataFrame(result.rounds))
    timing.record(result, run.folder)
    spent: dict[str, object] = {"seconds": budget, "before": round(before, 1)}
    run.save(noise=result.noise, absent=result.absent, budget=spent | result.budget)
    return result.rows


def invalid(rows: Sequence[Row]) -> bool:
    """Whether an implementation was wrong, and so has no time."""
    return any(row["verdict"] == "INVALID" for row in rows)


def timed(rows: Sequence[Row]) -> bool:
    """Whether anything has a time."""
    return any(row["median"] == row["median"] for row in rows)  # NaN where there is none
