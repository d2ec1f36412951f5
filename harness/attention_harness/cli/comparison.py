"""Comparison of two runs for `compare`, and of a new timing with a stored one for `bench`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import pandas as pd
from rich.console import Console

import attention_reports as reports
from attention_harness import timing
from attention_harness.cli.output import print_json
from attention_harness.errors import UsageError
from attention_harness.registry.targets import Target
from attention_harness.runs.progress import status_line
from attention_harness.runs.run import Run
from attention_harness.timing.workloads import Workload
from attention_reports.comparison import headline

Progress = Callable[[str], None]


class Compared(TypedDict, total=False):
    """The entry `compared` of run.json: the stored run, lines for the terminal, and the rows that are slower twice."""

    run: str
    lines: list[str]
    regressions: list[dict[str, object]]


def load(folder: Path) -> reports.Run:
    """The run in a folder. Raises UsageError where there is none."""
    try:
        return reports.Run.load(folder)
    except reports.ReportError as error:
        raise UsageError(str(error)) from error


def present(comparison: reports.Comparison, folder: Path, as_json: bool) -> None:
    """Writes the comparison into a folder and prints it. Raises UsageError."""
    try:
        page = reports.write_comparison(comparison, folder)
    except OSError as error:
        raise UsageError(f"output={folder}, but should be a folder that can be written to: {error.strerror}") from error
    if as_json:
        print_json(_document(comparison) | {"page": str(page)})
    else:
        reports.print_comparison(comparison, Console())
        print(f"comparison: {page}")


def _document(comparison: reports.Comparison) -> dict[str, object]:
    tables = {"checks": comparison.checks.to_dict("records"), "timings": comparison.timings.to_dict("records")}
    return {"verdict": headline.verdict(comparison).sentence, **tables, "differing": comparison.differing}


def against(
    stored: reports.Run, run: Run, targets: Sequence[Target], workloads: Sequence[Workload], settings: timing.Settings, quiet: bool,
) -> Compared:  # fmt: skip
    """Compares the timings of a run with those of a stored one; returns the entry `compared` of run.json."""
    comparison = reports.Comparison(stored, reports.Run.load(run.folder))
    with status_line("timing again", quiet) as progress:
        regressions = confirmed(comparison, targets, workloads, settings, progress)
    record: Compared = {"run": str(stored.folder), "lines": _lines(comparison, regressions), "regressions": regressions}
    run.save(compared=record)
    return record


def confirmed(
    comparison: reports.Comparison, targets: Sequence[Target], workloads: Sequence[Workload], settings: timing.Settings,
    progress: Progress,
) -> list[dict[str, object]]:  # fmt: skip
    """Rows that became slower, and are slower again when timed again alone. None where the runs cannot be compared.

    With many comparisons some are decided by chance; the same one, twice in a row, is not.
    """
    regressions: list[dict[str, object]] = []
    for workload in workloads:
        slower = comparison.regressions[comparison.regressions["workload"] == workload.name]
        if len(slower):
            wanted = {*slower["implementation"], *slower["baseline"]}
            longer = twice(replace(settings, baseline=slower["baseline"].iloc[0]))
            again = timing.bench([target for target in targets if target.name in wanted], [workload], longer, progress)
            regressions += _both(slower, comparison.retimed(again.rows, again.noise).regressions)
    return regressions


def twice(settings: timing.Settings) -> timing.Settings:
    """Double rounds: as long in each process, in twice as many fresh ones, in another order."""
    seconds, processes = 2 * settings.seconds * settings.processes, 2 * settings.processes
    return replace(settings, seconds_per_workload=seconds, replicas=processes, seed=settings.seed + 1)


def _both(first: pd.DataFrame, again: pd.DataFrame) -> list[dict[str, object]]:
    """The rows that are in both, with the change of the second as `again`."""
    key = ["workload", "dtype", "direction", "implementation"]
    both = first.merge(again[[*key, "change"]].rename(columns={"change": "again"}), on=key)
    return [{str(name): value for name, value in row.items()} for row in both.to_dict("records")]


def _lines(comparison: reports.Comparison, regressions: Sequence[dict[str, object]]) -> list[str]:
    """Lines about a stored run for the terminal: the regressions, or the summary."""
    summary = headline.speed(comparison) or "no time in common, nothing compared"
    lost = len(comparison.regressions) - len(regressions)
    passed = [f"{lost} that seemed slower did not when timed again"] if lost else []
    sure = [f"{headline.slowed(row)}; timed again: {row['again']:.3g} times" for row in regressions]
    return [*sure, "; ".join([f"beside {comparison.before.folder}: {summary}", *passed])]
