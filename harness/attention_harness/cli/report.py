"""The commands that write pages from tables alone: `report` for one run, `compare` for two, `matrix` for several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attention_harness.cli.exit_status import NOTHING, RIGHT, WRONG
from attention_harness.cli.options import ComparisonFolder, Json, RunA, RunB
from attention_harness.cli.output import print_json, write_report
from attention_harness.errors import UsageError

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs, of any environments and machines.")]
Folder = Annotated[Path, typer.Option("--output", help="Folder for matrix.html, matrix.json and badge.svg.")]
Before = Annotated[Path | None, typer.Option("--before", help="The matrix.json of another time: the page says what changed.")]


def report(folder: Annotated[Path, typer.Argument(help="The folder of a run.")]) -> int:
    """Writes the report of a run again, from its tables alone."""
    write_report(folder, show="")
    return RIGHT


def matrix(runs: Runs, output: Folder = Path("matrix"), before: Before = None, as_json: Json = False) -> int:
    """Features of implementations: declared beside measured, from the tables of runs. Exit 3 if they hold no implementation."""
    import json

    import attention_reports as reports

    try:
        page = reports.write_matrix([reports.Run.load(run) for run in runs], output, before)
    except reports.ReportError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"output={output}, but should be a folder that can be written to: {error.strerror}") from error
    stored = json.loads(page.with_name("matrix.json").read_text(encoding="utf-8"))
    if as_json:
        print_json({name: stored[name] for name in ("entries", "changes")} | {"page": str(page)})
    else:
        _print(stored)
        print(f"matrix: {page}")
    return RIGHT if any(entry["cells"] for entry in stored["entries"]) else NOTHING


def _print(stored: dict[str, object]) -> None:
    """A line for each implementation with a red cell, and what changed."""
    entries, changes = stored["entries"], stored["changes"]
    for entry in entries if isinstance(entries, list) else ():
        if wrong := [f"{cell['group']} {cell['feature']}" for cell in entry["cells"] if cell["state"] == "wrong"]:
            print(f"{entry['implementation']} {entry['version']}: {', '.join(wrong)}")
    for kind, names in changes.items() if isinstance(changes, dict) else ():
        print(f"{kind}: {'; '.join(names) or 'none'}")


def compare(before: RunA, after: RunB, output: ComparisonFolder = None, as_json: Json = False) -> int:
    """Changes from run A to run B: outcomes, and times with intervals. Exit 1 if something broke or became slower."""
    import attention_reports as reports
    from attention_harness.cli import comparison

    result = reports.Comparison(comparison.load(before), comparison.load(after))
    comparison.present(result, output or after, as_json)
    return WRONG if result.worse else RIGHT if result.compared else NOTHING
