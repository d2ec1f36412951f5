"""The commands `check`, conformance of implementations into the folder of a run, and `merge`, of the shards of one check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attention_harness.cli.exit_status import status_of, status_of_shard
from attention_harness.cli.options import (  # fmt: skip
    CheckBudget,
    Declare,
    Dtype,
    Examples,
    Executor,
    FailFast,
    FirstStage,
    For,
    HideCases,
    Jobs,
    Json,
    Junit,
    Memory,
    Output,
    Profile,
    Property,
    Resume,
    SecretSeed,
    Seed,
    ShardOption,
    Summary,
    Targets,
    Timeout,
    VerdictFile,
    jobs_of,
    seconds_of,
    settings_of,
    shard_of,
)
from attention_harness.cli.output import open_run, print_json, require_file, write_for_services, write_report
from attention_harness.cli.selection import loadable
from attention_harness.conformance.settings import PARTS_OF_ALL, Settings
from attention_harness.errors import UsageError
from attention_harness.registry.targets import Target
from attention_harness.runs import folder as folders
from attention_harness.runs.verdict import SILENT, Stage, Verdict

if TYPE_CHECKING:
    from attention_harness.conformance.plan import CheckResult
    from attention_harness.runs.run import Progress, Run

Parts = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of `check --shard`, one for each part.")]


def check(
    context: typer.Context,
    targets: Targets = None, examples: Examples = None, seed: Seed = 0, property_: Property = None, dtype: Dtype = None,
    jobs: Jobs = "auto", timeout: Timeout = 30.0, memory: Memory = 6144, executor: Executor = "local", output: Output = None,
    resume: Resume = None, declare: Declare = None, as_json: Json = False, quick: FirstStage = False,
    fail_fast: FailFast = False, budget: CheckBudget = None, long: For = None, profile: Profile = False,
    verdict: VerdictFile = None, junit: Junit = None, summary: Summary = None, hide_cases: HideCases = False,
    shard: ShardOption = "",
) -> int:  # fmt: skip
    """Conformance of the named implementations, or of all that are available."""
    from attention_harness.runs import run as running

    settings = settings_of(examples, seed, property_, dtype, jobs, timeout, memory, executor, declare)
    settings = replace(
        settings, first_stage=quick, fail_fast=fail_fast, budget=seconds_of(budget), go_on=seconds_of(long, "for") or 0.0,
        shard=shard_of(shard),
    )  # fmt: skip
    if not (targets or quick or settings.shard or settings.go_on or resume) and examples is None:
        settings = replace(settings, parts=PARTS_OF_ALL)
    if hide_cases and resume is not None:
        raise UsageError(f"resume={resume}, but should be left out: a check with --hide-cases begins anew")
    require_file("junit", junit)
    require_file("summary", summary)
    request = folders.request("check", targets or [], settings, resume)
    whole_only = {"json": as_json, "verdict": verdict, "junit": junit, "summary": summary, "hide-cases": hide_cases}
    _require_whole(request.settings, whole_only)
    document: Verdict = context.obj
    document.reach(Stage.LOAD)
    chosen = loadable(request.targets, request.settings)
    run = open_run(output, resume, request, hide_cases)
    document.reach(Stage.FIRST_STAGE)
    results = check_into(run, chosen, request.settings, as_json, document, hide_cases)
    running.complete(run)
    if request.settings.shard:
        print(f"shard {request.settings.shard}: {run.folder}; `attention-harness merge` judges all shards together")
        return status_of_shard(results)
    document.judge(results, run.folder, whole=not request.settings.first_stage)
    report(run, profile, as_json, junit, summary)
    if as_json:
        print_json({"checks": [row.to_json() for result in results for row in result.rows], "folder": str(run.folder)})
    return status_of(results)


def merge(
    runs: Parts, output: Output = None, jobs: Jobs = "auto", profile: Profile = False, junit: Junit = None,
    summary: Summary = None,
) -> int:  # fmt: skip
    """Joins the shards of one check, and judges them as one run."""
    from attention_harness.runs import run as running
    from attention_harness.runs import shards

    require_file("junit", junit)
    require_file("summary", summary)
    parts = shards.loaded(runs)
    request = shards.request_of(parts, jobs_of(jobs))
    chosen = loadable(request.targets, request.settings)
    shards.require_loadable_alike(parts, chosen)
    run = open_run(output, None, request)
    shards.join(parts, chosen, run)
    results = check_into(run, chosen, request.settings, quiet=False)
    running.complete(run)
    report(run, profile, junit=junit, summary=summary)
    return status_of(results)


def _require_whole(settings: Settings, options: Mapping[str, object]) -> None:
    """UsageError for a shard with an option that only a whole check can follow."""
    timed = {"budget": settings.budget, "for": settings.go_on, "seed": isinstance(settings.seed, SecretSeed) and "secret"}
    given = [name for name, value in {**options, **timed}.items() if value]
    if settings.shard and given:
        raise UsageError(f"{given[0]} with shard={settings.shard}, but should be left out: a shard is judged by `merge`")


def report(run: Run, profile: bool = False, quiet: bool = False, junit: Path | None = None, summary: Path | None = None) -> None:
    """Writes the report of a check that is complete, shows its tables, and writes the files for services."""
    write_report(run.folder, show="" if quiet else "checks profile" if profile else "checks")
    write_for_services(run.folder, junit, summary)


def check_into(
    run: Run, targets: Sequence[Target], settings: Settings, quiet: bool, verdict: Verdict = SILENT, hidden: bool = False
) -> list[CheckResult]:
    """Checks into the folder of the run; returns the results, without cases if they are hidden."""
    from attention_harness.runs import run as running
    from attention_harness.runs.progress import check_progress

    with check_progress("checking", quiet) as progress:
        listening = verdict.listening(progress, whole=not settings.first_stage)
        results = _hidden(targets, settings, listening) if hidden else running.check(targets, settings, run, listening)
    if not settings.shard:
        running.write(results, run, settings)
    if hidden:
        run.save(seed=None)
    return results


def _hidden(targets: Sequence[Target], settings: Settings, progress: Progress) -> list[CheckResult]:
    from attention_harness.runs import hidden
    from attention_harness.runs import run as running

    with hidden.private_run() as private:
        results = running.check(targets, settings, private, hidden.without_cases_in(progress))
    return [hidden.without_cases(result) for result in results]
