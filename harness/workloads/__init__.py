"""Workloads: the attention calls of published models, one TOML file each in this folder, and any file given by its path.

A file holds `description`, `source`, optionally `quick = true`, and a table `[problem]` with the fields of specs.problem.Problem.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.targets import UsageError
from specs.problem import Problem

FIELDS = ("description", "source", "quick", "problem")


@dataclass(frozen=True)
class Workload:
    """One problem worth timing: `source` says who published these sizes, `quick` whether a quick run takes it."""

    name: str
    description: str
    source: str
    problem: Problem
    quick: bool = False


@cache
def published() -> tuple[Workload, ...]:
    """The workloads of this folder, sorted by name."""
    return tuple(read(path) for path in sorted(Path(__file__).parent.glob("*.toml")))


def named(names: Sequence[str] = (), quick: bool = False) -> list[Workload]:
    """The workloads of these names or file paths, each once; without names all, or the quick ones. Raises UsageError."""
    if not names:
        return [workload for workload in published() if workload.quick or not quick]
    return list({name: _named(name) for name in names}.values())


def _named(name: str) -> Workload:
    if name.endswith(".toml"):
        return read(Path(name))
    known = {workload.name: workload for workload in published()}
    if name not in known:
        raise UsageError(f"workload={name}, but should be one of {', '.join(known)}, or a .toml file")
    return known[name]


def read(path: Path) -> Workload:
    """The workload in a file, named after it. Raises UsageError with one line."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"workload={path}, but should be a file that can be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"workload={path}, but should be a TOML file: {error}") from error
    return Workload(path.stem, **_fields(path, data))


def _fields(path: Path, data: dict[str, Any]) -> dict[str, Any]:
    unknown = ", ".join(sorted(set(data) - set(FIELDS)))
    if unknown or not isinstance(data.get("problem"), dict):
        raise UsageError(
            f"workload={path} has {unknown or 'no problem'}, but should have {', '.join(FIELDS[:-1])} and a table [problem]"
        )
    try:
        problem = Problem.from_json(data["problem"])
    except (TypeError, ValueError) as error:
        raise UsageError(f"workload={path}: {error}") from error
    texts = {name: str(data.get(name, "")) for name in ("description", "source")}
    return texts | {"problem": problem, "quick": bool(data.get("quick", False))}
