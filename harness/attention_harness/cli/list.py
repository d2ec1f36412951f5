"""The command `list`: the implementations, each loaded in a worker, with its description or the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from attention_harness.cli.exit_status import RIGHT
from attention_harness.cli.options import Json, Targets
from attention_harness.cli.output import print_json
from attention_harness.errors import CallFailed
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import Target, resolve

AT_ONCE = 4


def list_(targets: Targets = None, as_json: Json = False) -> int:
    """Implementations with framework, version, device and declarations; or why they are not available."""
    rows = described(resolve(targets or []))
    if as_json:
        print_json({"implementations": rows})
    else:
        show(rows, Console())
    return RIGHT


def described(targets: Sequence[Target]) -> list[dict[str, Any]]:
    """One row for each target: its description, or `available` False and the reason."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(_described, targets))


def _described(target: Target) -> dict[str, Any]:
    with Worker(target) as worker:
        try:
            return {**worker.description().to_json(), "available": True, "reason": ""}
        except CallFailed as failure:
            framework = target.name.partition("-")[0] if target.registered else ""
            return {"name": target.name, "framework": framework, "available": False, "reason": str(failure)}


def show(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """A table on a terminal, one line each elsewhere."""
    if not console.is_terminal:
        for row in rows:
            console.print(Text("  ".join(_cells(row))), soft_wrap=True)
        return
    table = Table(*("implementation", "framework", "device", "state", "declares"))
    for row in rows:
        table.add_row(*map(Text, _cells(row)), style="" if row["available"] else "dim")
    console.print(table)


def _cells(row: dict[str, Any]) -> list[str]:
    if not row["available"]:
        return [row["name"], row["framework"], "", f"unavailable: {row['reason']}", ""]
    return [row["name"], f"{row['framework']} {row['version']}", row["device"], "available", _declared(row)]


def _declared(row: dict[str, Any]) -> str:
    precision = ", ".join(f"{dtype} {model}" for dtype, model in row["precision"].items())
    empty = row["conventions"]["empty_rows"]
    return "; ".join(
        part for part in (", ".join(row["options"]), precision, "" if empty == "zeros" else f"empty rows {empty}") if part
    )
