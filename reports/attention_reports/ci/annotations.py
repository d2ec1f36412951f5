"""Annotations: the first failures as GitHub shows them beside the code, at the line that defines the function."""

import ast
from pathlib import Path

from attention_reports.findings import Finding, findings
from attention_reports.load import Run
from attention_reports.text import in_words, visible

MOST = 10
"""GitHub shows ten errors of a step."""


def annotations(run: Run) -> list[str]:
    """A workflow command for each of the first ten findings."""
    places = dict(_places(run))
    return [_command(finding, places.get(finding.head.implementation, {})) for finding in findings(run)[:MOST]]


def _command(finding: Finding, place: dict[str, str]) -> str:
    cell = finding.head
    title = f"{cell.implementation} {cell.outcome.name}: {in_words(cell.name)}"
    lines = [
        cell.witness["message"] or title,
        f"replay: {cell.witness['replay']}" if cell.witness["replay"] else "",
        finding.summary,
    ]
    fields = ",".join(f"{key}={_field(value)}" for key, value in {**place, "title": title}.items())
    return f"::error {fields}::{_data(chr(10).join(filter(None, lines)))}"


def _data(text: str) -> str:
    """The message of a command, on one line."""
    return "%0A".join(visible(line).replace("%", "%25") for line in text.split("\n"))


def _field(text: str) -> str:
    """A field of a command."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _places(run: Run) -> list[tuple[str, dict[str, str]]]:
    """Name -> file and line, of the functions that the run was given by their files."""
    targets = run.section("arguments").get("targets")
    named = [target for target in targets if isinstance(target, dict)] if isinstance(targets, list) else []
    return [(str(target.get("name")), place) for target in named if (place := _place(str(target.get("location", ""))))]


def _place(location: str) -> dict[str, str]:
    file, _, function = location.rpartition(":")
    path = Path(file)
    if path.suffix != ".py" or not path.is_file():
        return {}
    here = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return {"file": str(here), "line": str(_line(path, function))}


def _line(path: Path, function: str) -> int:
    """The line that defines the function, 1 where there is none."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return 1
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return next((node.lineno for node in ast.walk(tree) if isinstance(node, kinds) and node.name == function), 1)
