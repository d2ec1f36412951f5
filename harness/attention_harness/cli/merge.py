"""The command `merge`: the shards of one check become the run that a whole check would have been."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attention_harness.cli.check import check_into, report
from attention_harness.cli.exit_status import status_of
from attention_harness.cli.options import Jobs, Junit, Output, Profile, Summary, jobs_of
from attention_harness.cli.output import open_run, require_file
from attention_harness.cli.selection import loadable

Parts = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of `check --shard`, one for each part.")]


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
