"""matrix.json: the matrix as plain data, read again to be compared with."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attention_reports.features.measurements import WRONG, Entry
from attention_reports.load import ReportError

VERSION = 1

Cells = Mapping[tuple[str, str, str], Mapping[str, Any]]
"""(implementation with its version and device, group, feature) -> the cell."""


@dataclass(frozen=True)
class Changes:
    """From one matrix to another: cells that turned red, that are red no longer, and implementations that came or went."""

    new: list[str]
    mended: list[str]
    appeared: list[str]
    gone: list[str]

    def to_json(self) -> dict[str, list[str]]:
        """Plain data."""
        return {"new": self.new, "mended": self.mended, "appeared": self.appeared, "gone": self.gone}


def document(entries: Sequence[Entry]) -> dict[str, Any]:
    """The entries of a matrix."""
    return {"version": VERSION, "entries": [entry.to_json() for entry in entries]}


def read(path: Path) -> Mapping[str, Any]:
    """A stored matrix. Raises ReportError for anything else."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["version"] != VERSION:
            raise ReportError(f"version={stored['version']} of {path}, but should be {VERSION}")
        _cells(stored)
    except OSError as error:
        raise ReportError(f"matrix={path}, but should be a matrix.json that can be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ReportError):
            raise
        raise ReportError(f"matrix={path}, but should be a matrix.json of `attention-harness matrix`: {error}") from error
    return dict(stored)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """What is different in `after`; a cell that only one of the two has is neither new nor mended."""
    old, new = _cells(before), _cells(after)
    was, now = ({key[0] for key in cells} for cells in (old, new))
    both = [key for key in new if key in old]
    return Changes(
        [_words(key) for key in both if _red(new[key]) and not _red(old[key])],
        [_words(key) for key in both if _red(old[key]) and not _red(new[key])],
        sorted(now - was),
        sorted(was - now),
    )


def _cells(stored: Mapping[str, Any]) -> Cells:
    return {(_key(entry), cell["group"], cell["feature"]): cell for entry in stored["entries"] for cell in entry["cells"]}


def _key(entry: Mapping[str, Any]) -> str:
    return f"{entry['implementation']} {entry['version']} {entry['device']}".rstrip()


def _red(cell: Mapping[str, Any]) -> bool:
    return bool(cell["state"] == WRONG)


def _words(key: tuple[str, str, str]) -> str:
    return f"{key[0]}: {key[1]} {key[2]}"
