"""The command `check`: conformance of implementations, into the folder of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from attention_harness.cli.exit_status import status_of
from attention_harness.cli.options import (  # fmt: skip
    CheckBudget,
    Declare,
    Dtype,
    Examples,
    Executor,
    FailFast,
    FirstStage,
    For,
    Jobs,
    Json,
    Memory,
    Output,
    Profile,
    Property,
    Resume,
    Seed,
    Targets,
    Timeout,
    seconds_of,
    settings_of,
)
from attention_harness.cli.output import open_run, print_json, write_report
from attention_harness.cli.selection import loadable
from attention_harness.conformance.settings import Settings
from attention_harness.registry.targets import Target
from attention_harness.runs import folder as folders

if TYPE_CHECKING:
    from attention_harness.conformance.plan import CheckResult
    from attention_harness.runs.run import Run


def check(
    targets: Targets = None, examples: Examples = None, seed: Seed = 0, property_: Property = None, dtype: Dtype = None,
    jobs: Jobs = "auto", timeout: Timeout = 30.0, memory: Memory = 6144, executor: Executor = "local", output: Output = None,
    resume: Resume = None, declare: Declare = None, as_json: Json = False, quick: FirstStage = False,
    fail_fast: FailFast = False, budget: CheckBudget = None, long: For = None, profile: Profile = False,
) -> int:  # fmt: skip
    """Conformance of the named implementations, or of all that are available."""
    from attention_harness.runs import run as running

    settings = settings_of(examples, seed, property_, dtype, jobs, timeout, memory, executor, declare)
    settings = replace(
        settings, first_stage=quick, fail_fast=fail_fast, budget=seconds_of(budget), go_on=seconds_of(long, "for") or 0.0
    )
    request = folders.request("check", targets or [], settings, resume)
    chosen = loadable(request.targets, request.settings)
    run = open_run(output, resume, request)
    results = check_into(run, chosen, request.settings, quiet=as_json)
    running.complete(run)
    write_report(run.folder, show="" if as_json else "checks profile" if profile else "checks")
    if as_json:
        print_json({"checks": [row.to_json() for result in results for row in result.rows], "folder": str(run.folder)})
    return status_of(results)


def check_into(run: Run, targets: Sequence[Target], settings: Settings, quiet: bool) -> list[CheckResult]:
    """Checks into the folder of the run; returns the results."""
    from attention_harness.runs import run as running
    from attention_harness.runs.progress import check_progress

    with check_progress("checking", quiet) as progress:
        results = running.check(targets, settings, run, progress)
    running.write(results, run, settings)
    return results
