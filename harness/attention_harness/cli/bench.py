"""The command `bench`: times of implementations against a baseline, and against a stored run."""

from __future__ import annotations

from dataclasses import replace

from attention_harness.cli.exit_status import NOTHING, RIGHT, WRONG
from attention_harness.cli.options import (  # fmt: skip
    Baseline,
    BaselineRun,
    Budget,
    Declare,
    Json,
    Output,
    Processes,
    Quick,
    Seconds,
    Seed,
    Targets,
    Workloads,
    declarations_of,
    seconds_of,
)
from attention_harness.cli.output import open_run, print_json, write_report
from attention_harness.cli.selection import loadable
from attention_harness.conformance.settings import Settings
from attention_harness.registry.targets import resolve
from attention_harness.runs.folder import RunRequest


def bench(
    targets: Targets = None, baseline: Baseline = "numpy-eager", workload: Workloads = None, seed: Seed = 0, output: Output = None,
    quick: Quick = False, seconds: Seconds = None, processes: Processes = None, budget: Budget = None, baseline_run: BaselineRun = None,
    declare: Declare = None, as_json: Json = False,
) -> int:  # fmt: skip
    """Times the named implementations against a baseline; a wrong implementation has no time."""
    from attention_harness.cli import comparison, timing

    limit, pace = seconds_of(budget), timing.pace(quick, seed, baseline, seconds, processes)
    pace = replace(pace, early=baseline_run is None)  # a verdict that is sure is not yet a ratio that shows a regression
    stored = comparison.load(baseline_run) if baseline_run else None
    settings = Settings(seed=seed, declared=declarations_of(declare))
    chosen = loadable(resolve(targets or [], settings.attributes), settings, ask_here=False)
    workloads = timing.workloads(workload or [], quick, baseline)
    run = open_run(output, None, RunRequest("bench", chosen, settings, {}))
    rows = timing.bench(chosen, run, workloads, pace, quiet=as_json, budget=limit)
    compared: comparison.Compared = comparison.against(stored, run, chosen, workloads, pace, quiet=as_json) if stored else {}
    run.save(complete=True)
    write_report(run.folder, show="" if as_json else "timings")
    if as_json:
        print_json({"timings": rows, "folder": str(run.folder)} | ({"compared": compared} if compared else {}))
    for line in compared.get("lines", []) if not as_json else []:
        print(line)
    return WRONG if timing.invalid(rows) or compared.get("regressions") else RIGHT if timing.timed(rows) else NOTHING
