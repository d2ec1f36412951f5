"""Output of the commands: a folder, a report, tables on the terminal, JSON."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attention_harness.cli.options import SecretSeed
from attention_harness.errors import UsageError
from attention_harness.runs import ending
from attention_harness.runs import folder as folders
from attention_harness.runs.folder import RunRequest

if TYPE_CHECKING:
    from attention_harness.runs.run import Run

GITHUB = "GITHUB_ACTIONS"
"""Environment variable: true in a job of GitHub."""

VERSION = 1
"""Of the documents of `--json`: `schemas/` has a schema for each command."""


def open_run(output: Path | None, resume: Path | None, request: RunRequest, hidden: bool = False) -> Run:
    """The folder of a run that begins or goes on, locked by this process. Raises UsageError.

    With `hidden` it does not say which seed decides the cases.
    """
    if output is not None and resume is not None:
        raise UsageError(f"output={output}, but should be left out: --resume {resume} names the folder")
    folder = resume or output or folders.fresh(request.command)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if resume is None:
            folders.require_empty(folder)
        lock = folders.locked(folder)
        if resume is None:
            folders.require_empty(folder)  # once more: another run may have come first
    except OSError as error:
        raise UsageError(f"output={folder}, but should be a folder that can be written to: {error.strerror}") from error
    ending.begun((request.command, folder))
    from attention_harness.runs.run import Run

    line = shlex.join(["attention-harness", *sys.argv[1:]])
    if hidden:
        return Run(folder, request.arguments() | {"seed": None}, "", lock)
    seed = request.settings.seed
    return Run(folder, request.arguments(), line, lock, {"seed": seed} if isinstance(seed, SecretSeed) else {})


def write_report(folder: Path, show: str) -> None:
    """Writes the report, prints the named tables, and says where the report is."""
    from rich.console import Console

    import attention_reports as reports

    try:
        page = reports.write_report(folder)
    except reports.ReportError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"output={folder}, but should be a folder that can be written to: {error.strerror}") from error
    loaded, console = reports.Run.load(folder), Console()
    if "checks" in show:
        reports.print_checks(loaded, console)
    if "profile" in show:
        reports.print_profile(loaded, console)
    if "audit" in show:
        reports.print_audit(loaded, console)
    if "timings" in show:
        reports.print_timings(loaded, console)
    print(f"report: {page}", file=sys.stdout if show else sys.stderr)


def require_file(option: str, path: Path | None) -> None:
    """UsageError for a file that cannot be written, before anything is checked."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise UsageError(f"{option}={path}, but should be a file in a folder that exists")


def write_for_services(folder: Path, junit: Path | None = None, summary: Path | None = None) -> None:
    """Writes JUnit XML and the summary, and on GitHub prints annotations, on standard error beside a document."""
    if not (junit or summary or os.environ.get(GITHUB) == "true"):
        return
    import attention_reports as reports
    from attention_reports import ci

    run = reports.Run.load(folder)
    if junit:
        ci.write_junit(run, junit)
    if summary:
        ci.append_summary(run, summary)
    if os.environ.get(GITHUB) == "true":
        print(*ci.annotations(run), sep="\n", file=sys.stderr)


def print_json(document: Mapping[str, object]) -> None:
    """One JSON document on standard output, with the version of its schema."""
    print(json.dumps(_finite({"version": VERSION, **document}), default=str))


def _finite(value: object) -> object:
    """JSON has no infinity and no NaN: null stands for both."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
