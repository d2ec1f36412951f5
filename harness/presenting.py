"""Where the commands leave what they found: a folder, a report, tables on the terminal, JSON."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.run import Run, Settings
from harness.targets import UsageError


def open_run(output: Path | None, resume: Path | None, command: str, settings: Settings, **facts: Any) -> Run:
    """The folder of a run that begins or goes on. Raises UsageError."""
    if resume is not None and not (resume / "run.json").exists():
        raise UsageError(f"resume={resume}, but should be the folder of a run, with run.json in it")
    stamp = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    folder = resume or output or Path("reports") / "generated" / f"{stamp}-{command}"
    return Run(folder, {"command": command, "line": " ".join(["attention-harness", *sys.argv[1:]]), **asdict(settings), **facts})


def write_report(folder: Path, show: str) -> None:
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
    if "audit" in show:
        reports.print_audit(loaded, console)
    if "timings" in show:
        reports.print_timings(loaded, console)
    print(f"report: {page}", file=sys.stdout if show else sys.stderr)


def print_json(document: dict[str, Any]) -> None:
    """One JSON document on standard output."""
    print(json.dumps(_finite(document), default=str))


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN: null stands for both."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
