"""The command line. Each command is a few lines: parse, do, print, exit status.

Exit status: 0 nothing wrong; 1 an implementation is wrong, crashed, hung or regressed; 2 the call is wrong (one line);
3 nothing could be judged.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.exceptions import Abort, TyperException

from harness import listing, probing, replaying
from harness import run as running
from harness.arguments import (
    Baseline,
    Claims,
    Deep,
    Dtype,
    Examples,
    Executor,
    Jobs,
    Json,
    Memory,
    Output,
    Probed,
    Property,
    Quick,
    Resume,
    Seed,
    Targets,
    Timeout,
    Workloads,
    settings_of,
)  # fmt: skip
from harness.conformance import Checked
from harness.isolation import Limits, Trouble
from harness.progress import shown, told
from harness.records import BLAMELESS
from harness.run import Run, Settings
from harness.targets import Target, UsageError, resolve
from harness.workloads import Workload

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="Is this attention right, and is it fast?")

RIGHT, WRONG, BAD_CALL, NOTHING = 0, 1, 2, 3
QUICK, DEEP = 15, 1500
"""Examples of `run --quick` and `run --deep`."""


@app.command("list")
def list_(targets: Targets = None, as_json: Json = False) -> int:
    """Implementations with framework, version, device, and what they declare; or why they are not available."""
    rows = listing.described(resolve(targets or []))
    if as_json:
        _print_json({"implementations": rows})
    else:
        listing.show(rows, Console())
    return RIGHT


@app.command()
def check(
    targets: Targets = None, examples: Examples = None, seed: Seed = 0, property_: Property = None, dtype: Dtype = None, jobs: Jobs = 2,
    timeout: Timeout = 30.0, memory: Memory = 6144, executor: Executor = "local", output: Output = None, resume: Resume = None,
    claim: Claims = None, as_json: Json = False,
) -> int:  # fmt: skip
    """Conformance of the named implementations, or of all that are available."""
    settings = settings_of(examples, seed, property_, dtype, jobs, timeout, memory, executor, claim)
    chosen = _loadable(resolve(targets or []), settings)
    run = _open(output, resume, "check", settings)
    results = _check(chosen, settings, run, quiet=as_json)
    run.save(complete=True)
    _report(run.folder, show="" if as_json else "checks")
    if as_json:
        _print_json({"checks": [row.to_json() for result in results for row in result.rows], "folder": str(run.folder)})
    return _status(results)


@app.command()
def bench(
    targets: Targets = None, baseline: Baseline = "numpy-eager", workload: Workloads = None, seed: Seed = 0, output: Output = None,
    quick: Quick = False, as_json: Json = False,
) -> int:  # fmt: skip
    """Times the named implementations against a baseline; what gives wrong answers has no time."""
    chosen, workloads = _loadable(resolve(targets or []), Settings()), _workloads(workload or [], quick, baseline)
    run = _open(output, None, "bench", replace(Settings(), seed=seed))
    rows = _bench(chosen, run, baseline, workloads, seed, quick, quiet=as_json)
    run.save(complete=True)
    _report(run.folder, show="" if as_json else "timings")
    if as_json:
        _print_json({"timings": rows, "folder": str(run.folder)})
    return WRONG if _invalid(rows) else RIGHT if rows else NOTHING


@app.command()
def run(
    targets: Targets = None, quick: Quick = False, deep: Deep = False, examples: Examples = None, seed: Seed = 0,
    property_: Property = None, dtype: Dtype = None, jobs: Jobs = 2, timeout: Timeout = 30.0, memory: Memory = 6144,
    executor: Executor = "local", output: Output = None, resume: Resume = None, claim: Claims = None,
    baseline: Baseline = "numpy-eager", workload: Workloads = None, as_json: Json = False,
) -> int:  # fmt: skip
    """The main job: checks, times and reports every implementation."""
    examples = examples if examples is not None else QUICK if quick else DEEP if deep else None
    settings = settings_of(examples, seed, property_, dtype, jobs, timeout, memory, executor, claim)
    chosen, workloads = _loadable(resolve(targets or []), settings), _workloads(workload or [], quick, baseline)
    run = _open(output, resume, "run", settings)
    results = _check(chosen, settings, run, quiet=as_json)
    sound = [target for target, result in zip(chosen, results, strict=True) if result.description and not _wrong(result)]
    try:
        rows = _bench(sound, run, baseline, workloads, seed, quick, quiet=as_json) if sound else []
        run.save(complete=True)
    finally:  # what was checked is reported, whatever becomes of the timing
        _report(run.folder, show="" if as_json else "checks timings")
    if as_json:
        checks = [row.to_json() for result in results for row in result.rows]
        _print_json({"checks": checks, "timings": rows, "folder": str(run.folder)})
    return WRONG if _invalid(rows) else _status(results)


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="The folder of a run.")]) -> int:
    """Writes the report of a run again, from its tables alone."""
    _report(folder, show="")
    return RIGHT


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A case, as a run writes it to cases/<id>.json.")],
    target: Annotated[str | None, typer.Argument(help="Another implementation to try it on.")] = None,
) -> int:
    """One recorded case again."""
    finding = replaying.replay(file, target)
    print(finding.sentence)
    return WRONG if finding.wrong else RIGHT


@app.command()
def probe(target: Probed, seed: Seed = 0, timeout: Timeout = 30.0, memory: Memory = 6144, as_json: Json = False) -> int:
    """Finds conventions and precision out by experiment, and prints the declaration to paste."""
    settings = settings_of(None, seed, None, None, 1, timeout, memory, "local", None)
    chosen = _one(target, settings)
    try:
        with told("probing", quiet=as_json) as tell:
            probed = probing.probe(chosen, seed, Limits(timeout, memory), tell)
    except Trouble as trouble:
        print(f"{chosen.name}: {trouble.outcome}: {trouble}", file=sys.stderr)
        return NOTHING
    if as_json:
        _print_json(probed.to_json())
    else:
        probing.show(probed, Console())
    return WRONG if probed.wrong else RIGHT if probed.answered else NOTHING


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


def _open(output: Path | None, resume: Path | None, command: str, settings: Settings) -> Run:
    if resume is not None and not (resume / "run.json").exists():
        raise UsageError(f"resume={resume}, but should be the folder of a run, with run.json in it")
    stamp = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    folder = resume or output or Path("reports") / "generated" / f"{stamp}-{command}"
    return Run(folder, {"command": command, "line": " ".join(["attention-harness", *sys.argv[1:]]), **asdict(settings)})


def _check(targets: Sequence[Target], settings: Settings, run: Run, quiet: bool) -> list[Checked]:
    import pandas as pd

    import reports

    with shown("checking", quiet) as progress:
        results = running.check(targets, settings, run, progress)
    for name, rows in running.tables(results, run).items():
        reports.write_table(run.folder, name, pd.DataFrame(rows))
    run.save(**running.facts(results, settings))
    running.tidy(run.folder)
    return results


def _workloads(names: Sequence[str], quick: bool, baseline: str) -> list[Workload]:
    """The workloads to time, and a look at whether the baseline is known, before anything is written. Raises UsageError."""
    from harness import timing

    resolve([baseline])
    return timing.named(names, quick=quick)


def _invalid(rows: Sequence[dict[str, Any]]) -> bool:
    return any(row["verdict"] == "INVALID" for row in rows)


def _bench(
    targets: Sequence[Target], run: Run, baseline: str, workloads: Sequence[Workload], seed: int, quick: bool, quiet: bool
) -> list[dict[str, Any]]:
    """Times into the folder of the run; returns the rows of `timings`."""
    import pandas as pd

    import reports
    from harness import timing

    with told("timing", quiet) as progress:
        timed = timing.bench(targets, workloads, timing.Settings(quick=quick, seed=seed, baseline=baseline), progress)
    reports.write_table(run.folder, "timings", pd.DataFrame(timed.rows))
    timing.record(timed, run.folder)
    run.save(noise=timed.noise)
    return timed.rows


def _report(folder: Path, show: str) -> None:
    """Writes the report, prints the named tables, and says where the report is."""
    import reports

    try:
        page = reports.write_report(folder)
    except reports.ReportError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"output={folder}, but should be a folder that can be written to: {error.strerror}") from error
    loaded, console = reports.Run.load(folder), Console()
    if "checks" in show:
        reports.print_checks(loaded, console)
    if "timings" in show:
        reports.print_timings(loaded, console)
    print(f"report: {page}", file=sys.stdout if show else sys.stderr)


def _wrong(result: Checked) -> bool:
    return any(row.outcome not in BLAMELESS for row in result.rows)


def _status(results: Sequence[Checked]) -> int:
    if any(_wrong(result) for result in results):
        return WRONG
    judged = any(row.outcome == "agrees" for result in results for row in result.rows)
    return RIGHT if judged else NOTHING


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(_finite(document), default=str))


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN: null stands for both."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    try:
        return int(app(arguments, standalone_mode=False) or 0)
    except (UsageError, TyperException) as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
    except (Abort, KeyboardInterrupt):
        print("interrupted; what was finished is kept, `--resume FOLDER` goes on", file=sys.stderr)
        return 130
    print(f"attention-harness: {' '.join(message.split())}", file=sys.stderr)
    return BAD_CALL


def command() -> None:
    """The installed command."""
    sys.exit(main())
