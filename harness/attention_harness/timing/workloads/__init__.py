"""Workloads: the attention calls of published models, one TOML file each in this folder, sweeps, and any file given by its path.

A file holds `description`, `source`, optionally `quick = true` and `direction = "forward+backward"`, and a table `[problem]` with
the fields of `attention.problem.Problem`. With a table `[sweep]` it stands for many: see `sweeps.py`. The sweeps of the
folder `sweeps` are timed only when they are named.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import nan
from pathlib import Path

from attention_harness.errors import UsageError
from attention_harness.timing.workloads.sweeps import Member, members
from attention_specs.attention.problem import Problem
from attention_specs.choices import ALIKE, nearest

FIELDS = ("description", "source", "quick", "direction", "tokens", "variants", "sweep", "problem")
TRAINING = "forward+backward"
DIRECTIONS = ("forward", TRAINING)


@dataclass(frozen=True)
class Workload:
    """One problem worth timing: `source` is the publication of these sizes, `quick` whether a quick run takes it.

    In a sweep, `varied` is the field that differs from one member to the next and `value` its value; NaN for a word.
    """

    name: str
    description: str
    source: str
    problem: Problem
    quick: bool = False
    direction: str = "forward"
    sweep: str = ""
    varied: str = ""
    value: float = nan


@cache
def published() -> tuple[Workload, ...]:
    """The workloads of this folder, sorted by name; these are timed where none is named."""
    return tuple(workload for path in _files("*.toml") for workload in read(path))


@cache
def by_file() -> dict[str, tuple[Workload, ...]]:
    """Name of a file of this folder or of its sweeps -> its workloads."""
    return {path.stem: read(path) for path in (*_files("*.toml"), *_files("sweeps/*.toml"))}


def _files(pattern: str) -> list[Path]:
    return sorted(Path(__file__).parent.glob(pattern))


def named(names: Sequence[str] = (), quick: bool = False) -> list[Workload]:
    """The workloads of these names or file paths, each once; without names all, or the quick ones. Raises UsageError.

    The name of a sweep stands for all its members.
    """
    if not names:
        return [workload for workload in published() if workload.quick or not quick]
    return list(dict.fromkeys(workload for name in names for workload in _named(name)))


def _named(name: str) -> Sequence[Workload]:
    if name.endswith(".toml"):
        return read(Path(name))
    files = by_file()
    every = [workload for workloads in files.values() for workload in workloads]
    matches = files.get(name) or [workload for workload in every if name in (workload.name, workload.sweep)]
    if not matches:
        near = nearest(name, [*files, *(workload.name for workload in every)], ALIKE)
        words = near or f"one of {', '.join(files)}, a member of a sweep, or a .toml file"
        raise UsageError(f"workload={name}, but should be {words}")
    return matches


def read(path: Path) -> tuple[Workload, ...]:
    """The workloads in a file: one that is named after it, or the members of its sweep. Raises UsageError with one line."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"workload={path}, but should be a file that can be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"workload={path}, but should be a TOML file: {error}") from error
    header = _header(path, data)
    try:
        return tuple(_workload(header, member) for member in members(path.stem, data))
    except (TypeError, ValueError) as error:
        raise UsageError(f"workload={path}: {error}") from error


@dataclass(frozen=True)
class Header:
    """The fields that all workloads of a file share, as in Workload."""

    description: str
    source: str
    quick: bool
    direction: str


def _workload(header: Header, member: Member) -> Workload:
    """A workload; members of a sweep have their name in the description, since tables of timings show only that."""
    return Workload(
        name=member.name,
        description=f"{header.description}: {member.name}" if member.sweep else header.description,
        source=header.source,
        problem=member.problem,
        quick=header.quick,
        direction=header.direction,
        sweep=member.sweep,
        varied=member.varied,
        value=member.value,
    )


def _header(path: Path, data: Mapping[str, object]) -> Header:
    unknown = ", ".join(sorted(set(data) - set(FIELDS)))
    if unknown or not isinstance(data.get("problem"), dict):
        raise UsageError(
            f"workload={path} has {unknown or 'no problem'}, but should have {', '.join(FIELDS[:-1])} and a table [problem]"
        )
    direction = data.get("direction", DIRECTIONS[0])
    if not isinstance(direction, str) or direction not in DIRECTIONS:
        raise UsageError(f"workload={path}: direction={direction}, but should be one of {', '.join(DIRECTIONS)}")
    return Header(str(data.get("description", "")), str(data.get("source", "")), bool(data.get("quick", False)), direction)
