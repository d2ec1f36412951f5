"""The command `report`: the report of a run, written again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attention_harness.cli.exit_status import RIGHT
from attention_harness.cli.output import write_report


def report(folder: Annotated[Path, typer.Argument(help="The folder of a run.")]) -> int:
    """Writes the report of a run again, from its tables alone."""
    write_report(folder, show="")
    return RIGHT
