"""The command line. Each command is a few lines: parse, do, print, exit status.

Exit status: 0 nothing wrong; 1 an implementation is wrong, crashed, hung or regressed; 2 the call is wrong (one line);
3 nothing, or too little, could be judged; 70 a fault of the harness, or a full disk; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer.exceptions import Abort, TyperException

from attention_harness import probe as probing
from attention_harness.cli import listing
from attention_harness.cli.options import (  # fmt: skip
    Baseline,
    BaselineRun,
    Beside,
    Declare,
    Deep,
    Dtype,
    Examples,
    Executor,
    Faults,
    Jobs,
    Json,
    Memory,
    Only,
    OtherChecks,
    Output,
    Probed,
    Processes,
    Property,
    Quick,
    Resume,
    RunA,
    RunB,
    Seconds,
    Seed,
    Targets,
    Timeout,
    Workloads,
    declarations_of,
    settings_of,
)
from attention_harness.cli.output import open_run, print_json, write_report
from attention_harness.conformance import replay as replaying
from attention_harness.conformance.check import CheckResult
from attention_harness.conformance.records import BLAMELESS
from attention_harness.errors import CallFailed, UsageError
from attention_harness.process.limits import Limits
from attention_harness.registry.targets import Target, resolve
from attention_harness.runs import ending
from attention_harness.runs import folder as folders
from attention_harness.runs import run as running
from attention_harness.runs.folder import Asked
from attention_harness.runs.progress import check_progress, status_line
from attention_harness.runs.run import Run, Settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="Is this attention right, and is it fast?")

RIGHT, WRONG, BAD_CALL, NOTHING, INTERRUPTED = 0, 1, 2, 3, 130
QUICK, DEEP = 15, 1500
"""Examples of `run --quick` and `run --deep`."""


@app.command("list")
def list_(targets: Targets = None, as_json: Json = False) -> int:
    """Implementations with framework, version, device, and what they declare; or why they are not available."""
    rows = listing.described(resolve(targets or []))
    if as_json:
        print_json({"implementations": rows})
    else:
        listing.show(rows, Console())
    return RIGHT


@app.command()
def check(
    targets: Targets = None, examples: Examples = None, seed: Seed = 0, property_: Property = None, dtype: Dtype = None, jobs: Jobs = 2,
    timeout: Timeout = 30.0, memory: Memory = 6144, executor: Executor = "local", output: Output = None, resume: Resume = None,
    declare: Declare = None, as_json: Json = False,
) -> int:  # fmt: skip
    """Conformance of the named implementations, or of all that are available."""
    settings = settings_of(examples, seed, property_, dtype, jobs, timeout, memory, executor, declare)
    asked = folders.asked("check", targets or [], settings, resume)
    chosen = _loadable(asked.targets, asked.settings)
    run = open_run(output, resume, asked)
    results = _check(chosen, asked.settings, run, quiet=as_json)
    running.complete(run)
    write_report(run.folder, show="" if as_json else "checks")
    if as_json:
        print_json({"checks": [row.to_json() for result in results for row in result.rows], "folder": str(run.folder)})
    return _status(results)


@app.command()
def bench(
    targets: Targets = None, baseline: Baseline = "numpy-eager", workload: Workloads = None, seed: Seed = 0, output: Output = None,
    quick: Quick = False, seconds: Seconds = None, processes: Processes = None, baseline_run: BaselineRun = None, as_json: Json = False,
) -> int:  # fmt: skip
    """Times the named implementations against a baseline; what gives wrong answers has no time."""
    from attention_harness.cli import comparing, timing

    pace = timing.pace(quick, seed, baseline, seconds, processes)
    stored = comparing.load(baseline_run) if baseline_run else None
    chosen, workloads = _loadable(resolve(targets or []), Settings()), timing.workloads(workload or [], quick, baseline)
    run = open_run(output, None, Asked("bench", chosen, replace(Settings(), seed=seed), {}))
    rows = timing.bench(chosen, run, workloads, pace, quiet=as_json)
    compared = comparing.against(stored, run, chosen, workloads, pace, quiet=as_json) if stored else {}
    run.save(complete=True)
    write_report(run.folder, show="" if as_json else "timings")
    if as_json:
        print_json({"timings": rows, "folder": str(run.folder)} | ({"compared": compared} if compared else {}))
    for line in compared.get("lines", []) if not as_json else []:
        print(line)
    return WRONG if timing.invalid(rows) or compared.get("regressions") else RIGHT if timing.timed(rows) else NOTHING


@app.command()
def run(
    targets: Targets = None, quick: Quick = False, deep: Deep = False, examples: Examples = None, seed: Seed = 0,
    property_: Property = None, dtype: Dtype = None, jobs: Jobs = 2, timeout: Timeout = 30.0, memory: Memory = 6144,
    executor: Executor = "local", output: Output = None, resume: Resume = None, declare: Declare = None,
    baseline: Baseline = "numpy-eager", workload: Workloads = None, as_json: Json = False,
) -> int:  # fmt: skip
    """The main job: checks, times and reports every implementation."""
    from attention_harness.cli import timing

    examples = examples if examples is not None else QUICK if quick else DEEP if deep else None
    settings = settings_of(examples, seed, property_, dtype, jobs, timeout, memory, executor, declare)
    more = {"quick": quick, "baseline": baseline, "workload": workload or []}
    asked = folders.asked("run", targets or [], settings, resume, **more)
    quick, baseline, workload = (asked.more[name] for name in more)
    chosen, workloads = _loadable(asked.targets, asked.settings), timing.workloads(workload or [], quick, baseline)
    run = open_run(output, resume, asked)
    results = _check(chosen, asked.settings, run, quiet=as_json)
    sound = [target for target, result in zip(chosen, results, strict=True) if result.description and not _wrong(result)]
    try:
        rows = (
            timing.bench(sound, run, workloads, timing.pace(quick, asked.settings.seed, baseline), quiet=as_json) if sound else []
        )
        running.complete(run)
    finally:  # what was checked is reported, whatever becomes of the timing
        write_report(run.folder, show="" if as_json else "checks timings")
    if as_json:
        checks = [row.to_json() for result in results for row in result.rows]
        print_json({"checks": checks, "timings": rows, "folder": str(run.folder)})
    return WRONG if timing.invalid(rows) else _status(results)


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="The folder of a run.")]) -> int:
    """Writes the report of a run again, from its tables alone."""
    write_report(folder, show="")
    return RIGHT


@app.command()
def compare(before: RunA, after: RunB, output: Beside = None, as_json: Json = False) -> int:
    """What changed from run A to run B: outcomes, and times with intervals. Exit 1 if something broke or became slower."""
    import attention_reports as reports
    from attention_harness.cli import comparing

    comparison = reports.Comparison(comparing.load(before), comparing.load(after))
    comparing.present(comparison, output or after, as_json)
    return WRONG if comparison.worse else RIGHT if comparison.compared else NOTHING


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A case, as a run writes it to cases/<id>.json.")],
    target: Annotated[str | None, typer.Argument(help="Another implementation to try it on.")] = None,
    declare: Declare = None,
) -> int:
    """One recorded case again, under the conventions and limits of its run. Exit 3 if it could not be judged."""
    finding = replaying.replay(file, target, declarations_of(declare))
    print(finding.sentence)
    return WRONG if finding.wrong else RIGHT if finding.judged else NOTHING


@app.command()
def probe(target: Probed, seed: Seed = 0, timeout: Timeout = 30.0, memory: Memory = 6144, as_json: Json = False) -> int:
    """Finds conventions and precision out by experiment, and prints the declaration to paste."""
    settings = settings_of(None, seed, None, None, 1, timeout, memory, "local", None)
    chosen = _one(target, settings)
    try:
        with status_line("probing", quiet=as_json) as tell:
            probed = probing.probe(chosen, seed, Limits(timeout, memory), tell)
    except CallFailed as trouble:
        print(f"{chosen.name}: {trouble.outcome}: {trouble}", file=sys.stderr)
        return NOTHING
    if as_json:
        print_json(probed.to_json())
    else:
        probing.show(probed, Console())
    return WRONG if probed.wrong else RIGHT if probed.answered else NOTHING


@app.command()
def audit(
    faults: Faults = None, only: Only = None,
    quick: Annotated[bool, typer.Option("--quick", help="Each fault until its first kill.")] = False,
    other_checks: OtherChecks = False, examples: Examples = None, seed: Seed = 0, jobs: Jobs = 2, declare: Declare = None,
    output: Output = None, as_json: Json = False,
) -> int:  # fmt: skip
    """Every planted fault against every property: what a green run would have caught. Exit 1 if a fault survives.

    FILE.py: its own functions are the faults.
    """
    from attention_harness import audit as auditing

    limits = auditing.LIMITS
    settings = settings_of(examples, seed, None, None, jobs, limits.seconds, limits.memory, "local", declare)
    selection = auditing.select(faults or [], only or [], declare or [], other_checks)
    run = open_run(output, None, Asked("audit", [], settings, {"quick": quick, **selection.arguments}))
    audited = auditing.run(selection, settings, run, quick, other_checks, quiet=as_json)
    write_report(run.folder, show="" if as_json else "audit")
    if as_json:
        print_json(audited.document)
    return WRONG if audited.failures else RIGHT


def _one(name: str, settings: Settings) -> Target:
    """The target, if the name stands for one only and a function that it names can be loaded. Raises UsageError."""
    found = _loadable(resolve([name]), settings)
    if len(found) > 1:
        raise UsageError(f"target={name}, but should be one of {', '.join(target.name for target in found)}")
    return found[0]


def _loadable(targets: Sequence[Target], settings: Settings) -> list[Target]:
    """The targets, once the settings and every function given by its place are known to be usable. Raises UsageError."""
    running.validate(settings)
    for target in targets:
        if not target.registered:
            listing.require(target, Limits(settings.seconds, settings.memory))
    return list(targets)


def _check(targets: Sequence[Target], settings: Settings, run: Run, quiet: bool) -> list[CheckResult]:
    import pandas as pd

    import attention_reports as reports

    with check_progress("checking", quiet) as progress:
        results = running.check(targets, settings, run, progress)
    for name, rows in running.tables(results, run).items():
        reports.write_table(run.folder, name, pd.DataFrame(rows))
    run.save(**running.run_metadata(results, settings))
    return results


def _wrong(result: CheckResult) -> bool:
    return any(row.outcome not in BLAMELESS for row in result.rows)


def _status(results: Sequence[CheckResult]) -> int:
    if any(result.ours for result in results):
        return ending.OURS
    if any(_wrong(result) for result in results):
        return WRONG
    judged = any(row.outcome == "agrees" for result in results for row in result.rows)
    judged = judged and not any(result.too_little for result in results)
    return RIGHT if judged else NOTHING


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    ending.begun()
    try:
        return int(app(arguments, standalone_mode=False) or 0)
    except (UsageError, TyperException) as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
    except (Abort, KeyboardInterrupt):
        print(f"attention-harness: interrupted{ending.kept()}", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # the one place that everything of ours comes to
        print(f"attention-harness: {ending.fault(error)}", file=sys.stderr)
        return ending.OURS
    from attention_reports.text import visible

    print(f"attention-harness: {visible(' '.join(message.split()))}", file=sys.stderr)
    return BAD_CALL


def command() -> None:
    """The installed command."""
    ending.watch()
    sys.exit(main())
