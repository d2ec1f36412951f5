"""The command `audit`: every planted fault against every property."""

from __future__ import annotations

from typing import Annotated

import typer

from attention_harness.cli.exit_status import RIGHT, WRONG
from attention_harness.cli.options import Declare, Examples, Faults, Jobs, Json, Only, OtherChecks, Output, Seed, settings_of
from attention_harness.cli.output import open_run, print_json, write_report
from attention_harness.runs.folder import RunRequest


def audit(
    faults: Faults = None, only: Only = None,
    quick: Annotated[bool, typer.Option("--quick", help="Stop at the first rejection of each fault.")] = False,
    other_checks: OtherChecks = False, examples: Examples = None, seed: Seed = 0, jobs: Jobs = "auto", declare: Declare = None,
    output: Output = None, as_json: Json = False,
) -> int:  # fmt: skip
    """Every planted fault against every property: what a green run would have caught. Exit 1 if a fault survives.

    FILE.py: its own functions are the faults.
    """
    from attention_harness import audit as auditing

    limits = auditing.LIMITS
    settings = settings_of(examples, seed, None, None, jobs, limits.seconds, limits.memory, "local", declare)
    selection = auditing.select(faults or [], only or [], settings.attributes, other_checks)
    run = open_run(output, None, RunRequest("audit", [], settings, {"quick": quick, **selection.arguments}))
    audited = auditing.run(selection, settings, run, quick, other_checks, quiet=as_json)
    write_report(run.folder, show="" if as_json else "audit")
    if as_json:
        print_json(audited.document)
    return WRONG if audited.failures else RIGHT
