"""The command `run`: checks, times and reports every implementation."""

from __future__ import annotations

from dataclasses import replace

from attention_harness.cli.check import check_into
from attention_harness.cli.exit_status import WRONG, status_of
from attention_harness.cli.options import (  # fmt: skip
    Baseline,
    Budget,
    Declare,
    Deep,
    Dtype,
    Examples,
    Executor,
    Jobs,
    Json,
    Memory,
    Output,
    Profile,
    Property,
    Quick,
    Resume,
    Seed,
    Targets,
    Timeout,
    Workloads,
    seconds_of,
    settings_of,
)
from attention_harness.cli.output import open_run, print_json, write_for_services, write_report
from attention_harness.cli.selection import loadable
from attention_harness.conformance.settings import PARTS_OF_ALL, QUICK
from attention_harness.runs import folder as folders

TIMING = 300.0
"""Seconds of a budget that are kept for the timing. The check goes on for the others, with cases of further seeds.

Only where a budget is given: a plain run judges the same cases on a fast machine as on a slow one."""

DEEP = 1500
"""Examples of `run --deep`."""

USUAL_BUDGET = "6m"
"""Of a run of everything that is registered, with the usual number of examples."""


def run(
    targets: Targets = None, quick: Quick = False, deep: Deep = False, examples: Examples = None, seed: Seed = 0,
    property_: Property = None, dtype: Dtype = None, jobs: Jobs = "auto", timeout: Timeout = 30.0, memory: Memory = 6144,
    executor: Executor = "local", output: Output = None, resume: Resume = None, declare: Declare = None,
    baseline: Baseline = "numpy-eager", workload: Workloads = None, budget: Budget = None, as_json: Json = False,
    profile: Profile = False,
) -> int:  # fmt: skip
    """The main job: checks, times and reports every implementation."""
    from attention_harness.cli import timing
    from attention_harness.runs import run as running

    usual = not (targets or quick or deep or resume) and examples is None
    given = seconds_of(budget)
    limit = seconds_of(USUAL_BUDGET) if usual and given is None else given
    examples = examples if examples is not None else QUICK if quick else DEEP if deep else None
    settings = settings_of(examples, seed, property_, dtype, jobs, timeout, memory, executor, declare)
    go_on = max((given or 0.0) - TIMING, 0.0)
    settings = replace(settings, go_on=go_on, parts=PARTS_OF_ALL if usual and not go_on else 1)
    more = {"quick": quick, "baseline": baseline, "workload": workload or [], "budget": limit}
    request = folders.request("run", targets or [], settings, resume, **more)
    quick, baseline, workload, limit = (request.more[name] for name in more)
    chosen, workloads = loadable(request.targets, request.settings), timing.workloads(workload or [], quick, baseline)
    run = open_run(output, resume, request)
    results = check_into(run, chosen, request.settings, quiet=as_json)
    conforming = [target for target, result in zip(chosen, results, strict=True) if result.description and not result.wrong]
    try:
        rows = (
            timing.bench(conforming, run, workloads, timing.pace(quick, request.settings.seed, baseline), as_json, limit)
            if conforming
            else []
        )
        running.complete(run)
    finally:  # the checks are reported, even if the timing fails
        tables = "checks timings profile" if profile else "checks timings"
        write_report(run.folder, show="" if as_json else tables)
    write_for_services(run.folder)
    if as_json:
        checks = [row.to_json() for result in results for row in result.rows]
        print_json({"checks": checks, "timings": rows, "folder": str(run.folder)})
    return WRONG if timing.invalid(rows) else status_of(results)
