"""Output of the commands: a folder, a report, tables on the terminal, JSON."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attention_harness.errors import UsageError
from attention_harness.runs import ending
from attention_harness.runs import folder as folders
from attention_harness.runs.folder import RunRequest

if TYPE_CHECKING:
    from attention_harness.runs.run import Run

VERSION = 1
"""Of the documents of `--json`: `schemas/` has a schema for each command."""


def open_run(output: Path | None, resume: Path | None, request: RunRequest) -> Run:
    """The folder of a run that begins or goes on, locked by this process. Raises UsageError."""
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

    return Run(folder, request.arguments(), shlex.join(["attention-harness", *sys.argv[1:]]), lock)


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
    if "audit" in show:
        reports.print_audit(loaded, console)
    if "timings" in show:
        reports.print_timings(loaded, console)
    print(f"report: {page}", file=sys.stdout if show else sys.stderr)


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
