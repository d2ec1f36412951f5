"""A run, read from its folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from attention_reports import outcomes, schema

SCHEMA = 1


class ReportError(ValueError):
    """The folder holds no run, or a damaged one; the message is one line with the fault and the right form."""


@dataclass(frozen=True)
class Run:
    """The records of one run: `metadata` is run.json, the frames have the columns of `attention_reports.schema`.

    A file that is missing, because the run was interrupted or timed nothing, is an empty frame with the same columns.
    """

    folder: Path
    metadata: Mapping[str, Any]
    checks: pd.DataFrame
    precision: pd.DataFrame
    agreement: pd.DataFrame
    coverage: pd.DataFrame
    profile: pd.DataFrame
    timings: pd.DataFrame
    faults: pd.DataFrame
    kills: pd.DataFrame
    controls: pd.DataFrame
    vacuity: pd.DataFrame
    other_checks: pd.DataFrame

    @classmethod
    def load(cls, folder: str | Path) -> "Run":
        """Read a run folder. Raises ReportError where there is no run, or where one of its files cannot be read."""
        folder = Path(folder)
        metadata = _metadata(folder)
        frames = {name: _frame(_file(folder, name), columns) for name, columns in schema.FRAMES.items()}
        checks = frames["checks"]
        frames["checks"] = checks.assign(outcome=checks["outcome"].map(outcomes.label))
        return cls(folder, metadata, **frames)

    @property
    def complete(self) -> bool:
        """Whether the run reached its end."""
        return self.metadata.get("complete") is True

    @property
    def unknown_outcomes(self) -> list[str]:
        """The recorded outcomes that this version does not know; a fault that survived has none."""
        return outcomes.unknown([*self.checks["outcome"], *self.faults["outcome"]])

    @property
    def audits(self) -> bool:
        """Whether the run tried properties on planted faults, instead of implementations."""
        return self.section("arguments").get("command") == "audit" or not self.faults.empty

    @property
    def quick(self) -> bool:
        """Whether an audit stopped at the first rejection of each fault."""
        return bool({**self.section("arguments"), **self.section("audit")}.get("quick"))

    @cached_property
    def implementations(self) -> list[dict[str, Any]]:
        """The declarations of each implementation, available or not; empty where the run stopped before."""
        return _dictionaries(self.metadata.get("implementations"))

    @cached_property
    def properties(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The description of each property, by (spec, name)."""
        listed = _dictionaries(self.metadata.get("properties"))
        return {(str(p.get("spec", "")), str(p.get("name", ""))): p for p in listed}

    def section(self, name: str) -> dict[str, Any]:
        """One object of run.json, such as "environment"; empty where it is missing or null."""
        value = self.metadata.get(name)
        return value if isinstance(value, dict) else {}

    def case(self, identifier: str) -> dict[str, Any]:
        """The recorded case of that id, empty where there is none. An id that is a path is nobody's id."""
        path = self.folder / "cases" / f"{identifier}.json"
        if not identifier or Path(identifier).name != identifier or not path.is_file():
            return {}
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


def _metadata(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    if not path.is_file():
        why = "it does not" if folder.is_dir() else "there is no such folder"
        raise ReportError(f"run folder={folder}, but should contain run.json: {why}")
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ReportError(f"run.json={path}, but should be JSON: {error}") from error
    if not isinstance(metadata, dict):
        raise ReportError(f"run.json={path}, but should hold one JSON object: it holds a {type(metadata).__name__}")
    if metadata.get("schema", SCHEMA) != SCHEMA:
        raise ReportError(f"schema={metadata['schema']!r}, but should be {SCHEMA} [{path}]")
    return metadata


def _file(folder: Path, name: str) -> Path:
    """The file of a frame: in a run of an older version it may have another name."""
    path, former = (folder / f"{known}.parquet" for known in (name, schema.FORMER_NAMES.get(name, name)))
    return path if path.is_file() or not former.is_file() else former


def _frame(path: Path, columns: dict[str, str]) -> pd.DataFrame:
    if not path.is_file():
        return schema.conform(pd.DataFrame(), columns)
    try:
        return schema.conform(pd.read_parquet(path).rename(columns=schema.FORMER_COLUMNS), columns)
    except (OSError, ValueError) as error:  # pyarrow's errors are both of these
        reason = str(error).splitlines()[0]
        raise ReportError(f"table={path}, but should be a Parquet file of this project: {reason}") from error


def _dictionaries(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
