"""The result of one implementation as a line of JSON: in the folder of a run, and from the processes of a pool or a cluster.

Results that come from elsewhere are read as data, so that a pickle has no place on their way.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from attention_harness.conformance.plan import CheckResult
from attention_harness.conformance.records import CheckRow, PrecisionRow
from attention_specs.contract import Conventions, Description


def written(checked: CheckResult) -> str:
    """The line."""
    return json.dumps(asdict(checked))


def read(line: str) -> CheckResult:
    """The result again. Raises ValueError for a line that was cut off."""
    data = json.loads(line)
    description = data.pop("description")
    rows = [CheckRow.from_json(row) for row in data.pop("rows")]
    precision = [PrecisionRow(**row) for row in data.pop("precision", [])]
    return CheckResult(**data, rows=rows, precision=precision, description=_description(description) if description else None)


def _description(data: dict[str, Any]) -> Description:
    tuples = {name: tuple(value) for name, value in data.items() if isinstance(value, list)}
    return Description(**{**data, **tuples, "conventions": Conventions(**data["conventions"])})


def path_of(folder: Path) -> Path:
    """The file in the folder of a run, with one line for each implementation that is finished."""
    return folder / "finished.jsonl"


def stored(folder: Path) -> dict[str, CheckResult]:
    """The finished results in the folder of a run; a line that was cut off is left out."""
    path = path_of(folder)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    return {checked.name: checked for line in lines if (checked := _whole(line))}


def _whole(line: str) -> CheckResult | None:
    try:
        return read(line)
    except (AttributeError, KeyError, TypeError, ValueError):  # cut off, or damaged
        return None
